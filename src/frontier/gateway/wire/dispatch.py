"""Where a request goes: to one of its model's engines, to another model, or into the queue."""

import asyncio
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from frontier.gateway.apis.known import OPERATIONS
from frontier.gateway.choice import Candidate, Turns, least_busy, of_session
from frontier.gateway.errors import (
    STOPPING,
    Problem,
    not_running,
    queue_full,
    unavailable,
)
from frontier.gateway.session import session_of
from frontier.gateway.wire.hold import Hold, Why

if TYPE_CHECKING:
    from frontier.gateway.core import Core
    from frontier.gateway.routes import Route, Routes, Target
    from frontier.gateway.wire.client import ClientConnection
    from frontier.gateway.wire.request import Request

# Why no engine takes a request; what is later gives more hope.
Obstacle = Literal["absent", "failing", "loading", "busy", "replaced"]
_HOPE: Final[tuple[Obstacle, ...]] = ("absent", "failing", "loading", "busy", "replaced")


class Failure(NamedTuple):
    """Why an engine did not take a request; what is known if nobody else takes it either."""

    backend: str
    problem: Problem


class Errand(NamedTuple):
    """One request that looks for an engine.

    Attributes:
        in_turn: It has waited; nobody is before it.
        failure: Of the engine that it was sent to before.
    """

    client: "ClientConnection"
    request: "Request"
    in_turn: bool = False
    failure: Failure | None = None


