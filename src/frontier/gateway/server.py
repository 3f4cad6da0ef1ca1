"""The gateway from its options to its end, as one process or as several."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from frontier.domain.errors import ConfigError
from frontier.gateway import keys
from frontier.gateway.app import create_app
from frontier.gateway.board import Board, Colleague
from frontier.gateway.core import Core
from frontier.gateway.facts_file import FactsFile
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
from frontier.gateway.report import report
from frontier.gateway.route_file import read
from frontier.gateway.route_table import build, load_sources
from frontier.gateway.serving import LAST_WORDS_S, Server
from frontier.gateway.spans import open_spans
from frontier.gateway.usage_file import UsageFile
from frontier.gateway.workers import Workers

# A worker that has neither finished nor given up by then does not do so any more.
_HUNG_S: Final = 10.0


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
        facts_file: Where Frontier's commands tell of engines; it need not exist.
        workspace: Whose store takes models that clients pull; None where there is none.
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
    facts_file: Path | None
    workspace: Path | None
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
        core.event("usage_lost", level="error", reason=problem)
        core.log.flush()
    allow_many_connections()
    sockets = open_sockets(options.listen, options.workers)
    if options.workers > 1:
        _serve_by_many(options, core, reloader, usage, sockets)
    else:
        _serve_alone(options, core, reloader, usage, sockets[0])
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
        facts=FactsFile(options.facts_file),
        most_held=-(-options.most_held // options.workers),
    )
    core.app = create_app(core, options.workspace)
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


def _serve_alone(
    options: Options, core: Core, reloader: Reloader, usage: UsageFile, sockets: Sockets
) -> None:
    def save() -> None:
        if problem := usage.save():
            core.event("usage_lost", level="error", reason=problem)

    def tick() -> None:
        reloader.check()
        if usage.is_due(core.clock.now):  # in a thread: a disk may take its time
            asyncio.get_running_loop().run_in_executor(None, save)

    core.spans = open_spans()
    server = Server(core, options.drain_s, sockets, tick)
    uvloop.run(server.run(lambda: _announce(core.event, core.log.flush, options, sockets)))


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
        colleague = core.colleague = Colleague(board, index, lambda: report(core))

        def tick() -> None:
            reloader.check()
            colleague.tick()
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGTERM)

        uvloop.run(Server(core, options.drain_s, sockets[index], tick).run())

    def keep_up() -> None:
        core.tick()
        reloader.check()
        if usage.is_due(core.clock.now) and (problem := usage.save()):
            workers.event("usage_lost", level="error", reason=problem)

    parent = os.getpid()
    patience_s = options.drain_s + LAST_WORDS_S + _HUNG_S
    workers = Workers(sockets, work, on_tick=keep_up, patience_s=patience_s)
    workers.run(lambda: _announce(workers.event, lambda: None, options, sockets[0]))


def _announce(
    event: Callable[..., None], flush: Callable[[], None], options: Options, sockets: Sockets
) -> None:
    event("listening", addresses=[url(s) for s in sockets], pid=os.getpid())
    flush()
    if options.ready_fd is not None:
        with os.fdopen(options.ready_fd, "w") as ready:
            ready.write(f"{os.getpid()}\n")
