"""Requests that wait here until an engine can take them."""

import time
from typing import TYPE_CHECKING, Final, Literal

from frontier.gateway.apis.api import BadRequestError
from frontier.gateway.errors import HELD_TOO_MANY, Problem, held_too_long
from frontier.gateway.fair_queue import FairQueue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontier.gateway.core import Core
    from frontier.gateway.wire.client import ClientConnection
    from frontier.gateway.wire.request import Request

# What a request waits for: another engine, this engine's model, a free place.
Why = Literal["replaced", "loading", "busy"]

MOST_HELD: Final = 1000
# A long chat is half a megabyte of JSON; a gateway in a container has a few hundred.
_MOST_HELD_BYTES: Final = 64 * 1024 * 1024
_CLIENT_LEFT: Final = 499


class Hold:
    """One request that waits, its body untouched.

    Attributes:
        request: What it asks is kept as it came.
        lane: The model whose engines it waits for.
        why: What it waits for.
    """

    def __init__(
        self,
        core: "Core",
        client: "ClientConnection",
        request: "Request",
        *,
        lane: str,
        why: Why,
    ) -> None:
        self.request = request
        self.lane = lane
        self.why: Why = why
        self._core = core
        self._client = client
        self._since = core.clock.now
        self._until = core.clock.now
        self._began = time.perf_counter()

    def wait(self, hold_s: float) -> None:
        """Wait until the request has waited *hold_s* in all, at most."""
        self._until = self._since + hold_s - self.request.waited_s
        self._client.deadline = min(self._until, self.request.beat_at)

    def go(self) -> None:
        """Go where the table leads; it is this request's turn."""
        self._over()
        if self.why == "busy":
            waited_s = time.perf_counter() - self._began
            self._core.holds.waits_s[self.lane] = waited_s
            self._core.metrics.waited(self.lane, waited_s)
        self._client.send_on(self.request, in_turn=True)

    def cancel(self) -> None:
        """The client left."""
        self.request.status = _CLIENT_LEFT
        self._over()

    def on_deadline(self, now: float) -> None:
        """Give up, or keep the stream alive."""
        if now >= self._until:
            waited_s = now - self._since + self.request.waited_s
            self.stop(held_too_long(self.request.ask.model, self.why, waited_s))
            return
        try:
            self._client.beat(self.request)
        except BadRequestError as error:
            self.stop(error.problem)
            return
        self._client.deadline = min(self._until, self.request.beat_at)

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
        self.request.waited_s += self._core.clock.now - self._since
        self._core.holds.forget(self)


class Holds:
    """All requests that wait.

    Args:
        most: So many at a time; each costs a connection.
        most_bytes: So much of their bodies, except that one may always wait.

    Attributes:
        lanes: Those of one model, the keys in turn; no lane is empty.
        waits_s: How long the last one of a model waited for a free place.
    """

    def __init__(self, most: int, most_bytes: int = _MOST_HELD_BYTES) -> None:
        self.lanes: dict[str, FairQueue[Hold]] = {}
        self.waits_s: dict[str, float] = {}
        self._most = most
        self._most_bytes = most_bytes
        self._waiting: dict[Hold, None] = {}
        self._bytes = 0

    def __iter__(self) -> "Iterator[Hold]":
        """Go through them in the order of their arrival."""
        return iter(tuple(self._waiting))

    def __len__(self) -> int:
        return len(self._waiting)

    def refusal(self, size_bytes: int) -> Problem | None:
        """Return why a request of that size cannot wait, None if it can."""
        count = len(self._waiting)
        is_full = count and self._bytes + size_bytes > self._most_bytes
        return HELD_TOO_MANY if is_full or count >= self._most else None

    def queued(self, lane: str) -> int:
        """Return how many wait in *lane*."""
        return len(self.lanes.get(lane, ()))

    def add(self, hold: Hold) -> int:
        """Have *hold* wait; return its place in its lane, from 1."""
        self._waiting[hold] = None
        self._bytes += hold.request.ask.size
        return self.lanes.setdefault(hold.lane, FairQueue()).add(hold.request.key_id, hold)

    def forget(self, hold: Hold) -> None:
        """Let go of *hold*."""
        del self._waiting[hold]
        self._bytes -= hold.request.ask.size
        lane = self.lanes[hold.lane]
        lane.remove(hold.request.key_id, hold)
        if not lane:
            del self.lanes[hold.lane]
