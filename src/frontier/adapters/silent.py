"""The reporter that tells nobody anything."""

import contextlib
from collections.abc import Generator
from typing import Literal

from frontier.ports import Task


class NoTask:
    """A task that nobody watches."""

    def update(self, done: int, total: int | None = None) -> None:
        """Show nothing."""


class Silent:
    """For machines: says nothing."""

    def say(self, text: str) -> None:
        """Drop *text*."""

    @contextlib.contextmanager
    def task(
        self, label: str, *, total: int | None = None, unit: Literal["bytes", "steps"] = "steps"
    ) -> Generator[Task]:
        """Run the block."""
        yield NoTask()
