"""One HTTP request as the parser collects it, and what became of it."""

import itertools
import os
import time
from typing import Final

from frontier.gateway.errors import Problem

_LONGEST_ID: Final = 128
_PREFIX: Final = f"req_{os.urandom(8).hex()}"
_numbers = itertools.count(1)


class Request:
    """Filled by the parser's callbacks, then by whoever answers.

    Attributes:
        headers: By lower-case name; repeated ones joined by a comma.
        repeated: Names that came more than once.
        parts: The body as it arrived.
        path: Normalised, empty until the request is dispatched.
        problem: Why it is refused, found before the body was read.
        status: What was answered; 0 so far.
        first_at: When the first byte of the answer's body came, 0.0 so far.
        sent_bytes: To the client, head included.
    """

    __slots__ = (
        "backend",
        "first_at",
        "headers",
        "http11",
        "id",
        "keep_alive",
        "method",
        "model",
        "parts",
        "path",
        "problem",
        "repeated",
        "repeats",
        "sent_bytes",
        "size",
        "started",
        "status",
        "stream",
        "tokens",
        "url",
    )

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.method = b""
        self.url = b""
        self.headers: dict[bytes, bytes] = {}
        self.repeated: frozenset[bytes] = frozenset()
        self.repeats = 0
        self.parts: list[bytes] = []
        self.size = 0
        self.keep_alive = False
        self.http11 = True
        self.problem: Problem | None = None
        self.id = ""
        self.path = ""
        self.model = ""
        self.backend = ""
        self.stream = False
        self.status = 0
        self.first_at = 0.0
        self.sent_bytes = 0
        self.tokens: tuple[int, int, int] | None = None

    def name_itself(self) -> None:
        """Take the client's request id if it is printable and short, else make one."""
        given = self.headers.get(b"x-request-id")
        if given is not None and 0 < len(given) <= _LONGEST_ID:
            text = given.decode("latin-1")
            if text.isascii() and text.isprintable():
                self.id = text
                return
        self.id = f"{_PREFIX}{next(_numbers):08x}"

    def take_body(self) -> bytes:
        """Return the whole body and let go of it."""
        parts = self.parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        return body
