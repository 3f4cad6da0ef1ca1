"""Bodies of answers, without their framing."""

import contextlib
from typing import Final

import httptools

_LONGEST_ERROR: Final = 64 * 1024


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
