"""Failures as HTTP answers, in the shape that OpenAI's clients understand."""

import json
from dataclasses import dataclass
from typing import Final

_CLIENT_ERROR: Final = "invalid_request_error"
_SERVER_ERROR: Final = "server_error"
_FIRST_SERVER_STATUS = 500


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request failed.

    Attributes:
        status: HTTP status; also the ``code`` label of the metrics.
        message: One or two sentences for people.
        code: Stable word for programs, OpenAI's where there is one.
        param: The field of the request that is wrong.
        headers: Extra response headers, lower-case names.
        closes: The connection cannot be used again, because its framing is lost.
        model: The name that leads nowhere, if that is why.
        tokens: Of a prompt that is too long for the context; None if nobody told.
        limit: Tokens of that context.
    """

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    closes: bool = False
    model: str = ""
    tokens: int | None = None
    limit: int | None = None

    @property
    def body(self) -> bytes:
        """The JSON document, ASCII only."""
        error = {
            "message": self.message,
            "type": _type(self.status),
            "param": self.param,
            "code": self.code,
        }
        return json.dumps({"error": error}).encode()

    @property
    def event(self) -> bytes:
        """The same as one server-sent event, for a stream that already began."""
        return b"data: " + self.body + b"\n\n"


def _type(status: int) -> str:
    match status:
        case 408:
            return "timeout_error"
        case 429:
            return "rate_limit_error"
        case _:
            return _SERVER_ERROR if status >= _FIRST_SERVER_STATUS else _CLIENT_ERROR


def model_not_found(name: str) -> Problem:
    """Return the 404 for a model that no route serves."""
    message = f"The model `{name}` does not exist or you do not have access to it."
    return Problem(404, message, code="model_not_found", param="model", model=name)


def unknown_path(method: str, path: str) -> Problem:
    """Return the 404 for a path that nothing serves."""
    return Problem(404, f"Invalid URL ({method} {path})")


def wrong_method(method: str, path: str, allow: bytes) -> Problem:
    """Return the 405 with the methods that *path* does answer."""
    message = f"Method {method} is not allowed for {path}."
    headers = ((b"allow", allow),)
    return Problem(405, message, code="method_not_supported", headers=headers)


def too_large(limit_bytes: int) -> Problem:
    """Return the 413; the rest of the body is not read, so the connection closes."""
    message = f"The request body is larger than the limit of {limit_bytes} bytes."
    return Problem(413, message, code="request_too_large", closes=True)


def not_running(model: str, backend: str) -> Problem:
    """Return the 503 for a model whose engine has no address yet."""
    message = f"The model `{model}` is not available yet: no {backend} engine is running."
    headers = ((b"retry-after", b"2"),)
    return Problem(503, message, code="model_loading", headers=headers)


def held_too_long(model: str, waited_s: float) -> Problem:
    """Return the 503 for a request that waited for an engine to be replaced, in vain."""
    message = (
        f"The model `{model}` is not available yet: its engine is being replaced, and this "
        f"request has waited {waited_s:.0f} s for the new one."
    )
    headers = ((b"retry-after", b"10"),)
    return Problem(503, message, code="model_loading", headers=headers)


def bad_gateway(reason: str) -> Problem:
    """Return the 502 for an engine that cannot be reached, died or spoke no HTTP."""
    return Problem(502, f"The engine {reason}.", code="upstream_error")


def too_slow(reason: str) -> Problem:
    """Return the 504 for an engine that took longer than the route allows."""
    return Problem(504, f"The engine {reason}.", code="upstream_timeout")


BAD_KEY: Final = Problem(
    401,
    "Incorrect API key provided. Send the gateway's key as `Authorization: Bearer KEY`.",
    code="invalid_api_key",
    headers=((b"www-authenticate", b"Bearer"),),
)
BAD_ENCODING: Final = Problem(
    415, "Compressed request bodies are not supported; send the body with no Content-Encoding."
)
HEAD_TOO_LARGE: Final = Problem(431, "The request's header is too large.", closes=True)
URL_TOO_LONG: Final = Problem(400, "The request's URL is too long.", closes=True)
TOO_SLOW_CLIENT: Final = Problem(408, "The request did not arrive in time.", closes=True)
STOPPING: Final = Problem(
    503, "The gateway is stopping.", code="overloaded", headers=((b"retry-after", b"2"),)
)
HELD_TOO_MANY: Final = Problem(
    503,
    "The model's engine is being replaced, and too many requests wait for it already.",
    code="overloaded",
    headers=((b"retry-after", b"5"),),
)
BUG: Final = Problem(500, "The gateway failed to handle this request; this is a bug.")
