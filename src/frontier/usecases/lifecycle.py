"""Starting, stopping and looking at what `up` has brought up."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from frontier.domain.docker import endpoints
from frontier.domain.errors import NotFoundError, NotRunningError, StackNotFoundError
from frontier.domain.offload import Compute
from frontier.domain.plan import Step, asked_for
from frontier.domain.project import Project
from frontier.domain.state import DaemonState, ServiceState
from frontier.domain.wanted import Listening
from frontier.ports import Journal, ProjectFile, Reporter, Runtime, SnapshotStore, StackSource
from frontier.usecases.change import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """What `stop` and `down` did."""

    was_running: bool
    forgotten: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """What `restart` did."""

    stack: str
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a command would do."""

    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """One service, with what it takes now.

    Attributes:
        memory_bytes: Resident memory, None where the process cannot be read.
        uptime_s: Seconds since its last start.
        compute: Where it computes, in its own words; None where it does not tell, and for what
            is no engine.
    """

    name: str
    phase: str
    pid: int | None
    port: int | None
    restarts: int
    uptime_s: float | None
    memory_bytes: int | None
    reason: str
    compute: Compute | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What runs.

    Attributes:
        state: ``running`` when every declared service is ready, ``degraded`` when not, ``died``
            when the daemon was killed and everything with it.
        missing: Declared services that are not ready, or not as they are declared.
        pages: What people open in a browser, by service.
    """

    workspace: str
    state: Literal["running", "degraded", "stopped", "died"]
    stack: str = ""
    models: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    services: tuple[ServiceStatus, ...] = ()
    missing: tuple[str, ...] = ()
    pages: Mapping[str, str] = field(default_factory=dict[str, str])


def stop(
    *,
    runtime: Runtime,
    project: ProjectFile,
    journal: Journal,
    reporter: Reporter,
    forget: bool = False,
) -> Stopped:
    """Stop all services, in-flight requests first; with *forget* the project goes, too."""
    was_running = runtime.stop(reporter)
    if forget:
        project.clear()
    journal.clear()
    return Stopped(was_running=was_running, forgotten=forget)


def plan_stop(*, runtime: Runtime) -> Plan:
    """Return what `stop` would do."""
    state = runtime.state()
    return Plan(asked_for("stop", [s.name for s in state.services]) if state else ())


def restart(services: tuple[str, ...], *, change: Change) -> Restarted:
    """Stop and start *services*, or all of them.

    Raises:
        NotFoundError: a name is no service of the running stack.
        NotRunningError: nothing runs.
    """
    names = require_services(services, project=change.project)
    if change.runtime.state() is None:
        raise NotRunningError("nothing runs here", hint="Start it: `frontier start`.")
    project = change.restart(names)
    return Restarted(stack=project.stack, services=names)


def status(
    workspace: str,
    *,
    runtime: Runtime,
    project: ProjectFile,
    memory: Callable[[int], int | None],
    now: Callable[[], float],
    compute: Callable[[ServiceState, str], Compute | None],
) -> Status:
    """Return what runs; changes nothing.

    Args:
        workspace: Shown only.
        runtime: Told what runs.
        project: What should run.
        memory: Resident bytes of a process id, None if it cannot be read.
        now: Unix time, seconds.
        compute: Where a service of that kind of engine computes, None if it does not tell.
    """
    state = runtime.state()
    if state is None:
        return Status(workspace=workspace, state="died" if runtime.has_died() else "stopped")
    declared = project.load()
    ready = declared is not None and state.is_ready(declared.digests)
    published = _published(declared)
    backends = {r.service: r.backend for r in declared.routes} if declared else {}
    return Status(
        workspace=workspace,
        state="running" if ready else "degraded",
        stack=state.stack,
        models=tuple(route.model for route in declared.routes) if declared else (),
        urls=_listening(declared).urls if declared else (),
        services=tuple(
            replace(
                _service(s, memory, now()),
                port=s.port or published.get(s.name),
                compute=compute(s, backends[s.name]) if s.name in backends else None,
            )
            for s in state.services
        ),
        missing=_missing(declared, state) if declared else (),
        pages=declared.pages if declared else {},
    )


def _published(declared: Project | None) -> dict[str, int]:
    """Map each container that is published to its first port on this machine."""
    if declared is None or declared.containers is None:
        return {}
    found = endpoints(declared.containers).items()
    return {name: endpoint.port for endpoint, name in reversed(found)}


def _missing(declared: Project, state: DaemonState) -> tuple[str, ...]:
    return tuple(n for n, d in declared.digests.items() if not state.has_ready({n: d}))


def require_stack(name: str, *, stacks: StackSource, snapshots: SnapshotStore) -> None:
    """Check that the folder of the stack *name*, which was selected, is still there.

    Raises:
        StackNotFoundError: it was there and is gone; what runs can still be stopped.
    """
    known = stacks.names()
    file = f"stacks/{name}/stack.yaml"
    kept = next((s for s in snapshots.all() if file in s.files), None)
    if name not in known and kept:
        raise StackNotFoundError(
            f"the stack {name!r} is selected, and its folder stacks/{name} is gone",
            hint=f"Go back to when it was there: frontier rollback {kept.id}; "
            f"or select another one: frontier stack select {known[0]}",
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
