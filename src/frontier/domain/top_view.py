"""From what two looks read to what `frontier top` shows."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal
from urllib.parse import urlsplit

from frontier.domain.project import Project
from frontier.domain.state import ServiceState
from frontier.domain.top import EngineView, MachineView, ModelView, RunState, TopView, Traffic
from frontier.domain.top_rates import BUILD, GPU_EXPECTED, GPU_IN_USE, UP, Rates
from frontier.domain.top_reading import BackendRead, GatewayRead, Reading, RunningRead
from frontier.domain.wanted import LOOPBACK, Listening

_BREAKERS: Final = ("closed", "half_open", "open")
_HERE: Final = (*LOOPBACK, "host.docker.internal")


def view(reading: Reading, *, before: GatewayRead | None, last: Reading | None) -> TopView:
    """Return what to show of *reading*.

    Args:
        reading: The newest one.
        before: The gateway's answer that rates begin at, None for none.
        last: The reading before, for what processes and processors did since.
    """
    running, gateway = reading.running, reading.gateway
    shown = TopView(
        time=datetime.fromtimestamp(reading.now, UTC).isoformat(timespec="milliseconds"),
        workspace=reading.workspace,
        state=_state(running),
        stack=running.daemon.stack if running.daemon else "",
        url=url_of(running.project) if running.project else "",
        engines=tuple(_engines(reading, last)),
        machine=_machine(reading, last),
        errors=reading.failures,
        problem=reading.problem,
    )
    return _with_numbers(shown, reading, before) if gateway else shown


def url_of(project: Project) -> str:
    """Return where the gateway of *project* listens, "" for nowhere."""
    return Listening(address=project.address, ports=project.ports).urls[0] if project.ports else ""


def _state(running: RunningRead) -> RunState:
    if running.daemon is None:
        return "died" if running.has_died else "stopped"
    declared = running.project
    ready = declared is not None and running.daemon.is_ready(declared.digests)
    return "running" if ready else "degraded"


def _with_numbers(shown: TopView, reading: Reading, before: GatewayRead | None) -> TopView:
    """Return *shown* with what the gateway told; without its answer nothing flows."""
    gateway = reading.gateway
    assert gateway is not None  # noqa: S101 the caller has looked
    rates = Rates(before, gateway)
    versions = gateway.metrics.by(BUILD, "version")
    models = _with_memory(rates.models(), shown.engines)
    if reading.problem:
        models = tuple(replace(model, traffic=Traffic()) for model in models)
    return replace(
        shown,
        version=next((version for (version,) in versions), ""),
        window_s=None if reading.problem else rates.window_s,
        silent_s=max(0.0, reading.at_s - gateway.at_s) if reading.problem else 0.0,
        traffic=Traffic() if reading.problem else rates.traffic,
        models=models,
        keys=rates.keys(),
    )


def _with_memory(
    models: tuple[ModelView, ...], engines: tuple[EngineView, ...]
) -> tuple[ModelView, ...]:
    """Return *models* with the memory of their engines, where those serve one model each.

    Only Ollama tells what its models take.
    """
    memory = {engine.backend: engine.memory_bytes for engine in engines if engine.backend}
    uses = Counter(backend for model in models for backend in set(model.backends))

    def of(model: ModelView) -> int | None:
        parts = [memory.get(backend) for backend in set(model.backends) if uses[backend] == 1]
        known = [part for part in parts if part is not None]
        return sum(known) if known and len(known) == len(set(model.backends)) else None

    return tuple(
        model if model.memory_bytes is not None else replace(model, memory_bytes=of(model))
        for model in models
    )


def _machine(reading: Reading, last: Reading | None) -> MachineView:
    now, before = reading.machine, last.machine if last else None
    total_s = now.cpu_total_s - before.cpu_total_s if before else 0.0
    busy_s = now.cpu_busy_s - before.cpu_busy_s if before else 0.0
    return MachineView(
        cpus=now.cpus,
        cpu_percent=100 * min(1.0, max(0.0, busy_s / total_s)) if total_s > 0 else None,
        memory_used_bytes=now.memory_used_bytes,
        memory_total_bytes=now.memory_total_bytes,
        gpus=reading.gpus,
        problem=reading.gpu_problem,
    )


def _engines(reading: Reading, last: Reading | None) -> Iterator[EngineView]:
    """Yield the services that run, then the engines elsewhere that the gateway uses."""
    daemon, project = reading.running.daemon, reading.running.project
    told = _Told.of(reading.gateway)
    ours: set[str] = set()
    for service in daemon.services if daemon else ():
        backends = [name for name, url in told.places if _is_at(url, service)]
        backends = backends or _declared(project, service.name)
        ours.update(backends)
        shown = _service(service, project, reading, last)
        yield told.added(shown, backends[0]) if backends else shown
    for name in dict.fromkeys(name for name, _ in told.places):
        if name not in ours:
            phase = {1.0: "up", 0.0: "down"}.get(told.up.get(name, -1.0), "unknown")
            yield told.added(EngineView(name=name, phase=phase, place="elsewhere"), name)


def _is_at(url: str, service: ServiceState) -> bool:
    """Tell whether *url*, as the gateway calls it, is that of *service*."""
    place = urlsplit(url)
    if place.hostname == service.name:
        return True
    return place.hostname in _HERE and service.port is not None and place.port == service.port


def _declared(project: Project | None, service: str) -> list[str]:
    routes = project.routes if project else ()
    return [route.backend for route in routes if route.service == service][:1]


def _service(
    service: ServiceState, project: Project | None, reading: Reading, last: Reading | None
) -> EngineView:
    inside = project.containers if project else None
    is_inside = inside is not None and service.name in inside.services
    use = reading.usage.get(service.pid or 0)
    started, pid = service.started_at, service.pid
    return EngineView(
        name=service.name,
        phase=service.phase,
        place="container" if is_inside else "process",
        pid=pid,
        container=f"{inside.name}-{service.name}-1" if inside and is_inside else "",
        port=service.port,
        uptime_s=max(0.0, reading.now - started) if pid and started else None,
        restarts=service.restarts,
        memory_bytes=use.memory_bytes if use else None,
        cpu_percent=_cpu_percent(pid, reading, last) if pid else None,
        reason=service.reason,
    )


def _cpu_percent(pid: int, reading: Reading, last: Reading | None) -> float | None:
    now, before = reading.usage.get(pid), last.usage.get(pid) if last else None
    elapsed_s = reading.at_s - last.at_s if last else 0.0
    if now is None or before is None or elapsed_s <= 0:
        return None
    # what ended in between took its seconds with it
    return 100 * max(0.0, now.cpu_s - before.cpu_s) / elapsed_s


@dataclass(frozen=True, slots=True)
class _Told:
    """What the gateway tells of engines, by their names in its metrics."""

    backends: Mapping[str, tuple[BackendRead, ...]]
    up: Mapping[str, float]
    expected: Mapping[str, float]
    in_use: Mapping[str, float]

    @classmethod
    def of(cls, gateway: GatewayRead | None) -> "_Told":
        """Return what *gateway* tells."""
        found: dict[str, tuple[BackendRead, ...]] = {}
        for backend in (b for route in (gateway.routes if gateway else ()) for b in route.backends):
            found[backend.name] = (*found.get(backend.name, ()), backend)
        names = (UP, GPU_EXPECTED, GPU_IN_USE)
        by_name = [
            {b: n for (b,), n in gateway.metrics.by(name, "backend").items()} if gateway else {}
            for name in names
        ]
        return cls(found, *by_name)

    @property
    def places(self) -> list[tuple[str, str]]:
        """Return the name and address of every engine that has one."""
        return [(name, b.url) for name, several in self.backends.items() for b in several if b.url]

    def added(self, shown: EngineView, backend: str) -> EngineView:
        """Return *shown* with what the gateway tells of *backend*."""
        several = self.backends.get(backend, ())
        worst = max((_BREAKERS.index(b.breaker) for b in several if b.breaker), default=None)
        return replace(
            shown,
            backend=backend,
            breaker="" if worst is None else _BREAKERS[worst],
            busy=max((b.busy for b in several), default=None),
            gpu=self._gpu(backend),
        )

    def _gpu(self, backend: str) -> Literal["used", "missing", ""]:
        if self.in_use.get(backend):
            return "used"
        is_known = backend in self.in_use
        return "missing" if self.expected.get(backend) and is_known else ""
