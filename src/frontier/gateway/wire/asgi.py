"""ASGI on a client's connection, for everything that is not hot."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from frontier.gateway.errors import BUG, Problem
from frontier.gateway.wire import answers

if TYPE_CHECKING:
    from frontier.gateway.wire.client import ClientConnection
    from frontier.gateway.wire.request import Request

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_CLIENT_LEFT: Final = 499
_STALL_S: Final = 60.0
_NEVER: Final = float("inf")


class AsgiCall:
    """One call of an ASGI application.

    An answer that comes in one piece is sent whole; the pieces of any other pass as they come,
    as fast as the client takes them.

    Attributes:
        is_streaming: The head and maybe some pieces are sent.
    """

    _status = 0
    _is_received = False
    is_streaming = False
    _task: asyncio.Task[None] | None = None

    def __init__(self, client: "ClientConnection", request: "Request") -> None:
        self._client = client
        self._request = request
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = b""
        self._is_writable = asyncio.Event()
        self._is_writable.set()

    def start(self, app: AsgiApp) -> None:
        """Run *app* beside everything else."""
        self._task = asyncio.get_running_loop().create_task(self._run(app))

    async def _run(self, app: AsgiApp) -> None:
        try:
            await app(self._scope(), self._receive, self._send)
        except Exception as error:
            self._client.core.bug(error)
            if self.is_streaming:
                self._client.break_off(self._request)
            else:
                self._client.respond(self._request, BUG)
        else:
            self._answer()

    def _scope(self) -> dict[str, Any]:
        request = self._request
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.5"},
            "http_version": "1.1" if request.http11 else "1.0",
            "method": request.method.decode("latin-1"),
            "scheme": "http",
            "path": unquote(request.path),
            "raw_path": request.path.encode("latin-1"),
            "query_string": request.url.partition(b"?")[2],
            "root_path": "",
            "headers": list(request.headers.items()),
            "caller": request.caller,
            "request_id": request.id.decode("ascii"),
        }

    async def _receive(self) -> Message:
        if self._is_received:
            await asyncio.Event().wait()  # the task is cancelled when the client leaves
        self._is_received = True
        return {"type": "http.request", "body": self._request.take_body(), "more_body": False}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [(n, v) for n, v in message["headers"] if n != b"content-length"]
            return
        body: bytes = message.get("body", b"")
        if message.get("more_body", False) and not self.is_streaming:
            self._open()
        if not self.is_streaming:
            self._body = body
        elif body:
            await self._is_writable.wait()
            self._client.write(answers.chunk(body) if self._request.http11 else body)

    def _lines(self) -> bytes:
        return b"".join(b"%b: %b\r\n" % pair for pair in self._headers)

    def _open(self) -> None:
        """Send the head of an answer whose length nobody knows."""
        request = self._request
        self.is_streaming = True
        request.status = self._status
        if self._client.stalled_since:
            self.pause()
        framing = answers.CHUNKED if request.http11 else b""
        lines = self._lines() + framing + answers.STREAM_HEADERS
        self._client.write(answers.head(request, self._status, lines))

    def _answer(self) -> None:
        request = self._request
        if self.is_streaming:
            if request.http11:
                self._client.write(answers.LAST_CHUNK)
        else:
            request.status = self._status
            self._client.write(answers.whole(request, self._status, self._lines(), self._body))
        self._client.finished(request)

    def _break_off(self, status: int) -> None:
        """End a stream that cannot go on, so that nobody takes it for complete."""
        self._request.status = status
        if self._task is not None:
            self._task.cancel()
        self._client.break_off(self._request)

    def cancel(self) -> None:
        """The client left."""
        self._request.status = _CLIENT_LEFT
        if self._task is not None:
            self._task.cancel()

    def on_deadline(self, now: float) -> None:
        """Give up a client that takes nothing; an application has all the time it needs."""
        self._client.deadline = _NEVER
        if self._client.stalled_since and self.is_streaming:
            self._break_off(_CLIENT_LEFT)

    def pause(self) -> None:
        """Let the application wait for a slow client."""
        self._is_writable.clear()
        self._client.deadline = self._client.stalled_since + _STALL_S

    def resume(self) -> None:
        """Let it go on."""
        self._client.deadline = _NEVER
        self._is_writable.set()

    def stop(self, problem: Problem) -> None:
        """Break a stream off; what is sent whole comes soon."""
        if self.is_streaming:
            self._break_off(problem.status)
