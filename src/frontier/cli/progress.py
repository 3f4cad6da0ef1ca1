"""Progress on standard error: bars in a terminal, plain lines elsewhere, nothing when silent."""

import contextlib
import sys
import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Literal

from frontier.adapters.silent import NoTask, Silent
from frontier.ports import Reporter, Task

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

Unit = Literal["bytes", "steps"]


def reporter(*, silent: bool) -> Reporter:
    """Return the reporter that suits standard error."""
    if silent:
        return Silent()
    return Terminal() if sys.stderr.isatty() else Plain()


class Plain:
    """For logs and pipes: one line when a task begins, one when it has ended."""

    def say(self, text: str) -> None:
        """Print *text* on a line of its own."""
        sys.stderr.write(text + "\n")

    @contextlib.contextmanager
    def task(
        self, label: str, *, total: int | None = None, unit: Unit = "steps"
    ) -> Generator[Task]:
        """Print *label* before the block and how long it took after it."""
        self.say(f"{label} ...")
        begin = time.monotonic()
        yield NoTask()
        self.say(f"{label}: done in {time.monotonic() - begin:.1f} s")


class _Bar:
    def __init__(self, bar: object, task_id: object) -> None:
        self._bar, self._id = bar, task_id

    def update(self, done: int, total: int | None = None) -> None:
        """Move the bar."""
        more = {} if total is None else {"total": total}
        self._bar.update(self._id, completed=done, **more)  # type: ignore[attr-defined]


class Terminal(Plain):
    """For people: a spinner, or a bar with rate and remaining time for bytes."""

    @contextlib.contextmanager
    def task(
        self, label: str, *, total: int | None = None, unit: Unit = "steps"
    ) -> Generator[Task]:
        """Show a live line while the block runs and leave one line behind it."""
        from rich.console import Console
        from rich.progress import Progress

        begin = time.monotonic()
        console = Console(stderr=True)
        with Progress(*_columns(unit), console=console, transient=True) as bar:
            yield _Bar(bar, bar.add_task(label, total=total))
        self.say(f"{label}: done in {time.monotonic() - begin:.1f} s")


def _columns(unit: Unit) -> "list[ProgressColumn]":
    from rich import progress as rp

    start = [rp.SpinnerColumn(), rp.TextColumn("{task.description}")]
    if unit == "steps":
        return [*start, rp.TimeElapsedColumn()]
    return [
        *start,
        rp.BarColumn(),
        rp.DownloadColumn(binary_units=True),
        rp.TransferSpeedColumn(),
        rp.TimeRemainingColumn(),
    ]
