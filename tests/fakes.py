"""Ports that keep their state in memory."""

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Literal

import yaml

from frontier.domain.change import Interrupted
from frontier.domain.chat import Message, Piece, Sampling
from frontier.domain.containers import ROUTES, Containers, labelled
from frontier.domain.errors import ConfigError, FrontierError, RuntimeFailedError
from frontier.domain.project import Project, Route, Service
from frontier.domain.snapshot import FileChanges, Snapshot
from frontier.domain.state import DaemonState, ServiceState
from frontier.ports import Reporter
from frontier.renderers.routes import routes_file


class FakeChat:
    """Answers with the given pieces, one second apart on its own clock."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = pieces
        self.now = 0.0
        self.error: Exception | None = None
        self.asked: list[tuple[str, Sequence[Message], Sampling]] = []

    def clock(self) -> float:
        return self.now

    def stream(
        self, model: str, messages: Sequence[Message], sampling: Sampling
    ) -> Iterator[Piece]:
        self.asked.append((model, messages, sampling))
        if self.error:
            raise self.error
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
        self.refusal: FrontierError | None = None
        self.calls: list[str] = []
        self.phase: Literal["ready", "backoff"] = "ready"
        self.pid: int | None = 7
        self.is_dead = False
        self.beside: dict[str, str] = {}

    def state(self) -> DaemonState | None:
        if self.running is None:
            return None
        services = tuple(
            ServiceState(name=name, phase=self.phase, digest=digest, pid=self.pid, started_at=90.0)
            for name, digest in (self.running.digests | self.beside).items()
        )
        return DaemonState(pid=1, started_at=0.0, stack=self.running.stack, services=services)

    def has_died(self) -> bool:
        return self.is_dead

    def require_possible(self, project: Project, giving_up: Collection[int]) -> None:
        if self.refusal:
            raise self.refusal

    def apply(self, project: Project) -> None:
        self.calls.append(f"apply {', '.join(route.model for route in project.routes[:1])}")
        self.running, self.beside = project, {}

    def wait_ready(self, project: Project, reporter: Reporter) -> DaemonState:
        if self.failing & {route.model for route in project.routes[:1]}:
            raise RuntimeFailedError("llamacpp died", details="out of memory")
        state = self.state()
        assert state is not None
        return state

    def restart(self, service: str) -> None:
        self.calls.append(f"restart {service}")

    def start_beside(self, project: Project, services: Collection[str], reporter: Reporter) -> None:
        self.calls.append(f"beside {' '.join(services)}")
        self.wait_ready(project, reporter)
        self.beside = {name: project.digests[name] for name in services}

    def write_live(self, project: Project) -> None:
        assert project.containers
        entries = yaml.safe_load(project.containers.files[ROUTES])["models"]
        names = [f"{e['name']}{' held' if e.get('hold') else ''}" for e in entries]
        self.calls.append(f"routes {', '.join(names)}")

    def stop(self, reporter: Reporter) -> bool:
        self.calls.append("stop")
        was_running, self.running = self.running is not None, None
        return was_running


class FakeJournal:
    """Keeps what was noted, and whether it came to its end."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.is_open = False
        self.found: Interrupted | None = None

    @contextlib.contextmanager
    def during(self, command: str, to: Project | None = None) -> Iterator[Callable[[str], None]]:
        self.noted.append(f"{command} -> {to.stack if to else ''}")
        self.is_open, self.found = True, None
        yield self.noted.append
        self.is_open = False

    def kill(self, command: str = "stack select mistral") -> None:
        """Leave the note of a command that was killed."""
        self.found = Interrupted(command=command, began="", declared="old", stack="llamacpp")

    def interrupted(self) -> Interrupted | None:
        return self.found

    def clear(self) -> None:
        self.is_open, self.found = False, None


class FakeGateway:
    """Takes every route file over at once; answers under way end unless told otherwise."""

    def __init__(self, calls: list[str]) -> None:
        self.calls = calls
        self.left = 0

    def wait_loaded(self, project: Project) -> None:
        self.calls.append("loaded")

    def drain(self, services: Collection[str], *, timeout_s: float) -> int:
        self.calls.append(f"drain {' '.join(services)}")
        return self.left


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
        self.good = 0
        self.restored: list[str] = []
        self.same: set[str] = set()
        self.on_restore: Callable[[Snapshot], None] = lambda _: None

    def take(self, before: str, *, keep: str = "") -> Snapshot:
        self.taken.append(Snapshot(id=f"{len(self.taken)}-{before}", before=before, files=()))
        return self.taken[-1]

    def mark_good(self) -> None:
        self.good += 1

    def all(self) -> tuple[Snapshot, ...]:
        return tuple(reversed(self.taken))

    def find(self, snapshot_id: str) -> Snapshot:
        return next(s for s in self.taken if s.id == snapshot_id)

    def changes(self, snapshot: Snapshot) -> FileChanges:
        return FileChanges(changed=() if snapshot.before in self.same else (".env",))

    def restore(self, snapshot: Snapshot, *, removing: Collection[str] = ()) -> None:
        self.restored.append(snapshot.id)
        self.on_restore(snapshot)

    def reset(self, snapshot: Snapshot) -> None:
        self.restored.append(f"defaults, else {snapshot.id}")


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


def containers(stack: str = "llamacpp", model: str = "m:1", *, gateway: str = "1") -> Project:
    """A project of an engine and a gateway in containers, the engine named as the stack."""
    services = {
        stack: {"image": f"{stack}:1", "command": ["--model", model]},
        "gateway": {"image": f"gateway:{gateway}", "volumes": ["./live:/live:ro"]},
    }
    document = {"name": "frontier", "services": services}
    route = Route(model=model, service=stack, backend=stack, url=f"http://{stack}:8080")
    return Project(
        name="frontier",
        stack=stack,
        containers=labelled(Containers(document=document, files={ROUTES: routes_file([route])})),
        routes=(route,),
        ports=(11434,),
    )
