"""What `frontier top` reads at one moment, before anything is computed from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from frontier.domain.exposition import Exposition
from frontier.domain.project import Project
from frontier.domain.state import DaemonState
from frontier.domain.top import Failure, GpuView


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendRead:
    """One engine of a model, as the gateway's routes tell."""

    name: str
    url: str | None
    busy: int = 0
    breaker: str = ""
    context: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRead:
    """One model of the gateway's routes."""

    model: str
    aliases: tuple[str, ...] = ()
    backends: tuple[BackendRead, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRead:
    """One answer of the gateway.

    Attributes:
        at_s: When, monotonic seconds.
    """

    at_s: float
    metrics: Exposition
    routes: tuple[RouteRead, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one process and all it started take: processor time so far, and memory now."""

    cpu_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRead:
    """The machine's processors since its start, and its memory now."""

    cpus: int
    cpu_busy_s: float
    cpu_total_s: float
    memory_used_bytes: int
    memory_total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRead:
    """What runs, and what should.

    Attributes:
        daemon: None while nothing runs.
        has_died: Nothing runs, and nobody stopped it.
        project: What was brought up last, None for nothing.
    """

    daemon: DaemonState | None
    has_died: bool
    project: Project | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Everything that one look found.

    Attributes:
        at_s: When, monotonic seconds.
        now: The same moment as Unix time, seconds.
        gateway: Its last answer, None while it has not given one.
        problem: Why it gave no newer one, "" where it did.
        usage: By process id; those that cannot be read are missing.
        gpus: As their drivers told last.
        gpu_problem: Why they did not.
        failures: The requests that failed last, newest first.
    """

    at_s: float
    now: float
    workspace: str
    running: RunningRead
    gateway: GatewayRead | None
    machine: MachineRead
    problem: str = ""
    usage: Mapping[int, Usage] = field(default_factory=dict[int, Usage])
    gpus: tuple[GpuView, ...] = ()
    gpu_problem: str = ""
    failures: tuple[Failure, ...] = ()
