"""An upstream that answers at once, or streams at a given pace: the benchmark's engine.

    python benchmarks/gateway/canned.py        prints its port

The text ``bench:CHUNKS,GAP_MS`` anywhere in a streaming request sets how many content events come
and how long it waits between them.
"""

import asyncio
import re
import sys
from typing import cast

_BODY = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"bench-model",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"'
    + b"All work and no play. "
    * 15
    + b'"},"finish_reason":"stop"}],"usage":{"prompt_tokens":25,"completion_tokens":60,'
    b'"total_tokens":85}}'
)
_PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(_BODY),
    _BODY,
)
_STREAM = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_PACE = re.compile(rb"bench:(\d+),(\d+)")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(delta: bytes, finish: bytes = b"null") -> bytes:
    return _chunk(
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,'
        b'"model":"bench-model","choices":[{"index":0,"delta":{%b},"logprobs":null,'
        b'"finish_reason":%b}]}\n\n' % (delta, finish)
    )


_CONTENT = _event(b'"content":" token"')
_END = _event(b"", b'"stop"') + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Canned(asyncio.Protocol):
    """One connection; requests are not pipelined."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer once the request is complete."""
        self._buffer += data
        head, mark, body = self._buffer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not mark or (length and len(body) < int(length[1])):
            return
        self._buffer = b""
        if b'"stream":true' not in body:
            self._transport.write(_PLAIN)
            return
        pace = _PACE.search(body)
        count, gap_ms = (int(pace[1]), int(pace[2])) if pace else (20, 0)
        self._transport.write(_STREAM + _event(b'"role":"assistant","content":""'))
        self._next(count, gap_ms / 1000)

    def _next(self, left: int, gap_s: float) -> None:
        if self._transport.is_closing():
            return
        if left == 0:
            self._transport.write(_END)
            return
        self._transport.write(_CONTENT)
        if gap_s:
            asyncio.get_running_loop().call_later(gap_s, self._next, left - 1, gap_s)
        else:
            self._next(left - 1, gap_s)


async def _main() -> None:
    server = await asyncio.get_running_loop().create_server(Canned, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
