"""A connection to an engine: parses its answers only as far as their framing."""

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, cast

import httptools

if TYPE_CHECKING:
    from frontier.gateway.wire.pool import Pool

_SLICE: Final = 256 * 1024
_SMALL: Final = 64 * 1024
_FIRST_FINAL_STATUS: Final = 200

_DROP: Final = 1
_FRAMING: Final = 2
_TYPE: Final = 3
_RETRY: Final = 4
# Headers that do not just pass on: those of one hop (RFC 9110, 7.6.1), and those that are the
# gateway's own to say.
_KINDS: Final = {
    b"connection": _DROP,
    b"keep-alive": _DROP,
    b"proxy-authenticate": _DROP,
    b"proxy-connection": _DROP,
    b"te": _DROP,
    b"trailer": _DROP,
    b"upgrade": _DROP,
    b"server": _DROP,
    b"x-request-id": _DROP,
    b"x-frontier-backend": _DROP,
    b"x-frontier-model": _DROP,
    b"x-frontier-queue-position": _DROP,
    b"cache-control": _DROP,
    b"x-accel-buffering": _DROP,
    b"access-control-allow-origin": _DROP,
    b"access-control-allow-methods": _DROP,
    b"access-control-allow-headers": _DROP,
    b"access-control-allow-credentials": _DROP,
    b"access-control-allow-private-network": _DROP,
    b"access-control-expose-headers": _DROP,
    b"access-control-max-age": _DROP,
    b"content-length": _FRAMING,
    b"transfer-encoding": _FRAMING,
    b"content-type": _TYPE,
    b"retry-after": _RETRY,
}
_INTERIM: Final = (b"HTTP/1.1 1", b"HTTP/1.0 1")


class Taker(Protocol):
    """Who sent the request and takes the answer."""

    def received(self, data: bytes) -> None:
        """Take what was just read; the parser has already seen it."""
        ...

    def lost(self, error: Exception | None) -> None:
        """The connection is gone before the answer was complete."""
        ...


class UpstreamConnection(asyncio.Protocol):
    """One HTTP/1.1 connection, one request at a time.

    Attributes:
        status: Of the answer under way, 0 before its head is complete.
        is_complete: The answer's last byte was read.
        is_broken: What came is no HTTP, or more than the answer.
        is_framed: The answer's end is in its framing; otherwise it ends with the connection.
        kept: Header lines to pass on, as they came.
        length: Lines of ``content-length`` and ``transfer-encoding``, apart from the others.
    """

    transport: asyncio.Transport

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.taker: Taker | None = None
        self.idle_since = 0.0
        self.parser = httptools.HttpResponseParser(self)
        self._out: memoryview | None = None
        self._is_writable = True
        self._reset()

    def _reset(self) -> None:
        self.status = 0
        self.is_complete = False
        self.is_broken = False
        self.is_framed = False
        self.keeps_alive = False
        self.content_type = b""
        self.retry_after: bytes | None = None
        self.kept: list[bytes] = []
        self.length: list[bytes] = []

    # What the relay asks for

    def send(self, taker: Taker, head: bytes, body: bytes) -> None:
        """Send a request; a large body goes in slices, as the engine takes it."""
        self.taker = taker
        self._reset()
        if len(body) <= _SMALL:
            self.transport.write(head + body)
            return
        self.transport.write(head)
        self._out = memoryview(body)
        self._send_slices()

    def release(self, now: float) -> None:
        """End the exchange: keep the connection if the engine does, else close it."""
        self.taker = None
        if self.is_complete and self.keeps_alive and not self.is_broken and self._out is None:
            self.transport.resume_reading()  # a slow client may have had it paused
            self.pool.give_back(self, now)
        else:
            self.transport.abort()

    def abort(self) -> None:
        """Stop the engine's work on this request at once."""
        self.taker = None
        self._out = None
        self.transport.abort()

    def ends_with_chunk(self) -> bool:
        """Tell whether all chunks so far are whole; ends the parser's use.

        A last chunk is accepted as the message's end only where a chunk may begin.
        """
        self.is_complete = False
        try:
            self.parser.feed_data(b"0\r\n\r\n")
        except httptools.HttpParserError:
            return False
        return self.is_complete

    def _send_slices(self) -> None:
        while self._out is not None and self._is_writable:
            part, rest = self._out[:_SLICE], self._out[_SLICE:]
            self._out = rest if len(rest) else None
            self.transport.write(part)

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        self.transport = cast("asyncio.Transport", transport)
        self.pool.open += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits for an answer."""
        self.pool.open -= 1
        self._out = None
        taker, self.taker = self.taker, None
        if taker is None:
            self.pool.forget(self)
        else:
            taker.lost(exc)

    def pause_writing(self) -> None:
        """Stop sending the body: the engine reads slower than we write."""
        self._is_writable = False

    def resume_writing(self) -> None:
        """Go on with the body."""
        self._is_writable = True
        self._send_slices()

    def data_received(self, data: bytes) -> None:
        """Parse the framing and hand the bytes on."""
        taker = self.taker
        if taker is None:  # an answer that nobody asked for
            self.pool.forget(self)
            self.transport.abort()
            return
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.is_broken = True
        taker.received(data)

    # The parser's callbacks: no `on_body`, so a chunk that passes through costs no object

    def on_message_begin(self) -> None:
        """Notice bytes behind the end of the answer."""
        if self.is_complete:
            self.is_broken = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep what the client should see; trailers are ignored."""
        if self.status >= _FIRST_FINAL_STATUS:
            return
        lower = name.lower()
        kind = _KINDS.get(lower)
        if kind == _DROP:
            return
        if kind == _FRAMING:
            self.length.append(b"%b: %b\r\n" % (lower, value))
            return
        if kind == _TYPE:
            self.content_type = value
        elif kind == _RETRY:
            self.retry_after = value
        self.kept.append(b"%b: %b\r\n" % (lower, value))

    def on_headers_complete(self) -> None:
        """Take the status; interim answers such as 100 are skipped."""
        status = self.parser.get_status_code()
        if status < _FIRST_FINAL_STATUS:
            self._reset()
            return
        self.status = status
        self.is_framed = bool(self.length) or status in (204, 304)
        self.keeps_alive = self.parser.should_keep_alive()

    def on_message_complete(self) -> None:
        """Notice the answer's end."""
        if self.status >= _FIRST_FINAL_STATUS:
            self.is_complete = True


def end_of_head(data: bytes) -> int:
    """Return where the body begins, behind interim heads; 0 if *data* is no HTTP."""
    start = 0
    while data.startswith(_INTERIM, start):
        start = data.find(b"\r\n\r\n", start) + 4
    return data.find(b"\r\n\r\n", start) + 4 if data.startswith(b"HTTP/1.", start) else 0
