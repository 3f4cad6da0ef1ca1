"""What a daemon that was killed may have left behind."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.domain.errors import RuntimeFailedError

if TYPE_CHECKING:
    import psutil

_POLL_S = 0.02

MARK = "FRONTIER_RUN_FOLDER"
"""Environment variable that every service and everything it starts carries: the run folder of
its daemon. It identifies what a dead daemon left behind better than any process id could."""


def mark_of(run_folder: Path) -> dict[str, str]:
    """Return the environment that marks the services of a daemon, one spelling per folder."""
    return {MARK: str(run_folder.resolve())}


def leftovers(run_folder: Path) -> "Iterator[psutil.Process]":
    """Yield the living processes that a daemon with this run folder has started."""
    import psutil

    mark = mark_of(run_folder)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            is_ours = mark.items() <= process.environ().items()
            if is_ours and process.pid != os.getpid() and process.is_running():
                yield process


def sweep(run_folder: Path, *, patience_s: float = 5.0) -> list[int]:
    """Kill what a dead daemon left behind, until nothing is left; return the process ids.

    psutil compares start times before it signals, so a recycled process id is never hit.

    Raises:
        RuntimeFailedError: something of it still lives after *patience_s*.
    """
    killed, deadline = set[int](), time.monotonic() + patience_s
    while found := list(leftovers(run_folder)):
        pids = {process.pid for process in found}
        if time.monotonic() > deadline:
            names = " ".join(map(str, sorted(pids)))
            raise RuntimeFailedError(
                f"processes of an earlier run do not end: {names}", hint=f"kill -9 {names}"
            )
        _kill(found)
        killed |= pids
        time.sleep(_POLL_S)
    return sorted(killed)


def _kill(processes: "list[psutil.Process]") -> None:
    import psutil

    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
