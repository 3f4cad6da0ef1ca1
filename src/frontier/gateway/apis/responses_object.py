"""The response object: what a client finds in an answer, and at both ends of a stream."""

import json
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Final

from frontier.gateway.apis.chat import Usage
from frontier.gateway.errors import Problem

Document = dict[str, object]

# `json.dumps` would make one for every call
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))
_FOREIGN: Final = re.compile(r"[^\x00-\x7f]+")
_BREAKS: Final = bytes.maketrans(b"\r\n", b"  ")
_LIMITS: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}


def to_ascii(document: bytes) -> bytes:
    """Return a JSON text as one ASCII line, which no client splits where it should not."""
    if not document.isascii():
        text = document.decode()
        document = _FOREIGN.sub(lambda run: json.dumps(run[0])[1:-1], text).encode("ascii")
    return document.translate(_BREAKS)


def dumped(value: object) -> bytes:
    """Return *value* as JSON, ASCII only."""
    return _ENCODER.encode(value).encode("ascii")


def usage_of(usage: Usage | None, tokens: tuple[int, int, int] | None) -> Document | None:
    """Return the usage as clients want it: every number there; None if the engine told nothing.

    Args:
        usage: As the engine told it; has the details.
        tokens: Input, output and cached.
    """
    if tokens is None:
        return None
    given, said, cached = tokens
    details = usage.completion_tokens_details if usage else None
    thought = details.reasoning_tokens if details else None
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": said,
        "output_tokens_details": {"reasoning_tokens": thought or 0},
        "total_tokens": given + said,
    }


@dataclass(slots=True)
class ResponseObject:
    """One response as it goes from ``in_progress`` to its end, whoever answers in the end.

    Attributes:
        model: As the client named it.
        echo: The fields that repeat the request, JSON without braces.
        key: Hex, the part of all ids that makes them unique.
        events: How many the client has been told of.
    """

    model: str
    echo: bytes
    key: str = field(default_factory=lambda: secrets.token_hex(16))
    created_at: int = field(default_factory=lambda: int(time.time()))
    events: int = 0

    def in_progress(self) -> bytes:
        """Return it as it begins."""
        return self._document("in_progress", [], None)

    def finished(self, reason: str | None, output: list[Document], usage: Document | None) -> bytes:
        """Return it complete, or incomplete if the *reason* why the engine ended is a limit."""
        if (limit := limit_of(reason)) is not None:
            return self._document("incomplete", output, usage, incomplete={"reason": limit})
        return self._document("completed", output, usage)

    def failed(self, problem: Problem, output: list[Document], usage: Document | None) -> bytes:
        """Return it with its *problem*."""
        error: Document = {"code": problem.code or "server_error", "message": problem.message}
        return self._document("failed", output, usage, error=error)

    def _document(
        self,
        status: str,
        output: list[Document],
        usage: Document | None,
        *,
        error: Document | None = None,
        incomplete: Document | None = None,
    ) -> bytes:
        own = {
            "id": f"resp_{self.key}",
            "object": "response",
            "created_at": self.created_at,
            "completed_at": int(time.time()) if status == "completed" else None,
            "status": status,
            "error": error,
            "incomplete_details": incomplete,
            "model": self.model,
            "output": output,
            "usage": usage,
        }
        return b"%b,%b}" % (dumped(own)[:-1], self.echo)


def limit_of(reason: str | None) -> str | None:
    """Return what cut an answer short, by the *reason* why the engine ended; None if nothing."""
    return _LIMITS.get(reason or "")
