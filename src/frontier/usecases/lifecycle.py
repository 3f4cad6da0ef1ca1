"""Starting, stopping and looking at what `up` has brought up."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from frontier.domain.errors import NotFoundError, NotRunningError
from frontier.domain.plan import reconcile
from frontier.domain.project import Project
from frontier.domain.state import ServiceState
from frontier.domain.wanted import Listening
from frontier.ports import ProjectFile, Reporter, Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What `stop` and `down` did."""

    was_running: bool
    forgotten: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What `start` and `restart` did."""

    stack: str
    services: tuple[str, ...]
    was_running: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What a command would do, one line each."""

    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """One service, with what it takes now.

    Attributes:
        memory_bytes: Resident memory, None where the process cannot be read.
        uptime_s: Seconds since its last start.
    """

    name: str
    phase: str
    pid: int | None
    port: int | None
    restarts: int
    uptime_s: float | None
    memory_bytes: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What runs.

    Attributes:
        state: ``running`` when every declared service is ready, ``degraded`` when not, ``died``
            when the daemon was killed and everything with it.
    """

    workspace: str
    state: Literal["running", "degraded", "stopped", "died"]
    stack: str = ""
    models: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    services: tuple[ServiceStatus, ...] = ()


def stop(
    *, runtime: Runtime, project: ProjectFile, reporter: Reporter, forget: bool = False
) -> Stopped:
    """Stop all services, in-flight requests first; with *forget* the project goes, too."""
    was_running = runtime.stop(reporter)
    if forget:
        project.clear()
    return Stopped(was_running=was_running, forgotten=forget)


def plan_stop(*, runtime: Runtime) -> Plan:
    """Return what `stop` would do."""
    state = runtime.state()
    return Plan(tuple(f"stop {s.name}" for s in state.services) if state else ())


def plan_start(*, runtime: Runtime, project: ProjectFile) -> Plan:
    """Return what `start` would do."""
    state = runtime.state()
    observed = state.digests if state else {}
    return Plan(tuple(str(step) for step in reconcile(_declared(project).digests, observed)))


def start(
    *,
    runtime: Runtime,
    project: ProjectFile,
    free_ports: Callable[[Listening, Collection[int]], None],
    reporter: Reporter,
) -> Started:
    """Start again what the last `up` brought up.

    Raises:
        NotFoundError: nothing was brought up yet, or `down` forgot it.
        PortTakenError: another process listens where the gateway should.
        RuntimeFailedError: a service did not get ready.
    """
    declared = _declared(project)
    state = runtime.state()
    was_running = state is not None and state.is_ready(declared.digests)
    if not was_running:
        free_ports(_listening(declared), state.pids if state else frozenset())
        runtime.apply(declared)
        runtime.wait_ready(declared, reporter)
    return Started(stack=declared.stack, services=tuple(declared.digests), was_running=was_running)


def restart(
    services: tuple[str, ...], *, runtime: Runtime, project: ProjectFile, reporter: Reporter
) -> Started:
    """Stop and start *services*, or all of them.

    Raises:
        NotFoundError: a name is no service of the running stack.
        NotRunningError: nothing runs.
    """
    names = require_services(services, project=project)
    if runtime.state() is None:
        raise NotRunningError("nothing runs here", hint="Start it: `frontier start`.")
    for name in names:
        runtime.restart(name)
    changed = _declared(project)
    runtime.wait_ready(changed, reporter)
    return Started(stack=changed.stack, services=names, was_running=False)


def status(
    workspace: str,
    *,
    runtime: Runtime,
    project: ProjectFile,
    memory: Callable[[int], int | None],
    now: Callable[[], float],
) -> Status:
    """Return what runs; changes nothing.

    Args:
        workspace: Shown only.
        runtime: Told what runs.
        project: What should run.
        memory: Resident bytes of a process id, None if it cannot be read.
        now: Unix time, seconds.
    """
    state = runtime.state()
    if state is None:
        return Status(workspace=workspace, state="died" if runtime.has_died() else "stopped")
    declared = project.load()
    ready = declared is not None and state.is_ready(declared.digests)
    return Status(
        workspace=workspace,
        state="running" if ready else "degraded",
        stack=state.stack,
        models=tuple(route.model for route in declared.routes) if declared else (),
        urls=_listening(declared).urls if declared else (),
        services=tuple(_service(s, memory, now()) for s in state.services),
    )


def running(runtime: Runtime, project: ProjectFile) -> Project | None:
    """Return the project that runs, None when nothing does."""
    return project.load() if runtime.state() else None


def _listening(project: Project) -> Listening:
    return Listening(address=project.address, ports=project.ports)


def _declared(project: ProjectFile) -> Project:
    if declared := project.load():
        return declared
    raise NotFoundError("nothing is brought up here", hint="Begin with: `frontier up`.")


def require_services(names: tuple[str, ...], *, project: ProjectFile) -> tuple[str, ...]:
    """Return *names*, or all services when there are none.

    Raises:
        NotFoundError: a name is no service of the declared project.
    """
    known = _declared(project).digests
    for name in names:
        if name not in known:
            raise NotFoundError(
                f"there is no service named {name!r}", hint=f"Known: {', '.join(known)}."
            )
    return names or tuple(known)


def _service(
    service: ServiceState, memory: Callable[[int], int | None], now: float
) -> ServiceStatus:
    return ServiceStatus(
        name=service.name,
        phase=service.phase,
        pid=service.pid,
        port=service.port,
        restarts=service.restarts,
        uptime_s=now - service.started_at if service.pid and service.started_at else None,
        memory_bytes=memory(service.pid) if service.pid else None,
        reason=service.reason,
    )
