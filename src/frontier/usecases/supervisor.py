"""The daemon's loop: brings what runs to what should run, and keeps it running."""

import asyncio
import logging
import os
from collections import defaultdict
from dataclasses import dataclass
from typing import Protocol

from frontier.domain.errors import FrontierError
from frontier.domain.plan import Step, reconcile
from frontier.domain.project import Project, Service
from frontier.domain.state import DaemonState, ServiceState
from frontier.domain.supervision import check, waves
from frontier.renderers.routes import routes_file
from frontier.renderers.targets import native_targets
from frontier.usecases.keeper import Effects, Keeper

_log = logging.getLogger(__name__)


class Board(Protocol):
    """Where the daemon reads what should run and writes what runs."""

    def load(self) -> Project:
        """Return what should run.

        Raises:
            FrontierError: it cannot be read.
        """
        ...

    def publish(self, state: DaemonState) -> None:
        """Replace what others know about the daemon."""
        ...

    def publish_routes(self, text: str) -> None:
        """Replace the gateway's generated routing file."""
        ...

    def publish_targets(self, text: str) -> None:
        """Replace the file of what Prometheus may scrape."""
        ...

    async def note_start(self, project: Project, state: ServiceState) -> None:
        """Note how a start of a service went: it is ready, or it failed."""
        ...


@dataclass(kw_only=True)
class Supervisor:
    """Runs the services of one project until `shut_down`.

    Attributes:
        board: Project in; state, routes and targets out.
        effects: Everything else.
    """

    board: Board
    effects: Effects

    def __post_init__(self) -> None:
        """Start with nothing running."""
        self._project = Project(name="", stack="", services=())
        self._keepers: dict[str, Keeper] = {}
        self._ports: dict[str, int] = {}
        self._started: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._reload, self._down = asyncio.Event(), asyncio.Event()
        self._since = self.effects.now()
        self._routes: str | None = None
        self._targets: str | None = None

    def reload(self) -> None:
        """Read again what should run; safe to call from a signal handler."""
        self._reload.set()

    def shut_down(self) -> None:
        """Stop all services and return from `run`; safe to call from a signal handler."""
        self._down.set()

    async def run(self) -> None:
        """Supervise until `shut_down`; return when nothing runs.

        Raises:
            FrontierError: what should run cannot be read at the start.
        """
        project = self.board.load().on_host
        check(project.services)
        self._publish()
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(self._follow(project, tasks))
            await self._down.wait()
            following.cancel()
            await self._stop_all()

    async def _follow(self, project: Project, tasks: asyncio.TaskGroup) -> None:
        while True:
            self._reload.clear()
            await self._reconcile(project, tasks)
            await self._reload.wait()
            project = self._read() or project

    def _read(self) -> Project | None:
        try:
            project = self.board.load().on_host
            check(project.services)
        except FrontierError as error:
            _log.error("keeping what runs: %s", error.message)
            return None
        return project

    async def _reconcile(self, project: Project, tasks: asyncio.TaskGroup) -> None:
        """Carry out the steps to *project*: removals, then everything else side by side."""
        self._project = project
        observed = {name: keeper.state.digest for name, keeper in self._keepers.items()}
        seen = {name: keeper.state.generation for name, keeper in self._keepers.items()}
        wanted = project.generations
        asked = [name for name in seen if wanted.get(name, seen[name]) != seen[name]]
        steps = reconcile(project.digests, observed, asked=asked)
        for step in steps:
            _log.info("%s", step)
        await asyncio.gather(*(self._release(s) for s in steps if s.action == "remove"))
        services = {service.name: service for service in project.services}
        starts = [step for step in steps if step.action != "remove"]
        await asyncio.gather(*(self._renew(s, services[s.service], tasks) for s in starts))
        self._publish()

    async def _release(self, step: Step) -> None:
        await self._keepers[step.service].stop(step.reason)
        del self._keepers[step.service]

    async def _renew(self, step: Step, service: Service, tasks: asyncio.TaskGroup) -> None:
        if old := self._keepers.get(service.name):
            await old.stop(step.reason, generation=service.generation)
        keeper = Keeper(
            service, self.effects, self, reason=step.reason if step.action == "restart" else ""
        )
        self._keepers[service.name] = keeper
        keeper.task = tasks.create_task(keeper.keep(), name=service.name)

    async def _stop_all(self) -> None:
        """Stop dependents before what they need: the gateway drains while engines still run."""
        services = [keeper.service for keeper in self._keepers.values()]
        for wave in reversed(waves(services)):
            await asyncio.gather(*(self._keepers[s.name].stop("shutting down") for s in wave))

    async def until_started(self, names: tuple[str, ...]) -> None:
        """Wait until the ports of services *names* are known."""
        for name in names:
            await self._started[name].wait()

    def changed(self, state: ServiceState) -> None:
        """Take note of the new *state* of a service and publish it."""
        _log.info("%s: %s %s", state.name, state.phase, state.reason)
        if state.port is not None:
            self._ports[state.name] = state.port
        self._publish()
        if state.port is not None:
            self._started[state.name].set()

    async def settled(self, state: ServiceState) -> None:
        """Note that the start of a service is over: it is ready, or it failed."""
        await self.board.note_start(self._project, state)

    def _publish(self) -> None:
        order = [*self._project.digests, *self._keepers]
        states = {name: self._keepers[name].state for name in order if name in self._keepers}
        self.board.publish(
            DaemonState(
                pid=os.getpid(),
                started_at=self._since,
                stack=self._project.stack,
                services=tuple(states.values()),
            )
        )
        text = routes_file(self._project.routes, self._ports)
        if text != self._routes:
            self.board.publish_routes(text)
            self._routes = text
        targets = native_targets(self._project, self._ports)
        if targets != self._targets:
            self.board.publish_targets(targets)
            self._targets = targets
