"""A real loopback HTTP server that answers each request by a script, as badly as wanted.

A request picks its script by the JSON field ``script``, an unknown field that every gateway has
to pass on, or by words in its prompt, which also survive a translation; so many tests share one
server.
"""

import contextlib
import json
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from waiting import until

SSE = "text/event-stream; charset=utf-8"


_IN_PROMPT = re.compile(rb"\[script ([^\]]+)\]")


def scripted(name: str) -> str:
    """Return a prompt that picks the script *name*."""
    return f"[script {name}]"


@dataclass(slots=True)
class Seen:
    """One request as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]
    raw_body: bytes
    connection: int

    @property
    def body(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.raw_body)
        return decoded

    @property
    def script(self) -> str:
        """The script that the request picks, "" for none."""
        field: str = self.body.get("script", "")
        found = _IN_PROMPT.search(self.raw_body)
        return field or (found[1].decode() if found else "")


@dataclass(slots=True)
class Exchange:
    """What a script works with."""

    seen: Seen
    sock: socket.socket
    closed: threading.Event = field(default_factory=threading.Event)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        for i in range(len(data)):
            self.sock.sendall(data[i : i + 1])

    def wait_until_gone(self, timeout_s: float = 10.0) -> None:
        """Block until the other side has closed or reset the connection."""
        self.sock.settimeout(timeout_s)
        with contextlib.suppress(ConnectionError):
            while self.sock.recv(65536):
                pass
        self.closed.set()

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self.sock.close()


Script = Callable[[Exchange], None]


def head(status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def answer(
    body: bytes | Mapping[str, Any], status: str = "200 OK", **headers: str
) -> Callable[[Exchange], None]:
    """Script: one answer with a Content-Length."""
    raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    headers = {"Content_Type": "application/json", **headers}
    data = head(status, **headers, Content_Length=str(len(raw))) + raw
    return lambda exchange: exchange.send(data)


def completion(model: str, text: str = "Hi") -> dict[str, Any]:
    return {
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        ],
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


def event(data: Mapping[str, Any] | str) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
    return f"data: {text}\n\n".encode()


def delta(model: str, text: str) -> bytes:
    return event(
        {
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": model,
        }
    )


def finish(model: str, reason: str = "stop") -> bytes:
    return event(
        {
            "choices": [{"index": 0, "delta": {}, "finish_reason": reason}],
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": model,
        }
    )


DONE = event("[DONE]")
LAST_CHUNK = b"0\r\n\r\n"


def usage_event(model: str, prompt: int = 7, completion_tokens: int = 3) -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion_tokens}
    return event({"choices": [], "model": model, "usage": usage})


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


STREAM_HEAD = head(Content_Type=SSE, Transfer_Encoding="chunked")


def stream(*events: bytes, end: bytes = LAST_CHUNK) -> Callable[[Exchange], None]:
    """Script: a chunked event stream, every event a chunk and a write of its own."""

    def run(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD)
        for one in events:
            exchange.send(chunk(one))
        if end:
            exchange.send(end)

    return run


def bound(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Return a socket that has its port, but does not listen: connecting is refused."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return sock


class ScriptedUpstream:
    """The server; every connection has a thread.

    Args:
        sock: Bound, not listening yet; default is a free port of 127.0.0.1.

    Attributes:
        seen: Every request so far.
        gone: Names of scripts whose connection the gateway closed while they ran.
    """

    def __init__(self, sock: socket.socket | None = None) -> None:
        self._listener = sock or bound()
        self._listener.listen(256)
        self._address = self._listener.getsockname()[:2]
        self.port: int = self._address[1]
        self.seen: list[Seen] = []
        self._scripts: dict[str, Script] = {}
        self._places: dict[str, Script] = {}
        self._sockets: list[socket.socket] = []
        self._connections = 0
        self._is_over = False
        self._health = "200 OK"
        self._told: dict[str, bytes] = {}
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self, name: str, script: Script) -> str:
        """Answer requests whose ``script`` is *name* by *script*; return *name*."""
        self._scripts[name] = script
        return name

    def at(self, place: str, script: Script) -> None:
        """Answer every request to *place*, such as ``GET /api/tags``, by *script*."""
        self._places[place] = script

    def requests(self, name: str) -> list[Seen]:
        marks = f'"script":"{name}"'.encode(), scripted(name).encode()
        return [s for s in self.seen if any(mark in s.raw_body for mark in marks)]

    def wait_for_request(self, name: str) -> Seen:
        return until(lambda: self.requests(name), what=f"a request for {name}")[0]

    def tell(self, path: str, body: Mapping[str, Any]) -> None:
        """Answer a GET of *path* with *body*; any other GET gets an empty object."""
        self._told[path] = json.dumps(body).encode()

    def be_healthy(self, healthy: bool) -> None:
        self._health = "200 OK" if healthy else "503 Service Unavailable"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_over:
            self.kill()

    def kill(self) -> None:
        """End as a killed process does: nobody listens, and every connection ends at once."""
        # A listener that is closed under a blocked accept leaves the thread behind, and when the
        # kernel restarts its call it takes connections of whatever has got the descriptor since.
        self._is_over = True
        socket.create_connection(self._address).close()
        self._thread.join()
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # a close alone waits for a thread that reads
            sock.close()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._is_over:
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(sock)
            self._connections += 1
            threading.Thread(
                target=self._serve, args=(sock, self._connections), daemon=True
            ).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        with sock, contextlib.suppress(OSError, threading.BrokenBarrierError):
            for seen in _requests(sock, number):
                self._answer(Exchange(seen, sock))

    def _answer(self, exchange: Exchange) -> None:
        seen = exchange.seen
        if (script := self._places.get(f"{seen.method} {seen.path}")) is not None:
            self.seen.append(seen)
            script(exchange)
            return
        if seen.method == "GET":
            answer(self._told.get(seen.path, b"{}"), self._health)(exchange)
            return
        self.seen.append(seen)
        self._scripts.get(seen.script, answer(completion(seen.body["model"])))(exchange)


def _requests(sock: socket.socket, number: int) -> Iterator[Seen]:
    buffer = b""
    while True:
        while b"\r\n\r\n" not in buffer:
            data = sock.recv(65536)
            if not data:
                return
            buffer += data
        start, _, buffer = buffer.partition(b"\r\n\r\n")
        first, *lines = start.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", "0"))
        parts, size = [buffer], len(buffer)
        while size < length:
            data = sock.recv(1 << 20)
            if not data:
                return
            parts.append(data)
            size += len(data)
        whole = b"".join(parts)
        buffer = whole[length:]
        yield Seen(method, path, headers, whole[:length], number)