class Dispatcher:
    """Sends requests to engines and wakes those that wait."""

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._turns: dict[str, Turns] = {}
        self._is_waking = False

    def forward(
        self, client: "ClientConnection", request: "Request", routes: "Routes | None"
    ) -> None:
        """Send a new request on by *routes*, have it wait, or answer why not."""
        core = self._core
        if routes is not None and (route := routes.plain) is not None:  # nothing to choose
            is_calm = core.pools.at[route.backend.address].breaker.is_calm
            if is_calm and not core.holds.lanes:
                request.model, request.backend = routes.target.name, route.backend.name
                client.send(request, route)
                return
        self.find(Errand(client, request))

    def find(self, errand: Errand) -> None:
        """Do the same for any request: one that has waited, or that an engine did not take."""
        request = errand.request
        request.fallback_from = ""  # of an engine that did not take it
        routes = self._core.table.find(request.ask.model)
        if routes is None:
            self._unknown(errand)
            return
        target = routes.target
        request.model, request.backend = target.name, target.label
        route = self._route(routes, errand)
        if route is None and not OPERATIONS[request.path].waits:
            errand.client.send(request, routes.each[0])  # it answers without an engine
        elif route is None:
            self._otherwise(errand, routes)
        else:
            self._send(errand, route)

    def _unknown(self, errand: Errand) -> None:
        client, request, _, failure = errand
        if failure is None:
            request.model = request.backend = ""  # it may have waited for a model that is gone
        missing = OPERATIONS[request.path].missing
        client.respond(request, failure.problem if failure else missing(request.ask.model))

    def again(
        self, client: "ClientConnection", request: "Request", route: "Route", problem: Problem
    ) -> None:
        """Send a request on that the engine of *route* did not take, because of *problem*.

        One that loads its model is asked again later, any other not before the request has
        waited.
        """
        if problem.code != "model_loading":
            request.tried += (route.address,)
        request.mark = b""
        client.send_on(request, failure=Failure(route.backend.name, problem))

    def _route(self, routes: "Routes", errand: Errand) -> "Route | None":
        """Return where *errand* goes now, None if nobody takes it or others are before it."""
        if not errand.in_turn and routes.target.name in self._core.holds.lanes:
            return None
        each = routes.each
        if len(each) == 1:
            return None if self._hindrance(each[0], errand.request) else each[0]
        free = [route for route in each if not self._hindrance(route, errand.request)]
        return self._choice(routes.target, free, errand.request) if free else None

    def _choice(self, target: "Target", free: "list[Route]", request: "Request") -> "Route":
        candidates = [
            Candidate(r.backend.name, r.backend.weight, self._core.pools[r.address].busy)
            for r in free
        ]
        turns = self._turns.setdefault(target.name, Turns())
        if target.balance == "weights":
            return free[turns.next(candidates)]
        if target.balance == "session" and (session := session_of(request, free[0])):
            return free[of_session(session, candidates)]
        return free[least_busy(candidates, turns)]

    def _hindrance(self, route: "Route", request: "Request") -> Obstacle | None:
        backend = route.backend
        if backend.address is None or not backend.weight:
            return "absent"
        if backend.address in request.tried:
            return "failing"
        pool = self._core.pools[backend.address]
        if not pool.breaker.admits(self._core.clock.now):
            return "loading" if pool.breaker.is_loading else "failing"
        most = backend.limits.concurrency
        return "busy" if most and pool.busy >= most else None

    def _obstacle(self, routes: "Routes", request: "Request") -> Obstacle | None:
        """Return the one of its engines' hindrances with most hope, None if one is free."""
        if routes.target.is_held:
            return "replaced"
        found: list[Obstacle] = []
        for route in routes.each:
            hindrance = self._hindrance(route, request)
            if hindrance is None:
                return None
            found.append(hindrance)
        return max(found, key=_HOPE.index)

    def _send(self, errand: Errand, route: "Route") -> None:
        client, request, _, failure = errand
        request.model, request.backend = route.target.name, route.backend.name
        request.mark = route.mark
        if failure is not None:
            self._core.metrics.retries[failure.backend] += 1
        client.send(request, route)

    # Where no engine of the model takes it

    def _otherwise(self, errand: Errand, routes: "Routes") -> None:
        """Queue, fall back, or wait for the model to load, in this order; else answer why not."""
        obstacle = self._obstacle(routes, errand.request) or "busy"  # free: others are before it
        refusal: Problem | None = None
        if obstacle in ("busy", "replaced"):
            refusal = self._wait(errand, routes.target, obstacle)
            if refusal is None:
                return
        if obstacle != "replaced" and self._falls_back(errand, routes):
            return
        if obstacle == "loading":
            refusal = self._wait(errand, routes.target, obstacle)
            if refusal is None:
                return
        if obstacle != "replaced" and self._queues_elsewhere(errand, routes):
            return
        failure = errand.failure.problem if errand.failure else None
        problem = refusal or failure or self._problem(errand, routes, obstacle)
        errand.client.respond(errand.request, problem)

    def _falls_back(self, errand: Errand, routes: "Routes") -> bool:
        for other in routes.fallbacks:
            route = self._route(other, errand)
            if route is not None:
                errand.request.fallback_from = routes.target.name
                self._send(errand, route)
                return True
        return False

    def _queues_elsewhere(self, errand: Errand, routes: "Routes") -> bool:
        return any(
            (self._obstacle(other, errand.request) or "busy") == "busy"
            and self._wait(errand, other.target, "busy") is None
            for other in routes.fallbacks
        )

    def _wait(self, errand: Errand, target: "Target", why: Why) -> Problem | None:
        """Have the request wait for an engine of *target*; return why it may not."""
        core, request, holds = self._core, errand.request, self._core.holds
        if core.is_stopping and why == "replaced":
            return STOPPING
        place = holds.queued(target.name) + 1
        if why == "busy" and place > sum(b.limits.queue for b in target.backends if b.address):
            request.position = _position(place)
            return queue_full(
                errand.request.ask.model, place - 1, holds.waits_s.get(target.name, 0.0)
            )
        problem = holds.refusal(request.ask.size)
        if problem is not None:
            return problem
        if errand.failure is not None:
            core.metrics.retries[errand.failure.backend] += 1
        request.tried = ()
        hold = Hold(core, errand.client, request, lane=target.name, why=why)
        place = holds.add(hold)
        if why == "busy":
            request.position = _position(place)
        errand.client.begin(hold)
        hold.wait(target.timeouts.hold)
        self.wake_soon()
        return None

    def _problem(self, errand: Errand, routes: "Routes", obstacle: Obstacle) -> Problem:
        if obstacle == "absent":
            return not_running(errand.request.ask.model, routes.target.backend)
        now, pools = self._core.clock.now, self._core.pools
        addresses = (route.backend.address for route in routes.each)
        waits_s = [pools[a].breaker.wait_s(now) for a in addresses if a is not None]
        return unavailable(errand.request.ask.model, min(waits_s))

    # Those that wait

    def wake_soon(self) -> None:
        """Have those that wait look again, once whatever goes on now is done."""
        if self._core.holds and not self._is_waking:
            self._is_waking = True
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        self._is_waking = False
        self.wake()

    def wake(self) -> None:
        """Send on all who wait and can go, in turn."""
        for lane in tuple(self._core.holds.lanes.values()):
            for _ in range(len(lane)):  # one that has to wait again comes last
                if not lane or not self._may_go(lane.first):
                    break
                lane.pop().go()

    def _may_go(self, hold: Hold) -> bool:
        routes = self._core.table.find(hold.request.ask.model)
        if routes is None:
            return True
        obstacle = self._obstacle(routes, hold.request)
        if obstacle in ("busy", "replaced"):
            return False
        if obstacle in ("loading", "failing"):
            others = (self._obstacle(other, hold.request) for other in routes.fallbacks)
            return any(other is None for other in others)
        return True

    def look_again(self) -> None:
        """Have all look at a new table."""
        for hold in self._core.holds:
            routes = self._core.table.find(hold.request.ask.model)
            if routes is None:
                continue
            hold.wait(routes.target.timeouts.hold)
            why = self._obstacle(routes, hold.request)
            if why in ("replaced", "loading", "busy"):
                hold.why = why
        self._turns = {t.name: self._turns.get(t.name, Turns()) for t in self._core.table.targets}
        self.wake()

    def stop(self) -> None:
        """Answer those that wait for a new engine; those that wait for a free one may finish."""
        for hold in self._core.holds:
            if hold.why == "replaced":
                hold.stop(STOPPING)


def _position(place: int) -> bytes:
    return b"x-frontier-queue-position: %d\r\n" % place
