"""What use-cases ask of the outside, as Protocols."""

from contextlib import AbstractContextManager
from typing import Literal, Protocol

from frontier.domain.project import Project
from frontier.domain.state import DaemonState


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


class Runtime(Protocol):
    """Runs a project's services; `native` is the first of its kind."""

    def state(self) -> DaemonState | None:
        """Return what runs now, or None when no daemon lives."""
        ...

    def apply(self, project: Project) -> None:
        """Save *project* as what should run and start or notify the daemon; does not wait."""
        ...

    def wait_ready(self, project: Project, reporter: Reporter) -> DaemonState:
        """Return the state once every service of *project* is ready.

        Raises:
            RuntimeFailedError: a service died before it was ready, or took longer than its
                start budget; the message names it and carries its last lines.
        """
        ...

    def restart(self, service: str) -> None:
        """Ask the daemon to stop and start one service."""
        ...

    def stop(self, reporter: Reporter) -> bool:
        """Stop all services and the daemon, in-flight requests first; False if none ran."""
        ...
