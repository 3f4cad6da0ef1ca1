"""Ports that keep their state in memory."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Literal

from frontier.domain.chat import Message, Piece, Sampling
from frontier.domain.errors import ConfigError, RuntimeFailedError
from frontier.domain.project import Project, Route, Service
from frontier.domain.snapshot import Snapshot
from frontier.domain.state import DaemonState, ServiceState
from frontier.ports import Reporter


class FakeChat:
    """Answers with the given pieces, one second apart on its own clock."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self.now = 0.0
        self.asked: list[tuple[str, Sequence[Message], Sampling]] = []

    def clock(self) -> float:
        return self.now

    def stream(
        self, model: str, messages: Sequence[Message], sampling: Sampling
    ) -> Iterator[Piece]:
        self.asked.append((model, messages, sampling))
        for piece in self.pieces:
            self.now += 1.0
            yield piece


class FakeReporter:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    @contextlib.contextmanager
    def task(
        self, label: str, *, total: int | None = None, unit: Literal["bytes", "steps"] = "steps"
    ) -> "Iterator[FakeReporter]":
        self.said.append(label)
        yield self

    def update(self, done: int, total: int | None = None) -> None:
        self.done = (done, total)


class FakeRuntime:
    """Runs nothing; services get ready at once unless told to fail."""

    def __init__(self) -> None:
        self.running: Project | None = None
        self.failing: set[str] = set()
        self.calls: list[str] = []
        self.phase: Literal["ready", "backoff"] = "ready"
        self.is_dead = False

    def state(self) -> DaemonState | None:
        if self.running is None:
            return None
        services = tuple(
            ServiceState(name=s.name, phase=self.phase, digest=s.digest, pid=7, started_at=90.0)
            for s in self.running.services
        )
        return DaemonState(pid=1, started_at=0.0, stack=self.running.stack, services=services)

    def has_died(self) -> bool:
        return self.is_dead

    def apply(self, project: Project) -> None:
        self.calls.append(f"apply {project.routes[0].model}")
        self.running = project

    def wait_ready(self, project: Project, reporter: Reporter) -> DaemonState:
        if project.routes[0].model in self.failing:
            raise RuntimeFailedError("llamacpp died", details="out of memory")
        state = self.state()
        assert state is not None
        return state

    def restart(self, service: str) -> None:
        self.calls.append(f"restart {service}")

    def stop(self, reporter: Reporter) -> bool:
        self.calls.append("stop")
        was_running, self.running = self.running is not None, None
        return was_running


class FakeProjectFile:
    """Follows what the runtime was last told, as the real file does."""

    def __init__(self, runtime: FakeRuntime, project: Project | None = None) -> None:
        self._runtime = runtime
        self.project = project
        self.is_damaged = False

    def load(self) -> Project | None:
        if self.is_damaged:
            raise ConfigError("not a project")
        return self._runtime.running or self.project

    def save(self, project: Project) -> None:
        self.project = project

    def clear(self) -> None:
        self.project = None


class FakeSnapshots:
    """Keeps the names of what was taken."""

    def __init__(self) -> None:
        self.taken: list[Snapshot] = []
        self.restored: list[str] = []
        self.same: set[str] = set()

    def take(self, before: str, *, keep: str = "") -> Snapshot:
        self.taken.append(Snapshot(id=f"{len(self.taken)}-{before}", before=before, files=()))
        return self.taken[-1]

    def all(self) -> tuple[Snapshot, ...]:
        return tuple(reversed(self.taken))

    def find(self, snapshot_id: str) -> Snapshot:
        return next(s for s in self.taken if s.id == snapshot_id)

    def changes(self, snapshot: Snapshot) -> tuple[str, ...]:
        return () if snapshot.before in self.same else (".env",)

    def restore(self, snapshot: Snapshot) -> None:
        self.restored.append(snapshot.id)


def project(model: str = "m:1") -> Project:
    """A project of an engine and a gateway."""
    return Project(
        name="frontier-llamacpp",
        stack="llamacpp",
        services=(
            Service(name="llamacpp", argv=("llama-server", "--alias", model)),
            Service(name="gateway", argv=("gateway",), needs=("llamacpp",)),
        ),
        routes=(Route(model=model, service="llamacpp", backend="llamacpp"),),
        ports=(11434,),
    )
