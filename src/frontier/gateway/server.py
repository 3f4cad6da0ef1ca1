"""The gateway's life: sockets, ticks, signals, an orderly end."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from frontier.domain.errors import ConfigError
from frontier.gateway import keys
from frontier.gateway.app import create_app
from frontier.gateway.board import Board, Colleague
from frontier.gateway.core import Core
from frontier.gateway.errors import STOPPING
from frontier.gateway.health import probe_all
from frontier.gateway.json_log import JsonLog
from frontier.gateway.keys import Fixed
from frontier.gateway.ledger import Ledger
from frontier.gateway.listening import (
    Sockets,
    allow_many_connections,
    is_loopback,
    open_sockets,
    url,
)
from frontier.gateway.origins import Origins
from frontier.gateway.reload import Reloader
from frontier.gateway.route_file import read
from frontier.gateway.route_table import build, load_sources
from frontier.gateway.spans import open_spans
from frontier.gateway.usage_file import UsageFile
from frontier.gateway.wire.client import ClientConnection
from frontier.gateway.workers import Workers

_TICK_S: Final = 0.1
_PROBE_S: Final = 10.0
_LAST_WORDS_S: Final = 1.0
# Requests leave little garbage in cycles; the default of 700 scans for it far too often.
_GC_THRESHOLD: Final = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the gateway was started.

    Attributes:
        listen: Host and port pairs; port 0 is any free one.
        config: Route files, a later one wins.
        keys: The file of keys, which need not exist.
        api_key_file: Holds one more key, without limits of its own.
        admin_key_file: Holds the key of whoever runs the gateway.
        metrics_key_file: Holds the key that only reads metrics.
        require_key: Answer nothing without a key, even while there is none.
        rate_limit: Requests per minute of keys that name no other; 0 for no limit.
        origins: Pages that may call, beside this machine's.
        check_host: Answer only to names that lead nowhere else; always so on loopback.
        max_body_bytes: The longest request body.
        drain_s: How long requests may finish after a SIGTERM.
        most_held: How many requests may wait while engines are replaced.
        workers: Processes.
        usage_file: Keeps over a restart what keys have used.
        ready_fd: Gets the process id once every socket listens, then is closed.
    """

    listen: Sequence[tuple[str, int]]
    config: Sequence[Path]
    keys: Path | None
    api_key_file: Path | None
    admin_key_file: Path | None
    metrics_key_file: Path | None
    require_key: bool
    rate_limit: int
    origins: Sequence[str]
    check_host: bool
    max_body_bytes: int
    drain_s: float
    most_held: int
    workers: int
    usage_file: Path | None
    ready_fd: int | None


def serve(options: Options) -> None:
    """Run the gateway until SIGTERM or SIGINT.

    Raises:
        ConfigError: a route file or a key file is wrong.
        PortTakenError: another process listens there.
    """
    ledger = Ledger(is_shared=options.workers > 1)
    core, reloader = _prepare(options, ledger)
    usage = UsageFile(options.usage_file, ledger)
    if problem := usage.load():
        core.event("usage_lost", reason=problem)
        core.log.flush()
    allow_many_connections()
    sockets = open_sockets(options.listen, options.workers)
    if options.workers > 1:
        _serve_by_many(options, core, reloader, usage, sockets)
        return
    core.spans = open_spans()
    server = _Server(core, options.drain_s, sockets[0], _save_with(core, reloader, usage))
    asyncio.run(server.run(lambda: _announce(core.event, core.log.flush, options, sockets[0])))
    usage.save()


