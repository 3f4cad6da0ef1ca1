"""Decisions about a request that need no more than its head."""

import hmac
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from frontier.gateway.apis.known import OPERATIONS
from frontier.gateway.errors import BAD_ENCODING, BAD_KEY, Problem, too_large

if TYPE_CHECKING:
    from frontier.gateway.core import Core
    from frontier.gateway.wire.request import Request

HOT: Final = {
    spelling: path
    for path in OPERATIONS
    for spelling in {path.encode(), path.removeprefix("/v1").encode()}
}
_ALIASES: Final = {spelling.decode(): path for spelling, path in HOT.items()}
_OPEN_PATHS: Final = frozenset({"/", "/api/version", "/healthz", "/readyz"})
_SINGLE: Final = frozenset({b"host", b"authorization", b"x-api-key", b"content-type"})


def normalise(url: bytes) -> str:
    """Return the path that *url* means: no query, no doubled or trailing slash, ``/v1`` in front.

    Percent-encoding stays: only a model's name may be encoded, and its route decodes it.
    """
    text = url.decode("latin-1")
    if not text.startswith("/"):
        text = urlsplit(text).path or "/"
    path = text.partition("?")[0].partition("#")[0]
    path = "/" + "/".join(part for part in path.split("/") if part)
    if path.startswith("/v1/v1/"):
        path = path[3:]
    if path == "/models" or path.startswith("/models/"):
        path = "/v1" + path
    return _ALIASES.get(path, path)


def refusal(request: "Request", core: "Core") -> Problem | None:
    """Return why *request* is refused before its body is read, None if it is not.

    Its head is complete; *core* has the key and the limits.
    """
    headers = request.headers
    if (reason := _ambiguity(request)) is not None:
        return Problem(400, reason, closes=True)
    if core.key is not None and not _may_ask(request, core.key, core.bearer):
        return BAD_KEY
    if b"content-encoding" in headers and headers[b"content-encoding"].lower() != b"identity":
        return BAD_ENCODING
    length = headers.get(b"content-length")
    if length is not None and int(length) > core.max_body_bytes:
        return too_large(core.max_body_bytes)
    return None


def _ambiguity(request: "Request") -> str | None:
    """Return what another HTTP program could read differently: the start of smuggling."""
    headers = request.headers
    if request.method == b"CONNECT":
        return "This is no proxy."
    if request.repeats and (twice := request.repeated & _SINGLE):
        return f"The header {min(twice).decode()} is given twice."
    if b"transfer-encoding" in headers:
        if not request.http11:
            return "HTTP/1.0 knows no Transfer-Encoding."
        if headers[b"transfer-encoding"].lower() != b"chunked":
            return "Of the transfer encodings only chunked is supported."
    if request.http11 and b"host" not in headers:
        return "The header host is missing."
    return None


def _may_ask(request: "Request", key: bytes, bearer: bytes) -> bool:
    headers = request.headers
    return (
        hmac.compare_digest(headers.get(b"authorization", b""), bearer)
        or request.path in _OPEN_PATHS
        or _has_key(headers, key)
    )


def _has_key(headers: dict[bytes, bytes], key: bytes) -> bool:
    scheme, _, bearer = headers.get(b"authorization", b"").partition(b" ")
    given = bearer.strip() if scheme.lower() == b"bearer" else headers.get(b"x-api-key", b"")
    return hmac.compare_digest(given, key)
