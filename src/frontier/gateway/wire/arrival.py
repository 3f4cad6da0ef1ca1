"""Requests as they arrive: parsed only as far as routing needs, bounded in bytes and time."""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

import httptools

from frontier.gateway.errors import (
    HEAD_TOO_LARGE,
    TOO_SLOW_CLIENT,
    URL_TOO_LONG,
    Problem,
    too_large,
)
from frontier.gateway.wire.checks import HOT, normalise, refusal
from frontier.gateway.wire.encodings import plain
from frontier.gateway.wire.reparse import without_upgrade
from frontier.gateway.wire.request import Request

if TYPE_CHECKING:
    from frontier.gateway.core import Core

_LONGEST_HEAD: Final = 64 * 1024
_LONGEST_READ: Final = 64 * 1024
_LONGEST_URL: Final = 8 * 1024
_MOST_REPEATED: Final = 64
# Chunk headers and trailers may not outweigh the data by more.
_FRAMING_PER_BYTE: Final = 8
# An early refusal waits for a body up to this size, so that the connection can live on.
_DRAINED_BYTES: Final = 1024 * 1024

_HEAD_S: Final = 30.0
_BODY_S: Final = 30.0
_SLOWEST_BYTES_PER_S: Final = 32 * 1024


class RequestReader:
    """Turns a client's bytes into requests; the parser's callbacks are its methods.

    Args:
        core: Its key and limits decide what is refused before the body is read.
        on_expect: Called when a client waits for a 100 before it sends the body.

    Attributes:
        ready: Requests to answer, in order: complete ones and refused ones.
        arriving: The request whose bytes are not all here.
        deadline: Clock time by which its head, or its body so far, should have been here.
        is_finished: Nothing more is read; the last request in `ready` closes the connection.
    """

    def __init__(self, core: "Core", on_expect: Callable[[], None]) -> None:
        self.ready: deque[Request] = deque()
        self.arriving: Request | None = None
        self.deadline = 0.0
        self.is_finished = False
        self._core = core
        self._on_expect = on_expect
        self._parser = httptools.HttpRequestParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._read_bytes = 0
        self._arrived_bytes = 0
        self._has_head = False

    def feed(self, data: bytes) -> None:
        """Take what was just read from the client."""
        if self.is_finished:
            return
        self._read_bytes = len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[cast("int", upgrade.args[0]) :])
        except httptools.HttpParserError as error:
            self._on_parser_error(error)
        if self.arriving is not None:
            self._watch(self.arriving, len(data))

    def time_out(self) -> None:
        """Refuse the request that did not arrive in time."""
        if self.arriving is not None:
            self._refuse(self.arriving, TOO_SLOW_CLIENT)

    def _ignore_upgrade(self, rest: bytes) -> None:
        request = self.arriving
        if request is None or self.is_finished:
            return
        self._parser = without_upgrade(self, request.headers)
        self._parser.feed_data(b"\r\n")
        if rest:
            self.feed(rest)

    def _on_parser_error(self, error: httptools.HttpParserError) -> None:
        if self.is_finished or (self.ready and not self.ready[-1].keep_alive):
            return  # nothing behind a last request is read
        if isinstance(error.__context__, _RefusedError):
            problem = error.__context__.problem
        else:
            problem = Problem(400, f"The request is not valid HTTP: {error}.", closes=True)
        self._refuse(self.arriving or Request(), problem)

    def _watch(self, request: Request, size: int) -> None:
        """Bound what an unfinished request costs."""
        self._arrived_bytes += size
        if not self._has_head:
            # Its first read may have begun with the end of the request before.
            if self._arrived_bytes > _LONGEST_HEAD + _LONGEST_READ:
                self._refuse(request, HEAD_TOO_LARGE)
        elif self._arrived_bytes > _LONGEST_HEAD + _FRAMING_PER_BYTE * request.size:
            self._refuse(request, Problem(400, "The body's framing is too large.", closes=True))
        else:
            self.deadline += size / _SLOWEST_BYTES_PER_S

    def _refuse(self, request: Request, problem: Problem) -> None:
        """Have *request* answered before it is complete and read no more from this client."""
        request.problem = problem
        request.keep_alive = False
        request.parts.clear()
        self.arriving = None
        self.is_finished = True
        self.ready.append(request)

    # The parser's callbacks

    def on_message_begin(self) -> None:
        """Begin a request."""
        if self.is_finished:  # in the middle of what was read
            raise _FinishedError
        self.arriving = request = Request()
        self._headers = request.headers
        self._arrived_bytes = 0
        self._has_head = False
        self.deadline = self._core.clock.now + _HEAD_S

    def on_url(self, url: bytes) -> None:
        """Take the URL, or a piece of it."""
        request = cast("Request", self.arriving)
        request.url += url
        if len(request.url) > _LONGEST_URL:
            raise _RefusedError(URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        headers = self._headers
        name = name.lower()
        if name in headers:
            self._repeat(name, value)
        else:
            headers[name] = value

    def _repeat(self, name: bytes, value: bytes) -> None:
        request = cast("Request", self.arriving)
        request.repeats += 1
        if request.repeats > _MOST_REPEATED:
            raise _RefusedError(HEAD_TOO_LARGE)
        if not self._has_head:
            request.repeated |= {name}
        self._headers[name] += b", " + value

    def on_headers_complete(self) -> None:
        """Judge the request by its head."""
        request, parser, core = cast("Request", self.arriving), self._parser, self._core
        self._has_head = True
        self._headers = {}  # for trailers, which nobody reads
        self.deadline = core.clock.now + _BODY_S
        request.method = parser.get_method()
        request.keep_alive = parser.should_keep_alive()
        request.http11 = parser.get_http_version() == "1.1"
        request.path = HOT.get(request.url) or normalise(request.url)
        if self._arrived_bytes + self._read_bytes > _LONGEST_HEAD:
            self._check_head(request)
        problem = refusal(request, core)
        if problem is not None:
            self._refuse_early(request, problem)
        elif b"expect" in request.headers:
            self._expect(request)

    def _check_head(self, request: Request) -> None:
        size = sum(len(name) + len(value) + 4 for name, value in request.headers.items())
        if size + len(request.url) > _LONGEST_HEAD:
            raise _RefusedError(HEAD_TOO_LARGE)

    def _refuse_early(self, request: Request, problem: Problem) -> None:
        headers = request.headers
        is_long = int(headers.get(b"content-length", 0)) > _DRAINED_BYTES
        if problem.closes or is_long or b"transfer-encoding" in headers or b"expect" in headers:
            self._refuse(request, problem)
        else:
            request.problem = problem

    def _expect(self, request: Request) -> None:
        if request.headers[b"expect"].lower() != b"100-continue":
            self._refuse(request, Problem(417, "Only `Expect: 100-continue` is known."))
        elif request.http11 and not self.ready:
            self._on_expect()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        request = self.arriving
        if request is None:
            return
        request.size += len(body)
        if request.problem is None:
            request.parts.append(body)
            if request.size > self._core.max_body_bytes:
                self._refuse(request, too_large(self._core.max_body_bytes))

    def on_message_complete(self) -> None:
        """Have the request answered."""
        request = self.arriving
        if request is None or self._parser.should_upgrade():
            return
        self.arriving = None
        if b"content-encoding" in request.headers and request.problem is None:
            self._decode(request)
        self.ready.append(request)

    def _decode(self, request: Request) -> None:
        encoding = request.headers[b"content-encoding"].lower()
        found = plain(request.take_body(), encoding, self._core.max_body_bytes)
        if isinstance(found, Problem):
            request.problem = found
        else:
            request.parts.append(found)


class _RefusedError(Exception):
    """Stops the parser from inside a callback."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _FinishedError(Exception):
    """Stops the parser behind a request that was refused."""
