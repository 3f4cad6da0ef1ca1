"""What all connections share: routes, pools, metrics, log."""

import asyncio
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from frontier.gateway.breaker import STATES, State
from frontier.gateway.clock import Clock
from frontier.gateway.context import Context
from frontier.gateway.exposed import Exposed
from frontier.gateway.facts_file import FactsFile
from frontier.gateway.gate import Gate
from frontier.gateway.journal import Journal
from frontier.gateway.json_log import JsonLog
from frontier.gateway.keys import Fixed, KeySource
from frontier.gateway.ledger import Ledger
from frontier.gateway.metrics import Metrics
from frontier.gateway.origins import Origins
from frontier.gateway.routes import Table, Target
from frontier.gateway.spans import context_lines
from frontier.gateway.wire.dispatch import Dispatcher
from frontier.gateway.wire.hold import MOST_HELD, Holds
from frontier.gateway.wire.pool import Pools

if TYPE_CHECKING:
    from frontier.gateway.board import Colleague
    from frontier.gateway.loaded import Loaded
    from frontier.gateway.spans import Spans
    from frontier.gateway.wire.asgi import AsgiApp
    from frontier.gateway.wire.client import ClientConnection
    from frontier.gateway.wire.request import Request

# A new container's name or port may be known a moment before connections get through.
_SETTLE_S: Final = 5.0


