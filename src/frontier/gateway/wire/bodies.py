"""Answers that cannot pass as they came: chunking undone, the model's name replaced."""

import contextlib
import re
from typing import Final

import httptools

# Inside a JSON string every quote is escaped, so this can only be a key and its value.
_MODEL: Final = re.compile(rb'"model"\s*:\s*"(?:[^"\\]|\\.)*"')
_LONGEST_ERROR: Final = 64 * 1024
_LONGEST_CARRY: Final = 64 * 1024


class BodyReader:
    """The plain body of one answer, whatever its framing.

    A second parser reads the same bytes as the connection's own, which has no `on_body`.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._parser = httptools.HttpResponseParser(self)

    def on_body(self, body: bytes) -> None:
        """Take a piece from the parser."""
        self._parts.append(body)

    def feed(self, data: bytes) -> bytes:
        """Return the body bytes in *data*, which continues the answer."""
        # The connection's own parser has seen the same bytes and says what is wrong with them.
        with contextlib.suppress(httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._parser.feed_data(data)
        body = b"".join(self._parts)
        self._parts.clear()
        return body


class ErrorBody:
    """The body of an error answer, as much of it as anybody will read.

    Attributes:
        body: So far, without its framing.
    """

    def __init__(self) -> None:
        self.body = b""
        self._reader = BodyReader()

    def feed(self, data: bytes) -> None:
        """Take bytes of the answer, the first ones with its head."""
        self.body = (self.body + self._reader.feed(data))[:_LONGEST_ERROR]


class RenamedBody:
    """The plain body of one answer, with the name of the model that the client asked for.

    Args:
        echo: ``"model":"NAME"`` as JSON.
        is_events: A stream may be cut after a line without cutting the name in two, a document
            after a comma.
    """

    def __init__(self, echo: bytes, *, is_events: bool) -> None:
        self._reader = BodyReader()
        self._echo = echo
        self._end = b"\n" if is_events else b","
        self._carry = b""

    def feed(self, data: bytes) -> bytes:
        """Return what is ready to send; the rest waits for the end of its line or field."""
        body = self._carry + self._reader.feed(data)
        cut = body.rfind(self._end) + 1
        if cut == 0 and len(body) > _LONGEST_CARRY:
            cut = len(body)
        self._carry = body[cut:]
        return self._renamed(body[:cut])

    def rest(self) -> bytes:
        """Return what waited; only for an answer that is complete."""
        carry, self._carry = self._carry, b""
        return self._renamed(carry)

    def _renamed(self, body: bytes) -> bytes:
        return _MODEL.sub(lambda _: self._echo, body)
