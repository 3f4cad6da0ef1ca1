"""A lean HTTP/1.1 client that notes when each part of a streamed answer came."""

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import SplitResult, urlsplit

import httptools

from frontier.adapters.bench_dialects import Answer, BrokenAnswerError, Dialect, printable, said
from frontier.domain.bench import Reply
from frontier.domain.bench_prompt import Question

_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_MOST_OF_AN_ERROR: Final = 65536
now = time.perf_counter
"""The clock of all times here."""


class Connection(asyncio.Protocol):
    """One connection; it has at most one request at a time."""

    def __init__(self) -> None:
        self.is_open = False
        self._exchange: _Exchange | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self.transport = cast("asyncio.Transport", transport)
        self.is_open = True

    def send(self, exchange: "_Exchange", request: bytes) -> None:
        """Send *request*, whose answer *exchange* takes."""
        self._exchange = exchange
        self._parser = httptools.HttpResponseParser(exchange)
        exchange.parser = self._parser
        exchange.sent_s = now()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Note the time before anything else."""
        arrived_s = now()
        exchange = self._exchange
        if exchange is None:
            self.close()  # it speaks unasked
            return
        exchange.now_s = arrived_s
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.close()
            own = error.__context__  # what our callbacks raised
            exchange.fail(own or BrokenAnswerError("garbage", f"not HTTP: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits for an answer."""
        self.is_open = False
        if self._exchange is not None:
            self._exchange.lost(exc)

    def release(self) -> bool:
        """Forget the request; tell whether the connection can carry another."""
        is_whole = self._exchange is not None and self._exchange.is_whole
        self._exchange = None
        if not (is_whole and self.is_open and self._parser.should_keep_alive()):
            self.close()
        return self.is_open

    def close(self) -> None:
        """End it at once."""
        self.is_open = False
        self.transport.abort()


class _Exchange:
    """One request and what comes of it, called by the parser."""

    def __init__(self, answer: Answer, on_chunk: Callable[[int], None]) -> None:
        self._answer, self._on_chunk = answer, on_chunk
        self._status, self._location, self._said = 0, "", b""
        self.parser: Any = None
        self.sent_s = self.now_s = now()
        self.is_whole = self.has_begun = False
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_message_begin(self) -> None:
        self.has_begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"location":
            self._location = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._status = self.parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        if self._status == _OK:
            if count := self._answer.feed(data, self.now_s):
                self._on_chunk(count)
        elif len(self._said) < _MOST_OF_AN_ERROR:
            self._said += data

    def on_message_complete(self) -> None:
        self.is_whole = True
        if self._status != _OK:
            self.fail(BrokenAnswerError(f"http_{self._status}", self._refusal()))
            return
        self._answer.end(self.now_s)
        if not self.over.done():
            self.over.set_result(None)

    def _refusal(self) -> str:
        if self._status in _REDIRECTS:
            return f"it redirects to {self._location or 'nowhere'}; name that as --url"
        return said(self._said)

    def lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        if self.over.done():
            return
        if self._status == _OK:
            # an answer without a length ends with its connection
            try:
                self._answer.end(self.now_s)
            except Exception as error:  # whatever it is, the waiting ends
                self.fail(error)
            else:
                self.over.set_result(None)
            return
        self.fail(BrokenAnswerError("broken", f"the connection ended: {exc or 'no answer'}"))

    def fail(self, error: BaseException) -> None:
        """End with *error*, unless it has ended."""
        if not self.over.done():
            self.over.set_exception(error)

    def reply(self, error: str = "", detail: str = "") -> Reply:
        """Return what became of it."""
        answer = self._answer
        return Reply(
            sent_s=self.sent_s,
            ended_s=max(self.now_s, self.sent_s) if not error else now(),
            tokens_s=tuple(answer.tokens_s),
            tokens_in=answer.tokens_in,
            tokens_out=answer.tokens_out or len(answer.tokens_s),
            error=error,
            detail=detail,
        )


@dataclass
class Client:
    """A server under load, over as many connections as there are requests open.

    Attributes:
        url: The server's base, without ``/v1`` or ``/api``.
        key: Sent as Bearer; "" sends none.
        ignores_end: Ask for answers of full length.
        chunks: Pieces of text that have come.
    """

    url: str
    dialect: Dialect
    model: str
    key: str = ""
    ignores_end: bool = True
    chunks: int = 0

    def __post_init__(self) -> None:
        self._place: SplitResult = urlsplit(self.url)
        self._idle: list[Connection] = []
        self._tls = ssl.create_default_context() if self._place.scheme == "https" else None
        key = f"authorization: Bearer {self.key}\r\n" if self.key else ""
        self._head = (
            f"POST {self._place.path}{self.dialect.path} HTTP/1.1\r\n"
            f"host: {self._place.netloc.rpartition('@')[2]}\r\n"
            f"user-agent: frontier-bench\r\naccept: */*\r\n{key}"
            "content-type: application/json\r\ncontent-length: "
        ).encode()

    def prepared(self, question: Question) -> bytes:
        """Return the whole request that asks *question*."""
        body = self.dialect.body(self.model, question, ignores_end=self.ignores_end)
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)

    async def ask(self, request: bytes, *, timeout_s: float) -> Reply:
        """Send *request* and return what became of it."""
        connection: Connection | None = None
        exchange = _Exchange(self.dialect.answer(), self._count)
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    connection, is_used = await self._connection()
                    connection.send(exchange, request)
                    try:
                        await exchange.over
                    except BrokenAnswerError:
                        # a server may close an idle connection just when it is used again
                        if not is_used or exchange.has_begun:
                            raise
                        exchange = _Exchange(self.dialect.answer(), self._count)
                    else:
                        break
        except BrokenAnswerError as error:
            return exchange.reply(error.code, hidden(error.detail, self.key))
        except TimeoutError:
            return exchange.reply("timeout", f"no whole answer within {timeout_s:g} s")
        except OSError as error:
            return exchange.reply(*_unreachable(error))
        except Exception as error:  # one bad answer must not end all others
            detail = printable(f"{type(error).__name__}: {error}")
            return exchange.reply("garbage", hidden(detail, self.key))
        finally:
            if connection is not None and connection.release():
                self._idle.append(connection)
        return exchange.reply()

    def close(self) -> None:
        """End all connections."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    def _count(self, pieces: int) -> None:
        self.chunks += pieces

    async def _connection(self) -> tuple[Connection, bool]:
        """Return a connection, and whether it has carried a request before."""
        while self._idle:
            if (connection := self._idle.pop()).is_open:
                return connection, True
        port = self._place.port or (443 if self._tls else 80)
        loop = asyncio.get_running_loop()
        host = self._place.hostname or ""
        _, made = await loop.create_connection(Connection, host, port, ssl=self._tls)
        return made, False


def hidden(detail: str, key: str) -> str:
    """Return *detail* without *key*, nor the part of it that a cut at the end has left."""
    if not key:
        return detail
    detail = detail.replace(key, "***")
    part = next((n for n in range(len(key) - 1, 3, -1) if detail.endswith(key[:n])), 0)
    return f"{detail[:-part]}***" if part else detail


def _unreachable(error: OSError) -> tuple[str, str]:
    if isinstance(error, ConnectionRefusedError):
        return "refused", "connection refused: nothing listens there"
    if isinstance(error, ssl.SSLError):
        return "unreachable", f"TLS: {error.reason or error}"
    return "unreachable", error.strerror or str(error)
