"""A circuit breaker: whether an engine may be asked, judged by what it did last."""

from typing import Final, Literal, get_args

State = Literal["closed", "half_open", "open"]
STATES: Final[tuple[State, ...]] = get_args(State)
"""The worst last."""

FAILURES: Final = 5
OPEN_S: Final = 10.0
LOADING_S: Final = 0.5


class Breaker:
    """Closed until failures come in a row, then open, then half open for a single request.

    It has no clock: *now* is any time in seconds that does not go back.

    Args:
        failures: So many in a row open it.
        open_s: How long nobody asks after that.

    Attributes:
        is_calm: Closed, and the last request was fine: there is nothing to do.
        is_loading: Open only because the engine said that it loads its model.
    """

    __slots__ = ("_ask_at", "_failed", "_failures", "_open_s", "_probe", "_probes", "is_calm",
                 "is_loading")  # fmt: skip

    def __init__(self, failures: int = FAILURES, open_s: float = OPEN_S) -> None:
        self.is_calm = True
        self.is_loading = False
        self._failures = failures
        self._open_s = open_s
        self._failed = 0
        self._ask_at: float | None = None
        self._probe = 0
        self._probes = 0

    def state(self, now: float) -> State:
        """Return the state, as the metric names it."""
        if self._ask_at is None:
            return "closed"
        return "half_open" if self._probe or now >= self._ask_at else "open"

    def admits(self, now: float) -> bool:
        """Tell whether a request may be sent."""
        return self._ask_at is None or (not self._probe and now >= self._ask_at)

    def wait_s(self, now: float) -> float:
        """Return in how many seconds the engine is asked again, at least 1."""
        return max(1.0, (self._ask_at or now) - now)

    def begin(self) -> int:
        """Note that an admitted request is sent; return its number if it is the probe, else 0."""
        if self._ask_at is None:
            return 0
        self._probes += 1
        self._probe = self._probes
        return self._probe

    def end(self, probe: int) -> None:
        """Note that the probe of that number is over, whatever became of it."""
        if probe == self._probe:
            self._probe = 0

    def succeeded(self) -> None:
        """Close: the engine has begun to answer."""
        self.is_calm = True
        self.is_loading = False
        self._failed = 0
        self._ask_at = None
        self._probe = 0

    def failed(self, now: float) -> None:
        """Count a failure that says something of the engine, not of the request."""
        self.is_calm = False
        self._failed += 1
        if self._ask_at is not None or self._failed >= self._failures:
            self.is_loading = False
            self._ask_at = now + self._open_s

    def loads(self, now: float) -> None:
        """Open for a moment: the engine lives, but loads its model."""
        self.is_calm = False
        self.is_loading = True
        self._failed = 0
        self._ask_at = now + LOADING_S

    def is_reached(self, now: float) -> None:
        """Let the next request be the probe: a health check got through."""
        if self._ask_at is not None:
            self._ask_at = min(self._ask_at, now)

    def is_unreachable(self, now: float) -> None:
        """Spare requests the probing: a health check did not get through."""
        if self._ask_at is not None and not self._probe:
            self._ask_at = now + self._open_s
