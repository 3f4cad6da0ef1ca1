"""The certificate that nginx shows where the user has none: self-signed, for this machine."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from frontier.adapters.files import storage_errors, write_atomic
from frontier.domain.errors import ConfigError, RuntimeFailedError

_DAYS = 397  # the longest that browsers accept
_RENEW_S = 30 * 24 * 3600
_TIMEOUT_S = 60.0


class Certificate(NamedTuple):
    """What TLS shows, and what it signs with, as PEM."""

    chain: str
    key: str


class _Files(NamedTuple):
    """The two files of a self-signed one, and the names that it is made for."""

    chain: Path
    key: Path
    names: Path

    @property
    def pem(self) -> Certificate:
        return Certificate(self.chain.read_text(), self.key.read_text())


def own_certificate(chain: str, key: str) -> Certificate:
    """Return the user's certificate, which stands in the files *chain* and *key*.

    Raises:
        ConfigError: one of both is missing, unreadable, or they do not belong together.
    """
    if not (chain and key):
        given, other = ("CERT", "KEY") if chain else ("KEY", "CERT")
        raise ConfigError(
            f"SSL_CERT_PATH and SSL_KEY_PATH belong together, and only SSL_{given}_PATH is set: "
            f"{chain or key}",
            hint=f"frontier config set SSL_{other}_PATH FILE",
        )
    pair = Certificate(_read("SSL_CERT_PATH", chain), _read("SSL_KEY_PATH", key))
    with tempfile.TemporaryDirectory() as beside:
        trial = _files(Path(beside))
        trial.chain.write_text(pair.chain)
        trial.key.write_text(pair.key)
        certified = _public_key(chain, "x509", "-noout", "-pubkey", "-in", str(trial.chain))
        if certified != _public_key(key, "pkey", "-pubout", "-in", str(trial.key)):
            raise ConfigError(
                f"{chain} is not the certificate of the key {key}",
                hint="Name the pair: frontier config set SSL_CERT_PATH FILE, and SSL_KEY_PATH.",
            )
    return pair


def present(folder: Path, hosts: Sequence[str]) -> Certificate | None:
    """Return what `self_signed` would not make anew, None where it would."""
    files = _files(folder)
    return files.pem if _is_good(files, _alternatives(hosts)) else None


def self_signed(folder: Path, hosts: Sequence[str]) -> Certificate:
    """Return a self-signed certificate for *hosts*, made anew before it expires.

    Args:
        folder: Holds ``tls.crt`` and ``tls.key``, readable by the owner only.
        hosts: DNS names and IP addresses that clients use; the first one is the subject.

    Raises:
        RuntimeFailedError: there is no ``openssl``, or it fails.
    """
    if good := present(folder, hosts):
        return good
    files, names = _files(folder), _alternatives(hosts)
    with storage_errors(folder), tempfile.TemporaryDirectory() as beside:
        made = _files(Path(beside))
        _openssl(
            *("req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *(
                "-days",
                str(_DAYS),
                "-subj",
                f"/CN={hosts[0]}",
                "-addext",
                f"subjectAltName={names}",
            ),
            *("-keyout", str(made.key), "-out", str(made.chain)),
        )
        write_atomic(files.key, made.key.read_text(), mode=0o600)
        write_atomic(files.chain, made.chain.read_text(), mode=0o600)
        write_atomic(files.names, names)
    return files.pem


def not_after(chain: Path) -> str:
    """Return when the first certificate of *chain* expires, as ``Nov 21 20:42:37 2027 GMT``.

    Raises:
        ValueError: *chain* holds none.
        RuntimeFailedError: there is no ``openssl``.
    """
    done = _run(("x509", "-noout", "-enddate", "-in", str(chain)))
    if done.returncode != 0:
        raise ValueError(done.stderr.strip())
    return done.stdout.strip().removeprefix("notAfter=")


def _files(folder: Path) -> _Files:
    return _Files(folder / "tls.crt", folder / "tls.key", folder / "tls.names")


def _alternatives(hosts: Sequence[str]) -> str:
    return ",".join(map(_alternative, hosts))


def _alternative(host: str) -> str:
    try:
        return f"IP:{ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"


def _is_good(files: _Files, names: str) -> bool:
    if not all(path.exists() for path in files):
        return False
    check = ("x509", "-noout", "-checkend", str(_RENEW_S), "-in", str(files.chain))
    return files.names.read_text() == names and _run(check).returncode == 0


def _read(setting: str, path: str) -> str:
    try:
        return Path(path).expanduser().read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not PEM"
        raise ConfigError(
            f"{setting}: {path} cannot be read: {why}", hint=f"frontier config set {setting} FILE"
        ) from error


def _public_key(path: str, *arguments: str) -> str:
    """Return the public key that openssl finds in a copy of *path*."""
    done = _run(arguments)
    if done.returncode != 0:
        raise ConfigError(
            f"{path} is not what TLS needs: openssl {arguments[0]} cannot read it",
            hint="Check SSL_CERT_PATH and SSL_KEY_PATH: PEM files, the key without a passphrase.",
            details=done.stderr.strip(),
        )
    return done.stdout


def _openssl(*arguments: str) -> None:
    done = _run(arguments)
    if done.returncode != 0:
        raise RuntimeFailedError(
            f"openssl {arguments[0]} failed",
            hint="Bring a certificate of your own: frontier config set SSL_CERT_PATH FILE",
            details=done.stderr.strip(),
        )


def _run(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    program = shutil.which("openssl")
    if program is None:
        raise RuntimeFailedError(
            "there is no openssl to make a certificate with",
            hint="Install it, or give your own: frontier config set SSL_CERT_PATH FILE",
        )
    return subprocess.run(  # noqa: S603 a program of that name, without a shell
        (program, *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
