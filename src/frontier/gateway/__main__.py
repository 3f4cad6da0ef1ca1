"""``python -m frontier.gateway``: the gateway as a process of its own."""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from frontier.domain.errors import FrontierError

_MOST_WORKERS: Final = 64


def main() -> int:
    """Serve until stopped; return the exit code."""
    _be_a_good_first_process()
    given = _parser().parse_args()
    if given.openapi:
        return _describe()
    if given.check:
        return _check(given.config, given.keys)
    from frontier.gateway.server import Options, serve  # --help stays quick

    options = Options(
        listen=given.listen or [("127.0.0.1", 11434)],
        config=given.config,
        keys=given.keys,
        api_key_file=given.api_key_file,
        admin_key_file=given.admin_key_file,
        metrics_key_file=given.metrics_key_file,
        require_key=given.require_key,
        rate_limit=given.rate_limit,
        origins=given.allow_origin,
        check_host=given.check_host,
        max_body_bytes=given.max_body_bytes,
        drain_s=given.drain_s,
        most_held=given.max_held_requests,
        workers=given.workers,
        usage_file=given.usage_file,
        facts_file=given.facts_file,
        workspace=given.workspace,
        ready_fd=given.pid_ready_fd,
    )
    return _told(lambda: serve(options))


def _told(work: Callable[[], None]) -> int:
    """Return the exit code of *work*, its error told on standard error."""
    try:
        work()
    except FrontierError as error:
        sys.stderr.write(f"error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        return error.exit_code
    return 0


def _check(config: list[Path], key_file: Path | None) -> int:
    """Read the files as `serve` would, and serve nothing."""
    from frontier.gateway import keys
    from frontier.gateway.route_file import read
    from frontier.gateway.route_table import build, load_sources

    def work() -> None:
        build(load_sources(config))
        if key_file:
            keys.parse(read(key_file))

    return _told(work)


def _describe() -> int:
    from frontier.gateway.app import description

    json.dump(description(), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


def _be_a_good_first_process() -> None:
    """Make up for what the kernel does not do for process 1 of a container.

    It ignores a SIGTERM that the process has no handler for, so one that comes while we start
    would be lost; and it leaves to it the orphans of `docker exec`, to be reaped.
    """
    signal.signal(signal.SIGTERM, _stop_early)
    if os.getpid() == 1:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def _stop_early(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m frontier.gateway", description=__doc__)
    add = parser.add_argument
    add("--listen", action="append", type=_endpoint, metavar="HOST:PORT", help="repeatable")
    add("--config", action="append", type=Path, default=[], metavar="FILE", help="later ones win")
    add("--keys", type=Path, metavar="FILE", help="keys.yaml; read again when it changes")
    add("--api-key-file", type=Path, metavar="FILE", help="holds one more key, without limits")
    add("--admin-key-file", type=Path, metavar="FILE", help="holds the key for /admin")
    add("--metrics-key-file", type=Path, metavar="FILE", help="holds a key for /metrics only")
    add("--require-key", action="store_true", help="answer nobody while there is no key")
    add("--rate-limit", type=_count, default=0, metavar="N", help="requests per minute and key")
    add("--allow-origin", action="append", default=[], metavar="ORIGIN", help="of web pages")
    add("--check-host", action="store_true", help="refuse names of other machines in Host")
    add("--workers", type=_positive, default=1, metavar="N", help="processes; default 1")
    add("--usage-file", type=Path, metavar="FILE", help="keeps what keys have used of budgets")
    add("--facts-file", type=Path, metavar="FILE", help="what Frontier tells of engines")
    add("--max-body-bytes", type=int, default=104_857_600, metavar="N")
    add("--max-held-requests", type=int, default=1000, metavar="N", help="while engines change")
    add("--workspace", type=Path, metavar="DIR", help="whose store takes pulled models")
    add("--drain-s", type=float, default=30.0, metavar="S", help="after SIGTERM")
    add("--check", action="store_true", help="read the files, tell what is wrong, and stop")
    add("--openapi", action="store_true", help="print what it serves, as OpenAPI, and stop")
    add("--pid-ready-fd", type=int, metavar="FD", help="gets the process id once all listens")
    return parser


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)


def _positive(text: str) -> int:
    if not 1 <= (number := _count(text)) <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{text!r} is not between 1 and {_MOST_WORKERS}")
    return number


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535 or not host:  # noqa: PLR2004 - the last port
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


if __name__ == "__main__":
    sys.exit(main())