def _prepare(options: Options, ledger: Ledger) -> tuple[Core, Reloader]:
    sources = load_sources(options.config)
    source = keys.parse(read(options.keys)) if options.keys else None
    core = Core(
        table=build(sources),
        max_body_bytes=options.max_body_bytes,
        log=JsonLog(),
        fixed=Fixed(
            default=_read_key(options.api_key_file),
            admin=_read_key(options.admin_key_file),
            metrics=_read_key(options.metrics_key_file),
            is_required=options.require_key,
            rpm=options.rate_limit,
        ),
        keys=source,
        origins=Origins(
            options.origins, checks_host=options.check_host or is_loopback(options.listen)
        ),
        ledger=ledger,
        most_held=max(1, options.most_held // options.workers),
    )
    core.app = create_app(core)
    return core, Reloader(core, sources, source)


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


def _save_with(core: Core, reloader: Reloader, usage: UsageFile) -> Callable[[], None]:
    def tick() -> None:
        reloader.check()
        if problem := usage.save_now_and_then(core.clock.now):
            core.event("usage_lost", reason=problem)

    return tick


def _serve_by_many(
    options: Options,
    core: Core,
    reloader: Reloader,
    usage: UsageFile,
    sockets: Sequence[Sockets],
) -> None:
    """Serve in processes of their own; this one keeps the files' last good state for the next."""
    board = Board(options.workers)
    log, core.log = core.log, JsonLog(os.open(os.devnull, os.O_WRONLY))  # workers tell it

    def work(index: int) -> None:
        core.log = log
        core.clock.tick()
        core.spans = open_spans()  # its thread would not live on in a forked process
        reloader.check()
        colleague = core.colleague = Colleague(board, index, core.report)

        def tick() -> None:
            reloader.check()
            colleague.tick()
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGTERM)

        asyncio.run(_Server(core, options.drain_s, sockets[index], tick).run())

    def keep_up() -> None:
        core.tick()
        reloader.check()
        if problem := usage.save_now_and_then(core.clock.now):
            workers.event("usage_lost", reason=problem)

    parent = os.getpid()
    patience_s = options.drain_s + _LAST_WORDS_S + _PROBE_S
    workers = Workers(sockets, work, on_tick=keep_up, patience_s=patience_s)
    workers.run(lambda: _announce(workers.event, lambda: None, options, sockets[0]))
    usage.save()


def _announce(
    event: Callable[..., None], flush: Callable[[], None], options: Options, sockets: Sockets
) -> None:
    event("listening", addresses=[url(s) for s in sockets], pid=os.getpid())
    flush()
    if options.ready_fd is not None:
        with os.fdopen(options.ready_fd, "w") as ready:
            ready.write(f"{os.getpid()}\n")


class _Server:
    """One process that serves.

    Args:
        core: Shared by its connections.
        drain_s: How long requests may finish.
        sockets: To accept from.
        on_tick: Called ten times a second.
    """

    def __init__(
        self, core: Core, drain_s: float, sockets: Sockets, on_tick: Callable[[], None]
    ) -> None:
        self._core, self._drain_s = core, drain_s
        self._sockets, self._on_tick = sockets, on_tick
        self._stop = asyncio.Event()

    async def run(self, announce: Callable[[], None] | None = None) -> None:
        """Serve until a signal; a worker, which announces nothing, hears only its parent's."""
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_loop_error)
        if announce is None:
            loop.add_signal_handler(signal.SIGTERM, self._stop.set)
            loop.add_signal_handler(signal.SIGQUIT, self._on_second)
        else:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self._on_signal)
        servers = [
            await loop.create_server(lambda: ClientConnection(self._core), sock=s)
            for s in self._sockets
        ]
        self._tick(loop)
        if announce is not None:
            announce()
        prober = loop.create_task(self._probe())
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
            self._on_second()
        self._stop.set()

    def _on_second(self) -> None:
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
        self._on_tick()

    async def _probe(self) -> None:
        while True:
            await probe_all(self._core)
            await asyncio.sleep(_PROBE_S)

    async def _drain(self) -> None:
        core = self._core
        core.stop()
        if not await self._is_empty_within(self._drain_s):
            for client in tuple(core.clients):
                client.stop(STOPPING)
            await self._is_empty_within(_LAST_WORDS_S)
        core.event("stopped")
        core.close()

    async def _is_empty_within(self, wait_s: float) -> bool:
        try:
            async with asyncio.timeout(wait_s):
                await self._core.is_empty.wait()
        except TimeoutError:
            return False
        return True
