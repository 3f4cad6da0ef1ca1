"""A closed-loop load: each connection sends its next request when it has its whole answer."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import cast

import httptools


@dataclass(slots=True)
class Samples:
    """What one load saw.

    Attributes:
        latencies_s: From the request to the answer's last byte.
        first_s: From the request to the first event of a stream.
        errors: Answers with another status, or broken connections.
    """

    latencies_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    errors: int = 0
    seconds: float = 0.0

    @property
    def rate_per_s(self) -> float:
        """Requests per second."""
        return len(self.latencies_s) / self.seconds

    def extend(self, other: "Samples") -> None:
        """Add the samples of another round."""
        self.latencies_s += other.latencies_s
        self.first_s += other.first_s
        self.errors += other.errors
        self.seconds += other.seconds


def request(port: int, pace: str = "") -> bytes:
    """Return a chat request of about 700 bytes; *pace* ``CHUNKS,GAP_MS`` makes it stream."""
    text = f"bench:{pace} " if pace else ""
    messages = [{"role": "user", "content": text + "Tell me about gateways. " * 22}]
    body = {"model": "bench-model", "messages": messages, "stream": bool(pace)}
    return post(port, "/v1/chat/completions", body)


def post(port: int, path: str, body: object) -> bytes:
    """Return a request as the published clients send it."""
    raw = json.dumps(body, separators=(",", ":")).encode()
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n"
        "content-type: application/json\r\naccept: application/json\r\n"
        "accept-encoding: gzip, deflate\r\nuser-agent: frontier-bench\r\n"
        f"authorization: Bearer bench\r\ncontent-length: {len(raw)}\r\n\r\n"
    ).encode() + raw


class _Client(asyncio.Protocol):
    def __init__(self, data: bytes, samples: Samples, *, streams: bool) -> None:
        self._data = data
        self._samples = samples
        self._streams = streams
        self._is_stopping = False
        self._is_first = True
        self.is_over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpResponseParser(self)
        self._send()

    def _send(self) -> None:
        self._is_first = True
        self._began = time.perf_counter()
        self._transport.write(self._data)

    def data_received(self, data: bytes) -> None:
        if self._is_first and self._streams and b"data: " in data:
            self._is_first = False
            self._samples.first_s.append(time.perf_counter() - self._began)
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._samples.latencies_s.append(time.perf_counter() - self._began)
        if self._parser.get_status_code() != 200:
            self._samples.errors += 1
        if self._is_stopping:
            self._transport.close()
        else:
            self._send()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self._is_stopping:
            self._samples.errors += 1
        if not self.is_over.done():
            self.is_over.set_result(None)

    def stop(self) -> None:
        self._is_stopping = True


async def run(
    port: int, *, clients: int, seconds: float, pace: str = "", data: bytes = b""
) -> Samples:
    """Return what *clients* connections saw in *seconds*; *data* is another request to send."""
    samples = Samples()
    loop = asyncio.get_running_loop()
    data = data or request(port, pace)
    began = time.perf_counter()
    made: list[tuple[asyncio.Transport, _Client]] = []
    for _ in range(clients):
        made.append(
            await loop.create_connection(
                lambda: _Client(data, samples, streams=bool(pace)), "127.0.0.1", port
            )
        )
        if pace:  # streams that begin together would pace each other for good
            await asyncio.sleep(float(pace.partition(",")[2]) / 1000 / clients)
    await asyncio.sleep(seconds)
    for _, client in made:
        client.stop()
    await asyncio.gather(*(client.is_over for _, client in made))
    samples.seconds = time.perf_counter() - began
    return samples
