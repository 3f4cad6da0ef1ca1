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
    """Two PEM files."""

    chain: Path
    key: Path


def own_certificate(folder: Path, chain: str, key: str) -> Certificate:
    """Return the user's certificate, copied into *folder* where containers get it from.

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
    texts = [_read(name, path) for name, path in (("SSL_CERT_PATH", chain), ("SSL_KEY_PATH", key))]
    pair = Certificate(folder / "tls.crt", folder / "tls.key")
    with tempfile.TemporaryDirectory() as beside:
        trial = Certificate(Path(beside, "tls.crt"), Path(beside, "tls.key"))
        for path, text in zip(trial, texts, strict=True):
            path.write_text(text)
        certified = _public_key(chain, "x509", "-noout", "-pubkey", "-in", str(trial.chain))
        if certified != _public_key(key, "pkey", "-pubout", "-in", str(trial.key)):
            raise ConfigError(
                f"{chain} is not the certificate of the key {key}",
                hint="Name the pair: frontier config set SSL_CERT_PATH FILE, and SSL_KEY_PATH.",
            )
    for path, text in zip(pair, texts, strict=True):
        write_atomic(path, text, mode=0o600)
    return pair


def self_signed(folder: Path, hosts: Sequence[str]) -> Certificate:
    """Return a self-signed certificate for *hosts*, made anew before it expires.

    Args:
        folder: Holds ``tls.crt`` and ``tls.key``, readable by the owner only.
        hosts: DNS names and IP addresses that clients use; the first one is the subject.

    Raises:
        RuntimeFailedError: there is no ``openssl``, or it fails.
    """
    pair = Certificate(folder / "tls.crt", folder / "tls.key")
    names = ",".join(_alternative(host) for host in hosts)
    if _is_good(pair, names):
        return pair
    with storage_errors(folder), tempfile.TemporaryDirectory() as beside:
        made = Certificate(Path(beside, "tls.crt"), Path(beside, "tls.key"))
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
        write_atomic(pair.key, made.key.read_text(), mode=0o600)
        write_atomic(pair.chain, made.chain.read_text(), mode=0o600)
        write_atomic(folder / "tls.names", names)
    return pair


def _alternative(host: str) -> str:
    try:
        return f"IP:{ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"


def _is_good(pair: Certificate, names: str) -> bool:
    told = pair.chain.with_suffix(".names")
    if not (pair.chain.exists() and pair.key.exists() and told.exists()):
        return False
    check = ("x509", "-noout", "-checkend", str(_RENEW_S), "-in", str(pair.chain))
    return told.read_text() == names and _run(check).returncode == 0


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
