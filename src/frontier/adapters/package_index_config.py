"""Which package index the user's environment is set to, as pip and uv read it."""

import configparser
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from frontier.domain.errors import ConfigError

PYPI = "https://pypi.org/simple"

_TRUE = frozenset({"1", "on", "yes", "true"})
_SECTIONS = ("global", "download", "install")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexConfig:
    """Where packages may come from.

    Attributes:
        indexes: Addresses of simple APIs, asked in this order; may hold credentials.
        find_links: Folders, pages or addresses of pages with links; looked at first.
        is_offline: Nothing may be asked over the network.
        ca_file: File or folder of certificates trusted besides the system's, "" for none.
        trusted_hosts: Hosts that may be asked without TLS.
    """

    indexes: tuple[str, ...] = (PYPI,)
    find_links: tuple[str, ...] = ()
    is_offline: bool = False
    ca_file: str = ""
    trusted_hosts: tuple[str, ...] = ()


def read_index_config(environ: Mapping[str, str], *, home: Path, prefix: Path) -> IndexConfig:
    """Return what pip's and uv's variables and files say, merged.

    Variables win over files, uv over pip; lists are joined. Files of a project in the working
    folder are not read: Frontier is not part of it.

    Args:
        environ: The process environment.
        home: The user's home folder.
        prefix: The environment that Frontier is installed in.

    Raises:
        ConfigError: a file cannot be parsed.
    """
    pip = _pip_files(environ, home, prefix)
    uv = _uv_files(environ, home)
    links = [
        *re.split(r"[,\s]+", environ.get("UV_FIND_LINKS", "")),
        *uv.get("find-links", []),
        *_words("find-links", environ, pip),
    ]
    return IndexConfig(
        indexes=tuple(dict.fromkeys(_indexes(environ, pip, uv))),
        find_links=tuple(dict.fromkeys(filter(None, links))),
        is_offline=_is_true(environ.get("UV_OFFLINE")) or bool(uv.get("offline")),
        ca_file=environ.get("PIP_CERT")
        or pip.get("cert")
        or environ.get("REQUESTS_CA_BUNDLE")  # pip's own HTTP library reads these two
        or environ.get("CURL_CA_BUNDLE", ""),
        trusted_hosts=(
            *_words("trusted-host", environ, pip),
            *environ.get("UV_INSECURE_HOST", "").split(),
            *uv.get("allow-insecure-host", []),
        ),
    )


def _indexes(
    environ: Mapping[str, str], pip: Mapping[str, str], uv: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the addresses of simple APIs, the default first; none where there shall be none."""
    if (
        _is_true(environ.get("UV_NO_INDEX"))
        or _is_true(environ.get("PIP_NO_INDEX", pip.get("no-index")))
        or bool(uv.get("no-index"))
    ):
        return
    tables = _uv_indexes(environ, uv)
    yield (
        _named(environ.get("UV_DEFAULT_INDEX", ""), environ)
        or environ.get("UV_INDEX_URL")
        or environ.get("PIP_INDEX_URL")
        or next((url for url, is_default in tables if is_default), "")
        or uv.get("index-url", "")
        or pip.get("index-url", "")
        or PYPI
    )
    yield from (_named(word, environ) for word in environ.get("UV_INDEX", "").split())
    yield from environ.get("UV_EXTRA_INDEX_URL", "").split()
    yield from (url for url, is_default in tables if not is_default)
    yield from uv.get("extra-index-url", [])
    yield from _words("extra-index-url", environ, pip)


def _words(key: str, environ: Mapping[str, str], pip: Mapping[str, str]) -> list[str]:
    """Return pip's list: the variable replaces what the files say."""
    return environ.get(f"PIP_{key.upper().replace('-', '_')}", pip.get(key, "")).split()


def _is_true(text: str | None) -> bool:
    return (text or "").strip().lower() in _TRUE


def _pip_files(environ: Mapping[str, str], home: Path, prefix: Path) -> dict[str, str]:
    """Return the keys of all of pip's files; the later file and section win, as with pip."""
    found: dict[str, str] = {}
    for path in _pip_paths(environ, home, prefix):
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(path.read_text("utf-8"), source=str(path))
        except OSError:
            continue
        except (configparser.Error, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path}: {' '.join(str(error).split())}",
                hint="Mend the file, or set PIP_CONFIG_FILE=/dev/null to go without.",
            ) from error
        for section in _SECTIONS:
            if parser.has_section(section):
                found |= {key.replace("_", "-"): v for key, v in parser.items(section)}
    return found


def _pip_paths(environ: Mapping[str, str], home: Path, prefix: Path) -> list[Path]:
    """Return pip's files, weakest first.

    Source: https://pip.pypa.io/en/stable/topics/configuration/
    """
    if environ.get("PIP_CONFIG_FILE") == "/dev/null":
        return []
    xdg = environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    mac = ["/Library/Application Support"] if sys.platform == "darwin" else []
    return [
        *(Path(folder) / "pip/pip.conf" for folder in (*mac, *xdg)),
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        config / "pip/pip.conf",
        *([home / "Library/Application Support/pip/pip.conf"] if mac else []),
        Path(environ.get("VIRTUAL_ENV") or prefix) / "pip.conf",
        *([Path(environ["PIP_CONFIG_FILE"])] if environ.get("PIP_CONFIG_FILE") else []),
    ]


def _uv_files(environ: Mapping[str, str], home: Path) -> dict[str, Any]:
    """Return uv's own settings, the user's over the system's.

    Source: https://docs.astral.sh/uv/concepts/configuration-files/
    """
    if _is_true(environ.get("UV_NO_CONFIG")):
        return {}
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    paths = [Path("/etc/uv/uv.toml"), config / "uv/uv.toml"]
    if chosen := environ.get("UV_CONFIG_FILE"):
        paths = [Path(chosen)]
    found: dict[str, Any] = {}
    for path in paths:
        try:
            found |= tomllib.loads(path.read_text("utf-8"))
        except OSError:
            continue
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path}: {error}", hint="Mend the file, or set UV_NO_CONFIG=1 to go without."
            ) from error
    return found


def _uv_indexes(environ: Mapping[str, str], uv: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Return the addresses of `[[index]]`, each with whether it is the default."""
    tables: Iterable[dict[str, Any]] = uv.get("index", [])
    return [
        (
            _signed(str(table["url"]), str(table.get("name", "")), environ),
            bool(table.get("default")),
        )
        for table in tables
        if "url" in table and not table.get("explicit")
    ]


def _named(text: str, environ: Mapping[str, str]) -> str:
    """Return the address in `name=address` or `address`, with the credentials of that name."""
    name, _, url = text.partition("=") if re.match(r"[\w.-]+=", text) else ("", "", text)
    return _signed(url, name, environ)


def _signed(url: str, name: str, environ: Mapping[str, str]) -> str:
    key = "UV_INDEX_" + re.sub(r"[^A-Z0-9]", "_", name.upper())
    user, password = environ.get(f"{key}_USERNAME", ""), environ.get(f"{key}_PASSWORD", "")
    parts = urlsplit(url)
    if not name or not (user or password) or "@" in parts.netloc:
        return url
    login = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return parts._replace(netloc=f"{login}@{parts.netloc}").geturl()
