"""Failures in the shape that Anthropic's clients understand."""

import json
from typing import Final

from frontier.gateway.errors import Problem

_FIRST_SERVER_STATUS: Final = 500
_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def document(problem: Problem, request_id: str) -> bytes:
    """Return *problem* as JSON, ASCII only."""
    error = {"type": _type(problem.status), "message": _message(problem)}
    return json.dumps({"type": "error", "error": error, "request_id": request_id}).encode()


def event(problem: Problem, request_id: str) -> bytes:
    """Return *problem* as the last event of a stream."""
    return b"event: error\ndata: " + document(problem, request_id) + b"\n\n"


def _type(status: int) -> str:
    other = "api_error" if status >= _FIRST_SERVER_STATUS else "invalid_request_error"
    return _TYPES.get(status, other)


def _message(problem: Problem) -> str:
    """Return the vendor's own words where programs look for them."""
    if problem.code == "model_not_found" and problem.model:
        return f"model: {problem.model}"
    if problem.code != "context_length_exceeded" or problem.limit is None:
        return problem.message
    size = "more" if problem.tokens is None else f"{problem.tokens} tokens"
    return f"prompt is too long: {size} > {problem.limit} maximum"
