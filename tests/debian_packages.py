"""Debian packages as one root file system: nothing of Debian, and no root, is needed here.

Maintainer scripts are not run; what they would have done and an image needs is done here.
"""

import contextlib
import hashlib
import io
import lzma
import re
import tarfile
import urllib.request
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

MIRROR = "https://deb.debian.org/debian"

_SKIPPED_FILES = re.compile(r"\./usr/share/(doc|man|info|locale|lintian|bug|fonts|javascript)/.")
# what only installs, or only serves a machine that boots
_SKIPPED_PACKAGES = re.compile(
    r"adduser|daemon|debconf.*|dpkg|fonts-.*|init-system-helpers|iproute2|libjs-.*|.*sysusers"
    r"|lsb-base|node-.*|perl.*|procps|runit-helper|sensible-utils|systemd.*|ucf|cdebconf"
)
_FOLDERS = {"proc": 0o755, "sys": 0o755, "dev": 0o755, "root": 0o700, "tmp": 0o1777}
_ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n"
    "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
    "group": "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n",
}
_PATIENCE_S = 60


@dataclass(frozen=True)
class Package:
    """One file of the archive.

    Attributes:
        needs: One entry per dependency: the names that satisfy it, the first preferred.
    """

    name: str
    path: str
    sha256: str
    needs: tuple[tuple[str, ...], ...]
    provides: tuple[str, ...]


@dataclass(frozen=True)
class Root:
    """What a root file system consists of.

    Attributes:
        suite: Release of Debian, by its code name.
        packages: Names; what they need comes along.
        links: Symbolic links: path to target.
        folders: Created empty, for everybody to write to.
        scripts: Executable files: path to text.
    """

    suite: str
    packages: tuple[str, ...]
    links: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)


def write_root(root: Root, architecture: str, *, cache: Path, target: Path) -> None:
    """Write *root* to the tar file *target*; downloads lie in the folder *cache*."""
    index = read_index(_get(_index(root.suite, architecture)))
    with ThreadPoolExecutor(8) as pool:
        files = list(pool.map(lambda p: _fetch(p, cache), closure(index, root.packages)))
    with tarfile.open(target, "w") as archive:
        for name, mode in _FOLDERS.items():
            _add(archive, name, type=tarfile.DIRTYPE, mode=mode)
        _copy(files, archive)
        for name, text in _ETC.items():
            _add(archive, f"etc/{name}", text.encode())
        for name in root.folders:
            _add(archive, name, type=tarfile.DIRTYPE, mode=0o1777)
        for name, link in root.links.items():
            _add(archive, name, type=tarfile.SYMTYPE, linkname=link)
        for name, text in root.scripts.items():
            _add(archive, name, text.encode(), mode=0o755)


def read_index(raw: bytes) -> dict[str, Package]:
    """Return the packages of a ``Packages.xz`` by name; provided names point to a provider."""
    stanzas = lzma.decompress(raw).decode().split("\n\n")
    found = [_package(stanza) for stanza in stanzas if stanza.strip()]
    provided = {name: package for package in found for name in package.provides}
    return {**provided, **{package.name: package for package in found}}


def closure(index: Mapping[str, Package], names: Iterable[str]) -> list[Package]:
    """Return *names* and all that they need, by name."""
    wanted, found = list(names), dict[str, Package]()
    while wanted:
        package = index[wanted.pop()]
        if package.name not in found:
            found[package.name] = package
            wanted += [
                _choice(index, options) for options in package.needs if not _is_idle(options)
            ]
    return [found[name] for name in sorted(found)]


def _choice(index: Mapping[str, Package], options: Collection[str]) -> str:
    return next(name for name in options if name in index)


def _is_idle(options: Collection[str]) -> bool:
    return any(_SKIPPED_PACKAGES.fullmatch(name) for name in options)


def _package(stanza: str) -> Package:
    lines = re.findall(r"^([\w-]+): (.*)$", stanza, re.MULTILINE)
    fields = dict(lines)
    needs = [fields[key] for key in ("Pre-Depends", "Depends") if key in fields]
    return Package(
        name=fields["Package"],
        path=fields["Filename"],
        sha256=fields["SHA256"],
        needs=tuple(_names(need, "|") for field in needs for need in field.split(",")),
        provides=_names(fields.get("Provides", ""), ","),
    )


def _names(text: str, separator: str) -> tuple[str, ...]:
    """Return the names in *text* without versions and architectures."""
    words = (word.split() for word in text.split(separator))
    return tuple(word[0].partition(":")[0] for word in words if word)


def _index(suite: str, architecture: str) -> str:
    return f"dists/{suite}/main/binary-{architecture}/Packages.xz"


def _get(path: str) -> bytes:
    with urllib.request.urlopen(f"{MIRROR}/{path}", timeout=_PATIENCE_S) as response:
        data: bytes = response.read()
    return data


def _fetch(package: Package, cache: Path) -> Path:
    """Return the package's file, downloaded unless an earlier run did; concurrent runs wait."""
    path = cache / f"{package.sha256}.deb"
    if not path.exists():
        data = _get(package.path)
        if hashlib.sha256(data).hexdigest() != package.sha256:
            raise ValueError(f"{package.path} is not what the index promises")
        beside = path.with_suffix(".part")
        beside.write_bytes(data)
        beside.rename(path)
    return path


def _copy(files: Iterable[Path], archive: tarfile.TarFile) -> None:
    """Write the content of the packages *files* to *archive*, folders once, certificates as one."""
    seen, certificates = {f"./{name}" for name in _FOLDERS}, list[bytes]()
    for path in files:
        with _content(path) as content:
            for member in content:
                if _SKIPPED_FILES.match(member.name) or (member.isdir() and member.name in seen):
                    continue
                seen.add(member.name)
                data = content.extractfile(member).read() if member.isfile() else b""
                if member.name.endswith(".crt"):
                    certificates.append(data)
                archive.addfile(member, io.BytesIO(data))
    _add(archive, "etc/ssl/certs/ca-certificates.crt", b"".join(certificates))


def _add(archive: tarfile.TarFile, name: str, data: bytes = b"", **fields: Any) -> None:
    info = tarfile.TarInfo(f"./{name}")
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(data))


@contextlib.contextmanager
def _content(package: Path) -> Iterator[tarfile.TarFile]:
    """Open the files of a .deb, which is an `ar` archive with a ``data.tar`` in it."""
    with package.open("rb") as file, tarfile.open(fileobj=_data(file)) as content:
        yield content


def _data(file: IO[bytes]) -> IO[bytes]:
    file.seek(len("!<arch>\n"))
    while header := file.read(60):
        name, size = header[:16].decode().strip().rstrip("/"), int(header[48:58])
        if name.startswith("data.tar"):
            return io.BytesIO(file.read(size))
        file.seek(size + size % 2, io.SEEK_CUR)
    raise ValueError(f"{file.name} is no Debian package")
