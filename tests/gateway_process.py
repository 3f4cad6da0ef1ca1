"""The gateway as a real process, and a client that says exactly the bytes a test wants."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from waiting import until


class GatewayProcess:
    """``python -m frontier.gateway`` on a free port.

    Args:
        env: Added to the environment.

    Attributes:
        lines: Its log so far, decoded.
    """

    def __init__(
        self,
        *arguments: str | Path,
        pass_fds: tuple[int, ...] = (),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "frontier.gateway",
                "--listen",
                "127.0.0.1:0",
                *map(str, arguments),
            ],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONFAULTHANDLER": "1", **(env or {})},
            pass_fds=pass_fds,
        )
        self.lines: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        listening = until(lambda: self.events("listening"), timeout_s=20, what="the gateway")[0]
        self.urls: list[str] = listening["addresses"]
        self.port = int(self.urls[0].rpartition(":")[2])

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def pid(self) -> int:
        return self._process.pid

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(json.loads(line))

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("event") == name]

    def access_line(self, request_id: str) -> dict[str, Any]:
        """Return the log line of one request, which is written within a tick or two."""
        found = lambda: [x for x in self.lines if x.get("request_id") == request_id]  # noqa: E731
        return until(found, what=f"the log line of {request_id}")[0]

    def rss_bytes(self) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmRSS")

    def forget_peak(self) -> None:
        """Have the peak begin anew; what ran before had one of its own."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak_rss_bytes(self) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self, timeout_s: float = 20.0) -> int:
        return self._process.wait(timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # faulthandler says where it hangs
            raise
        finally:
            self._process.kill()
            self._reader.join(5)
            if self._process.stdout is not None:
                self._process.stdout.close()


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut_short: bool = False
    head: bytes = b""

    @property
    def json(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded

    @property
    def error(self) -> dict[str, Any]:
        error: dict[str, Any] = self.json["error"]
        return error

    @property
    def events(self) -> list[str]:
        text = self.body.decode()
        return [e.removeprefix("data: ") for e in text.split("\n\n") if e]


@dataclass
class RawClient:
    """A connection that sends what it is told and reads answers one by one."""

    port: int
    timeout_s: float = 10.0
    sock: socket.socket = field(init=False)
    _buffer: bytes = field(init=False, default=b"")

    def __post_init__(self) -> None:
        self.sock = socket.create_connection(("127.0.0.1", self.port), self.timeout_s)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def post(self, body: object, path: str = "/v1/chat/completions", **headers: str) -> None:
        self.send(post(body, path, **headers))

    def _more(self) -> bool:
        try:
            data = self.sock.recv(1 << 20)
        except ConnectionError:
            return False
        self._buffer += data
        return bool(data)

    def _until(self, mark: bytes) -> bytes | None:
        while mark not in self._buffer:
            if not self._more():
                return None
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, size: int) -> tuple[bytes, bool]:
        while len(self._buffer) < size:
            if not self._more():
                found, self._buffer = self._buffer, b""
                return found, True
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found, False

    def read_head(self) -> tuple[int, dict[str, str], bytes]:
        head = self._until(b"\r\n\r\n")
        assert head is not None, f"no answer, only {self._buffer!r}"
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
        return int(first.split(" ")[1]), headers, head

    def read(self, *, is_head: bool = False) -> Answer:
        """Return the next answer, cut short if the connection ends in the middle."""
        status, headers, head = self.read_head()
        if is_head or status in (100, 204):
            return Answer(status, headers, b"", head=head)
        if headers.get("transfer-encoding") == "chunked":
            body, is_cut = self._read_chunks()
        elif "content-length" in headers:
            body, is_cut = self._exactly(int(headers["content-length"]))
        else:
            body, is_cut = self.read_to_end(), False
        return Answer(status, headers, body, is_cut, head)

    def _read_chunks(self) -> tuple[bytes, bool]:
        parts: list[bytes] = []
        while True:
            size = self._until(b"\r\n")
            if size is None:
                return b"".join(parts), True
            data, is_cut = self._exactly(int(size, 16) + 2)
            parts.append(data.removesuffix(b"\r\n"))
            if is_cut or int(size, 16) == 0:
                return b"".join(parts), is_cut

    def read_to_end(self) -> bytes:
        while self._more():
            pass
        rest, self._buffer = self._buffer, b""
        return rest

    def is_closed(self) -> bool:
        """Tell whether the gateway closed the connection; waits for it."""
        return self.read_to_end() == b""


def post(body: object, path: str = "/v1/chat/completions", **headers: str) -> bytes:
    """Return a POST as bytes; *body* is sent as it is or as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    start = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(raw)}", *lines]
    return "\r\n".join([*start, "", ""]).encode() + raw


def chat(model: str, script: str = "", **fields: object) -> dict[str, object]:
    """Return a chat request that picks *script* at a scripted upstream."""
    messages = [{"role": "user", "content": "Hi"}]
    return {"model": model, "messages": messages, "script": script, **fields}


def ask(port: int, body: object, path: str = "/v1/chat/completions", **headers: str) -> Answer:
    """Return the answer to one POST on a connection of its own."""
    with RawClient(port) as client:
        client.post(body, path, **headers)
        return client.read()


def get(port: int, path: str, method: str = "GET", **headers: str) -> Answer:
    """Return the answer to one request without a body."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    with RawClient(port) as client:
        client.send(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        return client.read(is_head=method == "HEAD")


@contextlib.contextmanager
def free_port() -> Iterator[int]:
    """Yield a port on which nobody listens: it is bound, but takes no connections."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]
