"""Browsers: which pages may call the gateway, and which names it answers to."""

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from frontier.gateway.errors import Problem

if TYPE_CHECKING:
    from frontier.gateway.wire.request import Request

_APPS: Final = frozenset(
    {"app", "file", "tauri", "vscode-webview", "vscode-file", "chrome-extension", "moz-extension"}
)
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1"})  # noqa: S104 - names
_LOCAL_ENDS: Final = (".localhost", ".local", ".internal")
_MOST_KNOWN: Final = 1000
_TOLD: Final = (
    b"access-control-allow-origin: %b\r\naccess-control-expose-headers: *\r\nvary: origin\r\n"
)
_BAD_HOST: Final = Problem(
    403,
    "This gateway listens on loopback and does not answer to the name in the Host header; "
    "ALLOWED_ORIGINS can add one.",
    code="permission_denied",
)
_BAD_ORIGIN: Final = Problem(
    403, "Pages of this origin may not call the gateway; see ALLOWED_ORIGINS.",
    code="permission_denied",
)  # fmt: skip


class Origins:
    """Decides by the headers Origin and Host.

    Args:
        allowed: Origins such as ``https://chat.example``, beside those of this machine; ``*``
            for all.
        checks_host: Only this machine should reach the gateway, so a name that leads here from
            elsewhere is DNS rebinding: a page that reads answers as if they were its own.
    """

    def __init__(self, allowed: Sequence[str] = (), *, checks_host: bool = False) -> None:
        self._all = "*" in allowed
        self._allowed = frozenset(origin.rstrip("/").lower() for origin in allowed)
        self._hosts = frozenset(urlsplit(origin).hostname or origin for origin in self._allowed)
        self._checks_host = checks_host
        self._known_hosts: set[bytes] = set()

    def judge(self, request: "Request") -> Problem | None:
        """Return why a page may not ask; else have its answer, or refusal, readable by it."""
        headers = request.headers
        if self._checks_host and headers.get(b"host") not in self._known_hosts:
            host = headers.get(b"host", b"")
            if not self._is_known(host):
                return _BAD_HOST
            if len(self._known_hosts) < _MOST_KNOWN:
                self._known_hosts.add(host)
        if b"origin" not in headers:
            return None
        origin = headers[b"origin"]
        if not self._is_allowed(origin, headers.get(b"host", b"")):
            return _BAD_ORIGIN
        request.extra = _TOLD % origin
        return None

    def _is_known(self, host: bytes) -> bool:
        """Tell whether nobody else can own *host*: an address, or a name without a domain."""
        name = _host_name(host.decode("latin-1"))
        is_short = "." not in name
        return is_short or name.endswith(_LOCAL_ENDS) or name in self._hosts or _is_address(name)

    def _is_allowed(self, origin: bytes, host: bytes) -> bool:
        text = origin.decode("latin-1").lower()
        if self._all or text in self._allowed:
            return True
        try:
            parts = urlsplit(text)
            name = parts.hostname or ""
        except ValueError:
            return False
        if parts.scheme in _APPS or name in _LOCAL_NAMES or name.endswith(".localhost"):
            return True
        return bool(name) and parts.netloc == host.decode("latin-1").lower()


def is_preflight(request: "Request") -> bool:
    """Tell whether a browser asks if it may ask."""
    headers = request.headers
    is_options = request.method == b"OPTIONS"
    return is_options and b"origin" in headers and b"access-control-request-method" in headers


def preflight(request: "Request") -> bytes:
    """Return the header lines that allow what a browser asks for."""
    headers = request.headers
    lines = b"access-control-allow-methods: GET, HEAD, POST, PUT, DELETE, OPTIONS\r\n"
    if wanted := headers.get(b"access-control-request-headers"):
        lines += b"access-control-allow-headers: %b\r\n" % wanted
    if b"access-control-request-private-network" in headers:
        lines += b"access-control-allow-private-network: true\r\n"
    return lines + b"access-control-max-age: 86400\r\n"


def _host_name(host: str) -> str:
    """Return *host* without its port, lower case."""
    host = host.strip().lower().rstrip(".")
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
