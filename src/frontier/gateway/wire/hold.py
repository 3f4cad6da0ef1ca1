"""Requests that wait while their model's engine is being replaced."""

import time
from typing import TYPE_CHECKING, Final

from frontier.gateway.errors import HELD_TOO_MANY, Problem, held_too_long

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontier.gateway.core import Core
    from frontier.gateway.wire.client import ClientConnection
    from frontier.gateway.wire.request import Request

MOST_HELD: Final = 1000
# A long chat is half a megabyte of JSON; a gateway in a container has a few hundred.
_MOST_HELD_BYTES: Final = 64 * 1024 * 1024
_CLIENT_LEFT: Final = 499


class Hold:
    """One request that waits, its body untouched.

    Attributes:
        request: What it asks is kept as it came.
    """

    def __init__(self, core: "Core", client: "ClientConnection", request: "Request") -> None:
        self.request = request
        self._core = core
        self._client = client
        self._since = core.clock.now
        self._began = time.perf_counter()

    def wait(self, hold_s: float) -> None:
        """Wait until *hold_s* after the arrival, at most."""
        self._client.deadline = self._since + hold_s

    def look_again(self) -> None:
        """Go where a new table leads; wait on if that is nowhere yet."""
        route = self._core.table.find(self.request.ask.model)
        if route is not None and route.target.is_held:
            self.wait(route.target.timeouts.hold)
            return
        self._over()
        self._client.send_on(self.request)

    def cancel(self) -> None:
        """The client left."""
        self.request.status = _CLIENT_LEFT
        self._over()

    def on_deadline(self, now: float) -> None:
        """Give up."""
        self.stop(held_too_long(self.request.ask.model, now - self._since))

    def pause(self) -> None:
        """Ignore a slow client: it gets nothing yet."""

    def resume(self) -> None:
        """Ignore it as well."""

    def stop(self, problem: Problem) -> None:
        """Answer with *problem*."""
        self._over()
        self._client.respond(self.request, problem)

    def _over(self) -> None:
        self.request.held_s += time.perf_counter() - self._began
        self._core.holds.forget(self)


class Holds:
    """All requests that wait, in the order of their arrival.

    Args:
        most: So many at a time; each costs a connection.
        most_bytes: So much of their bodies, except that one may always wait.
    """

    def __init__(self, most: int, most_bytes: int = _MOST_HELD_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._waiting: dict[Hold, None] = {}
        self._bytes = 0

    def __iter__(self) -> "Iterator[Hold]":
        return iter(tuple(self._waiting))

    def __len__(self) -> int:
        return len(self._waiting)

    def refusal(self, size_bytes: int) -> Problem | None:
        """Return why a request of that size cannot wait, None if it can."""
        count = len(self._waiting)
        is_full = count and self._bytes + size_bytes > self._most_bytes
        return HELD_TOO_MANY if is_full or count >= self._most else None

    def add(self, hold: Hold) -> None:
        """Have *hold* wait."""
        self._waiting[hold] = None
        self._bytes += hold.request.ask.size

    def forget(self, hold: Hold) -> None:
        """Let go of *hold*."""
        del self._waiting[hold]
        self._bytes -= hold.request.ask.size

    def look_again(self) -> None:
        """Have all look at a new table, the oldest first."""
        for hold in self:
            hold.look_again()

    def stop(self, problem: Problem) -> None:
        """Answer all with *problem*."""
        for hold in self:
            hold.stop(problem)
