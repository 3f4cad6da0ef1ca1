"""ASGI on a client's connection, for everything that is not hot."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
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


class AsgiCall:
    """One call of an ASGI application; its answer is small and sent whole."""

    def __init__(self, client: "ClientConnection", request: "Request") -> None:
        self._client = client
        self._request = request
        self._status = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._is_received = False
        self._task: asyncio.Task[None] | None = None

    def start(self, app: AsgiApp) -> None:
        """Run *app* beside everything else."""
        self._task = asyncio.get_running_loop().create_task(self._run(app))

    async def _run(self, app: AsgiApp) -> None:
        try:
            await app(self._scope(), self._receive, self._send)
        except Exception as error:
            self._client.core.bug(error)
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
        else:
            self._body.append(message.get("body", b""))

    def _answer(self) -> None:
        request = self._request
        request.status = self._status
        lines = b"".join(b"%b: %b\r\n" % pair for pair in self._headers)
        self._client.write(answers.whole(request, self._status, lines, b"".join(self._body)))
        self._client.finished(request)

    def cancel(self) -> None:
        """The client left."""
        self._request.status = 499
        if self._task is not None:
            self._task.cancel()

    def on_deadline(self, now: float) -> None:
        """Have none: the application answers within a second or two."""

    def pause(self) -> None:
        """Ignore a slow client: the answer is small."""

    def resume(self) -> None:
        """Ignore it as well."""

    def stop(self, problem: Problem) -> None:
        """Let the application finish: it is quick."""
