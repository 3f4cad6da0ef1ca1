"""Fakes of what the supervisor reaches: processes that die on command, a probe that obeys."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from frontier.domain.errors import FrontierError, RuntimeFailedError
from frontier.domain.project import Project, Route, Service
from frontier.domain.state import DaemonState, ServiceState
from frontier.domain.supervision import Exit
from frontier.usecases.keeper import Effects
from frontier.usecases.supervisor import Supervisor


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class FakeProcess:
    """Lives until it dies or is stopped, which takes `grace_s`."""

    service: Service
    port: int
    pid: int
    started_at: float
    grace_s: float = 0.0
    ended: "asyncio.Future[Exit]" = field(default_factory=asyncio.Future)
    ended_at: float | None = None

    async def wait(self) -> Exit:
        return await asyncio.shield(self.ended)

    async def stop(self) -> None:
        await asyncio.sleep(self.grace_s)
        self.die(143)

    def die(self, code: int, output: str = "") -> None:
        if not self.ended.done():
            self.ended_at = now()
            self.ended.set_result(Exit(code, output))


class FakeProcesses:
    """Remembers all that was started; `dying` services end at once with that code."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.started: list[FakeProcess] = []
        self.dying: dict[str, int] = {}
        self.missing: set[str] = set()
        self.grace_s: dict[str, float] = {}

    async def start(self, service: Service, port: int) -> FakeProcess:
        if service.name in self.missing:
            raise RuntimeFailedError(f"cannot execute {service.argv[0]}: No such file")
        pid, grace_s = 1000 + len(self.started), self.grace_s.get(service.name, 0.0)
        process = FakeProcess(service, port, pid, now(), grace_s)
        self.started.append(process)
        self.events.append(f"start {service.name}")
        if service.name in self.dying:
            process.die(self.dying[service.name], "first line\nlast words")
        return process

    def of(self, name: str) -> list[FakeProcess]:
        return [process for process in self.started if process.service.name == name]

    def living(self) -> list[str]:
        return [p.service.name for p in self.started if not p.ended.done()]


class FakeProbe:
    """Everything is well except the ports in `sick` and the models in `mute`."""

    def __init__(self) -> None:
        self.sick: dict[int, str] = {}
        self.mute: dict[str, str] = {}
        self.asked: defaultdict[int, int] = defaultdict(int)
        self.tokens: list[str] = []

    async def health(self, port: int, path: str, *, timeout_s: float) -> str:
        self.asked[port] += 1
        return self.sick.get(port, "")

    async def token(self, port: int, model: str) -> str:
        self.tokens.append(model)
        return self.mute.get(model, "")


class FakeBoard:
    """What should run, and all that was published."""

    def __init__(self, project: Project, events: list[str]) -> None:
        self.events = events
        self.project: Project | FrontierError = project
        self.states: list[DaemonState] = []
        self.routes: list[str] = []
        self.starts: list[tuple[str, str]] = []
        self.targets: list[str] = []

    def load(self) -> Project:
        if isinstance(self.project, FrontierError):
            raise self.project
        return self.project

    def publish(self, state: DaemonState) -> None:
        self.states.append(state)

    def publish_routes(self, text: str) -> None:
        self.routes.append(text)
        self.events.append("routes to 5001" if ":5001" in text else "no routes")

    async def note_start(self, _project: Project, state: ServiceState) -> None:
        self.starts.append((state.name, state.phase))

    def publish_targets(self, text: str) -> None:
        self.targets.append(text)


class World:
    """A supervisor among fakes; use as an async context, which shuts it down."""

    def __init__(self, project: Project) -> None:
        self.events: list[str] = []
        self.board = FakeBoard(project, self.events)
        self.processes, self.probe = FakeProcesses(self.events), FakeProbe()
        self._ports = iter(range(5001, 6000))
        self.supervisor = Supervisor(
            board=self.board,
            effects=Effects(
                processes=self.processes,
                probe=self.probe,
                free_port=lambda: next(self._ports),
                now=now,
            ),
        )

    async def __aenter__(self) -> "World":
        self.running = asyncio.create_task(self.supervisor.run())
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.shut_down()

    async def shut_down(self) -> None:
        self.supervisor.shut_down()
        await self.running

    async def reload(self, project: Project | FrontierError) -> None:
        self.board.project = project
        self.supervisor.reload()
        await asyncio.sleep(0.01)

    def state(self, name: str) -> ServiceState:
        state = self.board.states[-1].service(name)
        assert state is not None, self.board.states[-1]
        return state

    async def until(self, name: str, phase: str) -> ServiceState:
        async with asyncio.timeout(1000):
            while not self.board.states or self._phase(name) != phase:
                await asyncio.sleep(0.01)
        return self.state(name)

    def _phase(self, name: str) -> str:
        state = self.board.states[-1].service(name)
        return state.phase if state else ""


def engine(**changes: object) -> Service:
    fields = {"name": "llamacpp", "argv": ("engine", "--port", "{port}"), "proof_model": "tiny"}
    return Service(**{**fields, **changes})  # type: ignore[arg-type]


def gateway(**changes: object) -> Service:
    fields = {"name": "gateway", "argv": ("gateway",), "port": 11434, "needs": ("llamacpp",)}
    return Service(**{**fields, **changes})  # type: ignore[arg-type]


def project(*services: Service) -> Project:
    route = Route(model="tiny", service="llamacpp", backend="llamacpp", aliases=("small",))
    return Project(name="p", stack="llamacpp", services=services, routes=(route,))
