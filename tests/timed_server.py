"""A server whose delays are known: it notes when it got each request and sent each token.

``python tests/timed_server.py`` prints its port. A request's model names what it does; each model
that fails does so in a way of its own. ``GET /seen`` tells what happened, by the clock that all
processes of a machine share.
"""

import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from typing import Any

TOKEN_S = 0.004
STALL_S = 1.0
_STALL_AT = 10
MODELS = ("constant", "bimodal", "tail", "stall")
FAILING = (
    "http_500",
    "http_429",
    "http_302",
    "garbage",
    "not_http",
    "cut",
    "inband",
    "empty",
    "hang",
    "deep",
    "rude",
)
ODD = ("strict", "untold", "early", "vectors", "lengthless")


class TimedServer:
    """Answers chat, completion and embedding requests of both APIs."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self._random = random.Random(1)
        self._count = 0
        self._stalled_until = 0.0

    async def serve(self) -> None:
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=512)
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        async with server:
            await server.serve_forever()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    (
                        int(r[15:])
                        for r in head.lower().split("\r\n")
                        if r.startswith("content-length:")
                    ),
                    0,
                )
                body = await reader.readexactly(length)
                got_s = time.perf_counter()
                method, path, _ = head.split(" ", 2)
                if method == "GET":
                    _plain(writer, 200, self._told(path))
                else:
                    await self._answer(writer, path, head, json.loads(body), got_s)
                await writer.drain()
                if writer.is_closing():
                    return
        writer.close()

    def _told(self, path: str) -> Any:
        names = [*MODELS, *FAILING, *ODD]
        return {
            "/seen": self.seen,
            "/v1/models": {"data": [{"id": name} for name in names]},
            "/api/tags": {"models": [{"name": n, "digest": "d" * 64} for n in names]},
            "/api/version": {"version": "0.1"},
        }.get(path)

    async def _answer(
        self, writer: asyncio.StreamWriter, path: str, head: str, body: Any, got_s: float
    ) -> None:
        name = body["model"]
        is_probe = "probe" in head or _tokens(body) == 4
        if name in FAILING and not is_probe:
            await _fail(writer, name, head)
            return
        if name == "strict" and "ignore_eos" in body:
            _plain(writer, 400, {"error": {"message": "unknown field ignore_eos"}})
            return
        if path in ("/v1/embeddings", "/api/embed"):
            vectors = [{"embedding": [0.5] * 8} for _ in body["input"]]
            used = sum(len(text.split()) for text in body["input"])
            _plain(
                writer,
                200,
                {"data": vectors, "usage": {"prompt_tokens": used}}
                if path == "/v1/embeddings"
                else {"embeddings": vectors, "prompt_eval_count": used},
            )
            self.seen.append({"model": name, "got_s": got_s, "sent_s": [], "body": body})
            return
        first_s = self._delay_s(name, is_probe)
        tokens = min(3, _tokens(body)) if name == "early" and not is_probe else _tokens(body)
        is_lengthless = name == "lengthless"
        _stream_head(writer, is_lengthless)
        sent: list[float] = []
        async for index in _ticks(first_s, tokens):
            _piece(writer, path, f" t{index}", is_lengthless)
            sent.append(time.perf_counter())
        _ends(writer, path, _words(body), tokens if name != "untold" else 0, is_lengthless)
        known = "probed" if is_probe else name
        self.seen.append({"model": known, "got_s": got_s, "sent_s": sent, "body": body})

    def _delay_s(self, name: str, is_probe: bool) -> float:
        """Return the time to the first token."""
        if is_probe or name not in MODELS:
            return 0.001
        if name == "bimodal":
            return 0.2 if self._random.random() < 0.3 else 0.08
        if name == "tail":
            return min(0.4, 0.04 * self._random.paretovariate(1.2))
        if name == "stall":
            self._count += 1
            if self._count == _STALL_AT:
                self._stalled_until = time.perf_counter() + STALL_S
            return max(0.001, self._stalled_until - time.perf_counter())
        return 0.12


async def _ticks(first_s: float, count: int) -> AsyncIterator[int]:
    await asyncio.sleep(first_s)
    for index in range(count):
        yield index
        if index < count - 1:
            await asyncio.sleep(TOKEN_S)


async def _fail(writer: asyncio.StreamWriter, name: str, head: str) -> None:
    if name == "rude":  # it repeats the head with the key, and clears the screen
        _plain(writer, 500, {"error": f"\x1b[2J\ud800 {head[head.find('authorization') :]}"})
        return
    if name.startswith("http_"):
        status = int(name[5:])
        more = "location: http://elsewhere/\r\n" if status == 302 else ""
        _plain(writer, status, {"error": {"message": f"told to say {status}"}}, more)
        return
    if name == "not_http":
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()
        return
    if name == "hang":
        await asyncio.sleep(60)
    _stream_head(writer, is_lengthless=False)
    said = {
        "garbage": b"data: {nonsense\n\n",
        "deep": b'data: {"error":' + b"[" * 60_000 + b"\n\n",
        "inband": b'data: {"error": {"message": "out of memory"}}\n\n',
        "empty": b"data: [DONE]\n\n",
        "cut": _event(" a"),
    }[name]
    writer.write(_chunk(said) + (b"" if name == "cut" else b"0\r\n\r\n"))
    if name == "cut":
        await writer.drain()
        writer.close()


def _plain(writer: asyncio.StreamWriter, status: int, body: Any, more: str = "") -> None:
    raw = json.dumps(body).encode()
    status = 404 if body is None else status
    head = f"HTTP/1.1 {status} Said\r\n{more}content-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw)


def _stream_head(writer: asyncio.StreamWriter, is_lengthless: bool) -> None:
    how = "connection: close" if is_lengthless else "transfer-encoding: chunked"
    writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n{how}\r\n\r\n".encode())


def _piece(writer: asyncio.StreamWriter, path: str, text: str, is_lengthless: bool) -> None:
    events = {
        "/v1/chat/completions": _event(text),
        "/v1/completions": _data({"choices": [{"index": 0, "text": text}]}),
        "/api/chat": _line({"message": {"role": "assistant", "content": text}, "done": False}),
        "/api/generate": _line({"response": text, "done": False}),
    }
    writer.write(events[path] if is_lengthless else _chunk(events[path]))


def _ends(
    writer: asyncio.StreamWriter, path: str, prompt: int, tokens: int, is_lengthless: bool
) -> None:
    if path.startswith("/api/"):
        end = _line({"done": True, "prompt_eval_count": prompt, "eval_count": tokens})
    else:
        usage = {"prompt_tokens": prompt, "completion_tokens": tokens}
        told = _data({"choices": [], "usage": usage}) if tokens else b""
        end = _data({"choices": [{"delta": {}, "finish_reason": "length"}]}) + told
        end += b"data: [DONE]\n\n"
    writer.write(end if is_lengthless else _chunk(end) + b"0\r\n\r\n")
    if is_lengthless:
        writer.close()


def _event(text: str) -> bytes:
    return _data({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})


def _data(document: Any) -> bytes:
    return b"data: " + _line(document) + b"\n"


def _line(document: Any) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _tokens(body: Any) -> int:
    wanted: int = body.get("max_tokens") or body.get("options", {}).get("num_predict", 0)
    return wanted


def _words(body: Any) -> int:
    """Return how many tokens the prompt has: a word each, and three around them."""
    text = body["messages"][0]["content"] if "messages" in body else body["prompt"]
    return len(text.split()) + 3


class Timed:
    """The server in a process of its own."""

    def __init__(self, port: int, pid: int) -> None:
        self.url, self.pid = f"http://127.0.0.1:{port}", pid

    def seen(self, model: str = "") -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.url}/seen") as answer:
            every: list[dict[str, Any]] = json.load(answer)
        return [one for one in every if model in ("", one["model"])]


@contextlib.contextmanager
def timed_server() -> Iterator[Timed]:
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Timed(int(process.stdout.readline()), process.pid)
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(TimedServer().serve())
