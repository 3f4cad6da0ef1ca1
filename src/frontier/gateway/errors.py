"""Failures as HTTP answers, in the shape that OpenAI's clients understand."""

import json
import math
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


def held_too_long(model: str, why: str, waited_s: float) -> Problem:
    """Return the 503 for a request that waited for an engine in vain.

    Args:
        model: The name that was asked.
        why: What it waited for: ``replaced``, ``loading`` or ``busy``.
        waited_s: For how long.
    """
    headers = ((b"retry-after", b"10"),)
    if why == "busy":
        message = (
            f"All engines of the model `{model}` are busy, and this request has waited "
            f"{waited_s:.0f} s for a free one."
        )
        return Problem(503, message, code="overloaded", headers=headers)
    what = "its engine is being replaced" if why == "replaced" else "its engine loads it"
    message = (
        f"The model `{model}` is not available yet: {what}, and this request has waited "
        f"{waited_s:.0f} s."
    )
    return Problem(503, message, code="model_loading", headers=headers)


def queue_full(model: str, waiting: int, wait_s: float) -> Problem:
    """Return the 429 for a request that finds the queue full.

    Args:
        model: The name that was asked.
        waiting: How many requests wait already.
        wait_s: How long the last one that was served had to wait: what to expect.
    """
    message = (
        f"All engines of the model `{model}` are busy, and {waiting} requests wait already, "
        f"as many as may."
    )
    headers = ((b"retry-after", b"%d" % min(max(math.ceil(wait_s), 1), 60)),)
    return Problem(429, message, code="rate_limit_exceeded", headers=headers)


def unavailable(model: str, wait_s: float) -> Problem:
    """Return the 503 for a model whose engines have failed and rest for *wait_s* seconds."""
    message = (
        f"The model `{model}` is not available: its engine failed several times in a row and is "
        f"asked again in {wait_s:.0f} s."
    )
    headers = ((b"retry-after", b"%d" % math.ceil(wait_s)),)
    return Problem(503, message, code="overloaded", headers=headers)


def context_exceeded(limit: int, least: int, param: str) -> Problem:
    """Return the 400 for a text of *least* tokens or more that cannot fit into *limit* tokens."""
    message = (
        f"This model's maximum context length is {limit} tokens. However, your request has at "
        f"least {least} tokens. Please shorten it."
    )
    return Problem(
        400, message, code="context_length_exceeded", param=param, tokens=least, limit=limit
    )


def bad_gateway(reason: str) -> Problem:
    """Return the 502 for an engine that cannot be reached, died or spoke no HTTP."""
    return Problem(502, f"The engine {reason}.", code="upstream_error")


def too_slow(reason: str) -> Problem:
    """Return the 504 for an engine that took longer than the route allows."""
    return Problem(504, f"The engine {reason}.", code="upstream_timeout")


BAD_ENCODING: Final = Problem(
    415, "The request body's Content-Encoding is not known; gzip, zstd and identity are."
)
HEAD_TOO_LARGE: Final = Problem(431, "The request's header is too large.", closes=True)
URL_TOO_LONG: Final = Problem(400, "The request's URL is too long.", closes=True)
TOO_SLOW_CLIENT: Final = Problem(408, "The request did not arrive in time.", closes=True)
STOPPING: Final = Problem(
    503, "The gateway is stopping.", code="overloaded", headers=((b"retry-after", b"2"),)
)
HELD_TOO_MANY: Final = Problem(
    503,
    "The model's engine cannot take requests now, and too many wait for one already.",
    code="overloaded",
    headers=((b"retry-after", b"5"),),
)
BUG: Final = Problem(500, "The gateway failed to handle this request; this is a bug.")
