"""The gateway's life: sockets, ticks, signals, an orderly end."""

import asyncio
import contextlib
import errno
import gc
import os
import resource
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from frontier.domain.errors import ConfigError, PortTakenError, RuntimeFailedError
from frontier.gateway.app import create_app
from frontier.gateway.core import Core
from frontier.gateway.errors import STOPPING
from frontier.gateway.health import watch
from frontier.gateway.json_log import JsonLog
from frontier.gateway.reload import Reloader
from frontier.gateway.route_table import build, load_sources
from frontier.gateway.spans import open_spans
from frontier.gateway.wire.client import ClientConnection

_TICK_S: Final = 0.1
_LAST_WORDS_S: Final = 1.0
_BACKLOG: Final = 2048
# Requests leave little garbage in cycles; the default of 700 scans for it far too often.
_GC_THRESHOLD: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the gateway was started.

    Attributes:
        listen: Host and port pairs; port 0 is any free one.
        config: Route files, a later one wins.
        api_key_file: Holds the one key that clients must present.
        max_body_bytes: The longest request body.
        drain_s: How long requests may finish after a SIGTERM.
        most_held: How many requests may wait while engines are replaced.
        workspace: Whose store takes models that clients pull; None where there is none.
        ready_fd: Gets the process id once every socket listens, then is closed.
    """

    listen: Sequence[tuple[str, int]]
    config: Sequence[Path]
    api_key_file: Path | None
    max_body_bytes: int
    drain_s: float
    most_held: int
    workspace: Path | None
    ready_fd: int | None


def serve(options: Options) -> None:
    """Run the gateway until SIGTERM or SIGINT.

    Raises:
        ConfigError: a route file or the key file is wrong.
        PortTakenError: another process listens there.
    """
    log = JsonLog()
    sources = load_sources(options.config)
    core = Core(
        table=build(sources),
        key=_read_key(options.api_key_file),
        max_body_bytes=options.max_body_bytes,
        log=log,
        most_held=options.most_held,
    )
    core.app = create_app(core, options.workspace)
    core.spans = open_spans()
    _allow_many_connections()
    sockets = [_listen(host, port) for host, port in options.listen]
    asyncio.run(_Server(core, options, sockets, Reloader(core, sources)).run())


def _allow_many_connections() -> None:
    """Raise the limit of open files as far as allowed; a stream needs two."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(ValueError, OSError):  # macOS refuses an infinite limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _read_key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    if not key:
        raise ConfigError(f"{path}: holds no API key", hint="Put the key on the file's first line.")
    return key


def _listen(host: str, port: int) -> socket.socket:
    where = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise RuntimeFailedError(f"cannot listen on {where}: {error.strerror}") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address[0] == "::":  # everywhere means IPv4 as well, whatever the system's default
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            hint = "Stop the other program, or choose another port."
            raise PortTakenError(f"another program listens on {where}", hint=hint) from error
        raise RuntimeFailedError(f"cannot listen on {where}: {error.strerror}") from error
    return listener


class _Server:
    def __init__(
        self,
        core: Core,
        options: Options,
        sockets: Sequence[socket.socket],
        reloader: Reloader,
    ) -> None:
        self._core = core
        self._options = options
        self._sockets = sockets
        self._reloader = reloader
        self._stop = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_loop_error)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        servers = [
            await loop.create_server(lambda: ClientConnection(self._core), sock=s)
            for s in self._sockets
        ]
        self._tick(loop)
        self._announce()
        prober = loop.create_task(watch(self._core))
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_THRESHOLD, 20, 20)
        await self._stop.wait()
        for server in servers:
            server.close()
        prober.cancel()
        await self._drain()

    def _on_signal(self) -> None:
        """Stop in order; a second signal stops at once."""
        if self._stop.is_set():
            self._core.close()
        self._stop.set()

    def _on_loop_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error: BaseException | None = context.get("exception")
        if error is None:
            self._core.event("loop", message=context["message"])
        elif not isinstance(error, OSError):
            self._core.bug(error)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(_TICK_S, self._tick, loop)
        self._core.tick()
        self._reloader.check()

    def _announce(self) -> None:
        addresses = [_url(s) for s in self._sockets]
        self._core.event("listening", addresses=addresses, pid=os.getpid())
        self._core.log.flush()
        if self._options.ready_fd is not None:
            with os.fdopen(self._options.ready_fd, "w") as ready:
                ready.write(f"{os.getpid()}\n")

    async def _drain(self) -> None:
        core = self._core
        core.stop()
        if not await self._is_empty_within(self._options.drain_s):
            for client in tuple(core.clients):
                client.stop(STOPPING)
            await self._is_empty_within(_LAST_WORDS_S)
        core.event("stopped", tasks=len(asyncio.all_tasks()))
        core.close()

    async def _is_empty_within(self, wait_s: float) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                await self._core.is_empty.wait()
        except TimeoutError:
            return False
        return True


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
