"""What use-cases ask of the outside, as Protocols."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from frontier.domain.chat import Message, Piece, Sampling
from frontier.domain.machine import Machine
from frontier.domain.project import Project, Service
from frontier.domain.snapshot import Snapshot
from frontier.domain.stack import Stack
from frontier.domain.state import DaemonState
from frontier.domain.supervision import Exit


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


class Clock(Protocol):
    """Seconds since some moment, never going back."""

    def __call__(self) -> float:
        """Return the present moment."""
        ...


class ChatClient(Protocol):
    """A chat completion API."""

    def stream(
        self, model: str, messages: Sequence[Message], sampling: Sampling
    ) -> Iterator[Piece]:
        """Yield the answer as it comes."""
        ...

    def models(self) -> tuple[str, ...]:
        """Return the names it answers to."""
        ...


class SnapshotStore(Protocol):
    """What was before each change."""

    def take(self, before: str) -> Snapshot:
        """Save the present state, before the command *before*."""
        ...

    def all(self) -> tuple[Snapshot, ...]:
        """Return all snapshots, newest first."""
        ...

    def find(self, snapshot_id: str) -> Snapshot:
        """Return the snapshot of that name, or the only one it begins."""
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Bring the workspace's files to *snapshot*."""
        ...


class StackSource(Protocol):
    """Where stacks come from."""

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        ...

    def load(self, name: str) -> Stack:
        """Return one stack."""
        ...


class MachineProbe(Protocol):
    """Looks at the machine; never raises and never takes longer than its own limit."""

    def __call__(self) -> Machine:
        """Return the machine, with the disk that models lie on."""
        ...


class Process(Protocol):
    """One started service."""

    @property
    def pid(self) -> int:
        """Return the process id of the service itself."""
        ...

    async def wait(self) -> Exit:
        """Return how it ended, once nothing of it is left."""
        ...

    async def stop(self) -> None:
        """End it and everything it started: SIGTERM, its grace, SIGKILL."""
        ...


class Processes(Protocol):
    """Starts services."""

    async def start(self, service: Service, port: int) -> Process:
        """Start *service* with *port* in its command line.

        Raises:
            RuntimeFailedError: the program cannot be executed.
        """
        ...


class Probe(Protocol):
    """Asks a service on loopback whether it works; answers "" or the problem in words."""

    async def health(self, port: int, path: str, *, timeout_s: float) -> str:
        """Ask for *path* and expect 200 within *timeout_s*."""
        ...

    async def token(self, port: int, model: str) -> str:
        """Have *model* generate one token; takes as long as it takes."""
        ...


class ProjectFile(Protocol):
    """The rendered project that should run."""

    def load(self) -> Project | None:
        """Return it, None when nothing was brought up yet."""
        ...

    def clear(self) -> None:
        """Forget it."""
        ...
