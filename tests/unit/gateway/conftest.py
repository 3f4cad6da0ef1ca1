"""A gateway inside the test process, whose clock the test sets."""

import asyncio
import contextlib
import os
import socket
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from frontier.gateway.app import create_app
from frontier.gateway.clock import Clock
from frontier.gateway.core import Core
from frontier.gateway.json_log import JsonLog
from frontier.gateway.route_file import Content
from frontier.gateway.route_table import build, load_sources, parse
from frontier.gateway.wire.client import ClientConnection
from scripted_upstream import ScriptedUpstream

T = TypeVar("T")


class HandClock(Clock):
    """Stands still until it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def tick(self) -> None:
        self.stamp = "2026-01-01T00:00:00.000Z"


class InsideGateway:
    """The gateway's core and sockets on a loop of its own thread."""

    def __init__(self, routes: Path) -> None:
        self.clock = HandClock()
        self._sink = os.open(os.devnull, os.O_WRONLY)
        self.loop = asyncio.new_event_loop()
        self.core = Core(
            table=build(load_sources([routes])),
            max_body_bytes=10_000_000,
            log=JsonLog(self._sink),
            clock=self.clock,
        )
        self.core.app = create_app(self.core)
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.port = self.run(self._listen())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do *work* on the gateway's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(5)

    async def _listen(self) -> int:
        factory = lambda: ClientConnection(self.core)  # noqa: E731
        self._server = await self.loop.create_server(factory, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def pass_time(self, seconds: float) -> None:
        """Let *seconds* pass at once, and whatever is due happen."""

        async def tick() -> None:
            self.clock.now += seconds
            self.core.tick()

        self.run(tick())

    def use(self, routes: str) -> None:
        """Take the route file *routes* over."""

        async def use() -> None:
            self.core.use(build([parse(Content(Path("routes.yaml"), routes.encode()))]))

        self.run(use())

    def in_flight(self) -> int:
        """Return how many requests engines work on."""

        async def count() -> int:
            return self.core.in_flight().total()

        return self.run(count())

    def close(self) -> None:
        async def stop() -> None:
            self._server.close()
            self.core.close()

        self.run(stop())
        self.loop.call_soon_threadsafe(self.loop.call_later, 0.05, self.loop.stop)
        self._thread.join(5)
        self.loop.close()
        os.close(self._sink)


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port where connecting takes forever: its queue is full and nobody accepts."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture
def inside(upstream: ScriptedUpstream, tmp_path: Path, deaf_port: int) -> Iterator[InsideGateway]:
    routes = tmp_path / "routes.yaml"
    routes.write_text(f"""
version: 1
models:
  - {{name: m, aliases: [m-alias], backend: llamacpp, backend_url: "{upstream.url}"}}
  - {{name: v, backend: vllm, backend_url: "{upstream.url}"}}
  - {{name: brisk, backend: llamacpp, backend_url: "{upstream.url}", timeouts: {{idle: 10s}}}}
  - {{name: deaf, backend: mistral, backend_url: "http://127.0.0.1:{deaf_port}"}}
""")
    gateway = InsideGateway(routes)
    yield gateway
    gateway.close()
