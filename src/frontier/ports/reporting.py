"""What a person watches while a command works."""

from contextlib import AbstractContextManager
from typing import Literal, Protocol


class Task(Protocol):
    """One running piece of work that a person watches."""

    def update(self, done: int, total: int | None = None) -> None:
        """Set how much is done so far (not the increment), in the task's unit."""
        ...


class Reporter(Protocol):
    """Tells the person what happens; silent for machines and ``--quiet``."""

    def say(self, text: str) -> None:
        """Print a decision with its reason, or a step that is done."""
        ...

    def task(
        self, label: str, *, total: int | None = None, unit: Literal["bytes", "steps"] = "steps"
    ) -> AbstractContextManager[Task]:
        """Show *label* while the block runs, with a bar where *total* is known.

        With unit ``bytes`` the bar shows rate and remaining time.
        """
        ...