class Core:
    """The gateway without its sockets.

    Attributes:
        table: Swapped whole on reload; a request keeps the route it began with.
        gate: Who may ask, and how much.
        journal: Counts and logs requests that are over.
        contexts: What the engines of a model have, as far as they say.
        facts: What Frontier's commands tell of engines.
        loaded: What Ollama servers have loaded, by backend.
        is_fresh: The table, or an engine behind it, is new: its engines are to be asked again.
        config_error: Why the last change of a route file was rejected, empty if it was not.
        rejected: SHA-256 of the files whose present content is not in force, hex, by path.
        colleague: The other worker processes, None where there are none.
        is_stopping: Answers from now on close their connection.
        spans: Where traces are exported; None where they are only passed on.
        is_empty: Set while stopping, once the last client is gone.
    """

    app: "AsgiApp"
    spans: "Spans | None" = None

    def __init__(
        self,
        *,
        table: Table,
        max_body_bytes: int,
        log: JsonLog,
        fixed: Fixed | None = None,
        keys: KeySource | None = None,
        origins: Origins | None = None,
        ledger: Ledger | None = None,
        clock: Clock | None = None,
        facts: FactsFile | None = None,
        most_held: int = MOST_HELD,
    ) -> None:
        self.max_body_bytes = max_body_bytes
        self.log = log
        self.clock = clock or Clock()
        self.metrics = Metrics()
        self.exposed = Exposed(self.metrics)
        self.facts = facts or FactsFile(None)
        self.loaded: dict[str, tuple[Loaded, ...]] = {}
        self.gate = Gate(
            fixed=fixed or Fixed(),
            origins=origins or Origins(),
            ledger=ledger or Ledger(),
            clock=self.clock,
            metrics=self.metrics,
            source=keys,
        )
        self.journal = Journal(self)
        self.clients: set[ClientConnection] = set()
        self.colleague: Colleague | None = None
        self.config_error = ""
        self.rejected: dict[str, str] = {}
        self.is_stopping = False
        self.is_empty = asyncio.Event()
        self.started_at = int(time.time())
        self.pools = Pools()
        self.holds = Holds(most_held)
        self.dispatcher = Dispatcher(self)
        self.contexts: dict[str, Context] = {}
        self.is_fresh = True
        self._take(table, settles_until=0.0)

    def use(self, table: Table) -> None:
        """Route by *table* from the next request on, and those that wait for it."""
        self._take(table, settles_until=self.clock.now + _SETTLE_S)
        self.dispatcher.look_again()

    def _take(self, table: Table, *, settles_until: float) -> None:
        self.table = table
        self.metrics.declare(table)
        self.pools.use(table.addresses, settles_until=settles_until)
        self.is_fresh = True
        self.measure()

    def measure(self) -> None:
        """Take over what engines have said of their contexts, and what the table says."""
        found = ((t.name, [*self._contexts(t)]) for t in self.table.targets)
        self.contexts = {name: Context(min(c), max(c)) for name, c in found if c}

    def _contexts(self, target: Target) -> Iterator[int]:
        for backend in target.backends:
            pool = self.pools[backend.address] if backend.address else None
            real = pool.contexts.get(backend.upstream_model, 0) if pool else 0
            limit = backend.limits.context
            if real or limit:
                yield min(real or limit, limit or real)

    def breakers(self) -> dict[str, State]:
        """Return the state of the worst circuit breaker of each backend."""
        worst: dict[str, State] = {}
        for backend in (b for t in self.table.targets for b in t.backends):
            if backend.address is not None:
                state = self.pools[backend.address].breaker.state(self.clock.now)
                if STATES.index(state) >= STATES.index(worst.get(backend.name, "closed")):
                    worst[backend.name] = state
        return worst

    def up(self) -> dict[str, int]:
        """Return 1 for each backend whose engines all answered when last asked, 0 for others."""
        found: dict[str, int] = {}
        for backend in (b for t in self.table.targets for b in t.backends):
            is_up = backend.address is not None and self.pools[backend.address].is_up
            found[backend.name] = min(found.get(backend.name, 1), int(is_up))
        return found

    def reject(self, reason: str) -> None:
        """Remember why a changed file was not taken."""
        self.config_error = reason
        self.metrics.reload_failures += 1
        self.event("config_rejected", level="warning", reason=reason)

    def in_flight(self) -> "Counter[tuple[str, str, str]]":
        """Count the requests that engines work on, by model, backend and URL of the engine.

        Looks at every connection, so that no request pays for being counted.
        """
        relays = (client.relay for client in self.clients)
        return Counter(relay.place for relay in relays if relay is not None)

    def held(self) -> "Counter[str]":
        """Count the requests that wait for a new or loading engine, by model."""
        return Counter(hold.lane for hold in self.holds if hold.why != "busy")

    def queued(self) -> "Counter[str]":
        """Count the requests that wait for a free engine, by model."""
        return Counter(hold.lane for hold in self.holds if hold.why == "busy")

    def trace_lines(self, request: "Request", target: "Target") -> bytes:
        """Return the header lines that tell an engine the request's trace."""
        if self.spans is not None:
            return self.spans.attempt(request, target)
        return context_lines(request.headers) if b"traceparent" in request.headers else b""

    def stop(self) -> None:
        """Finish what is under way and take nothing new on."""
        self.is_stopping = True
        self.event("draining", requests=self.in_flight().total(), held=len(self.holds))
        self.dispatcher.stop()
        if not self.clients:
            self.is_empty.set()
        for client in tuple(self.clients):
            client.stop()

    def gone(self, client: "ClientConnection") -> None:
        """Forget a client whose connection is closed."""
        self.clients.discard(client)
        if self.is_stopping and not self.clients:
            self.is_empty.set()

    def finished(self, request: "Request") -> None:
        """Note a request whose answer is written, or never will be."""
        if self.spans is not None:
            self.spans.finished(request)
        self.gate.charge(request)
        self.journal.finished(request)

    def event(self, event: str, *, level: str = "info", **fields: object) -> None:
        """Log something that happened to the gateway itself."""
        self.journal.settle()  # in the order in which it happened
        self.log.event(event, self.clock.stamp, level=level, **fields)

    def bug(self, error: BaseException) -> None:
        """Log an exception that nobody expected, with its traceback."""
        self.event("bug", level="error", traceback="".join(traceback.format_exception(error)))

    def tick(self) -> None:
        """Advance the clock and do what is due; called a few times per second."""
        self.journal.settle()
        self.clock.tick()
        now = self.clock.now
        for client in [c for c in self.clients if c.deadline <= now]:
            client.on_deadline(now)
        if self.holds:
            self.dispatcher.wake()
        self.pools.prune(now)
        self.log.flush()

    def close(self) -> None:
        """Close every connection and write the rest of the log."""
        for client in tuple(self.clients):
            client.transport.abort()
        self.pools.close()
        if self.spans is not None:
            self.spans.close()
        self.journal.settle()
        self.log.flush()
