"""Looking at a running stack again and again."""

from collections.abc import Callable
from typing import Final

from frontier.domain.errors import NotRunningError, RuntimeFailedError
from frontier.domain.top import TopView
from frontier.domain.top_reading import GatewayRead, Reading
from frontier.domain.top_view import view
from frontier.ports import Watch

WINDOW_S: Final = 10.0
"""Rates are of so many seconds: the gateway counts an answer when it ends, and one that
streams for seconds would be nothing, nothing, and then all at once."""

_LATE: Final = 1.05  # a look every two seconds comes a little later than that
_FIRST_PATIENCE_S: Final = 10.0


class Top:
    """What one looks at, and what was seen within the last seconds.

    Args:
        watch: Reads.
        window_s: What rates are of at most, or of one interval where that is longer.
    """

    def __init__(self, watch: Watch, *, window_s: float = WINDOW_S) -> None:
        self._watch, self._window_s = watch, window_s
        self._answers: list[GatewayRead] = []
        self._last: Reading | None = None

    def look(self, *, patience_s: float = 0.5) -> TopView:
        """Return what is there now, within *patience_s*; never raises for what is looked at."""
        reading = self._watch.read(patience_s=patience_s)
        shown = view(reading, before=self._remembered(reading.gateway), last=self._last)
        self._last = reading
        return shown

    def _remembered(self, answer: GatewayRead | None) -> GatewayRead | None:
        """Return the answer that begins the window of *answer*, which is remembered itself.

        It is the first one within the window; after a longer pause the one before the pause.
        """
        if answer is None:
            self._answers = []
            return None
        earlier = [other for other in self._answers if other is not answer]
        begin_s = answer.at_s - self._window_s * _LATE
        begins = [other for other in earlier if other.at_s >= begin_s] or earlier[-1:]
        self._answers = [*begins, answer]
        return begins[0] if begins else None

    def close(self) -> None:
        """End what was started for looking."""
        self._watch.close()


def begin(top: Top) -> TopView:
    """Return the first look, at something that runs.

    Raises:
        NotRunningError: nothing does.
        RuntimeFailedError: nobody can tell, because Docker does not answer.
    """
    shown = top.look(patience_s=_FIRST_PATIENCE_S)
    if shown.state == "stopped" and shown.problem:
        raise RuntimeFailedError(shown.problem, hint="frontier status")
    if shown.state == "stopped":
        raise NotRunningError("nothing runs here", hint="Start it: frontier up")
    if shown.state == "died":
        raise NotRunningError(
            "the daemon was killed, and all that ran ended with it",
            hint="Start it again: frontier start; its last words: frontier logs daemon",
        )
    return shown


def once(top: Top, *, interval_s: float, sleep: Callable[[float], None]) -> TopView:
    """Return two looks as one: the rates of the *interval_s* between them.

    Raises:
        NotRunningError: nothing runs.
    """
    begin(top)
    sleep(interval_s)
    return top.look(patience_s=_FIRST_PATIENCE_S)
