"""One request at one engine: the place that it takes, and what it tells of the engine."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from frontier.gateway.core import Core
    from frontier.gateway.metrics import Outcome
    from frontier.gateway.routes import Route


class Attempt:
    """Takes a place at the engine until it has ended.

    Attributes:
        pool: The connections to the engine, and all that is known of it.
        ended: How it ended, empty so far.
    """

    __slots__ = ("_core", "_is_over", "_name", "_probe", "ended", "pool")

    def __init__(self, core: "Core", route: "Route") -> None:
        self._core = core
        self._name = route.backend.name
        self._is_over = False
        self.ended: Outcome | None = None
        self.pool = pool = core.pools.at[route.backend.address]
        pool.busy += 1
        self._probe = 0 if pool.breaker.is_calm else pool.breaker.begin()

    def answered(self) -> None:
        """The engine works: it has begun to answer, be it with an error."""
        if not self.pool.breaker.is_calm:
            self.pool.breaker.succeeded()
            self._core.is_fresh = True  # it may have another context than before
            self._core.dispatcher.wake_soon()

    def loads(self) -> None:
        """The engine loads its model."""
        self.pool.breaker.loads(self._core.clock.now)
        self.end("rejected")

    def failed(self, outcome: "Outcome") -> None:
        """The engine did not even begin, and that is not the request's fault."""
        self.pool.is_up = False
        self.pool.breaker.failed(self._core.clock.now)
        self.end(outcome)

    def end(self, outcome: "Outcome") -> None:
        """Count how it ended; the first word counts."""
        if self.ended is None:
            self.ended = outcome
            self._core.metrics.attempts[self._name][outcome] += 1
            if outcome == "ok":
                self.pool.is_up = True

    def leave(self) -> None:
        """Make place for the next one."""
        if self._is_over:
            return
        self._is_over = True
        self.pool.busy -= 1
        if self._probe:
            self.pool.breaker.end(self._probe)
        if self._core.holds:
            self._core.dispatcher.wake_soon()
