"""Axes of charts: where values lie, where ticks stand, and what they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, takewhile
from math import ceil, floor, log, log10
from typing import Final

from frontier.domain.units import prefix

_CLOCK_S: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 10800, 21600, 43200, 86400),
)
_DAY_S: Final = 86400
_SAME: Final = 1e-6
"""Values so close, as a part of them, are one value and the noise of its arithmetic."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of a chart.

    Attributes:
        low: The value at its begin.
        high: The value at its end, above `low`.
        ticks: Values, ascending, within.
        labels: One for each tick.
        is_log: Equal ratios are equal distances.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    is_log: bool = False

    def place(self, value: float) -> float:
        """Return where *value* lies, 0 at the begin and 1 at the end; beyond both is possible."""
        if self.is_log:
            return log(value / self.low) / log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def amounts(low: float, high: float, unit: str, *, most: int = 5) -> Axis:
    """Return an axis of numbers that begins and ends at a tick, about *most* of them."""
    if high - low <= _SAME * max(abs(low), abs(high)):
        low, high = min(low, 0.0), max(high, 0.0) or 1.0
    divisor, name = prefix(max(abs(low), abs(high)), unit)
    step = _round_step((high - low) / divisor / most)
    begin, end = floor(low / divisor / step + 1e-9), ceil(high / divisor / step - 1e-9)
    numbers = [i * step for i in range(begin, end + 1)]
    exact = (f".{n}f" for n in range(12) if abs(round(step, n) - step) < step / 1e6)
    form = next(exact, "g")
    labels = [f"{number:{form}} {name}".strip() if number else "0" for number in numbers]
    ticks = tuple(number * divisor for number in numbers)
    return Axis(ticks[0], ticks[-1], ticks, tuple(labels))


def clock(low: float, high: float, *, most: int = 5) -> Axis:
    """Return an axis of times, seconds since 1970, in UTC; its ticks are round times of day."""
    high = high if high > low else low + 1
    fits = (step for step in _CLOCK_S if (high - low) / step <= most)
    step = next(fits, _DAY_S * ceil((high - low) / _DAY_S / most))
    ticks = tuple(takewhile(lambda at: at <= high, count(ceil(low / step) * step, step)))
    form = "%d %b" if step >= _DAY_S else "%H:%M" if step >= 60 else "%H:%M:%S"  # noqa: PLR2004 - a minute
    return Axis(
        low, high, ticks, tuple(datetime.fromtimestamp(t, UTC).strftime(form) for t in ticks)
    )


def doublings(values: Sequence[float], unit: str) -> Axis:
    """Return a logarithmic axis with a tick at each of *values*, which are above 0."""
    ticks = sorted(set(values))
    low, high = (ticks[0], ticks[-1]) if len(ticks) > 1 else (ticks[0] / 2, ticks[0] * 2)
    divisor, name = prefix(high, unit)
    labels = tuple(f"{tick / divisor:g} {name}".strip() for tick in ticks)
    return Axis(low, high, tuple(ticks), labels, is_log=True)


def each(values: Sequence[float], *, most: int = 12) -> Axis:
    """Return an axis with a tick at each of *values*, or at every second or third of very many."""
    ticks = sorted(set(values))
    low, high = (ticks[0], ticks[-1]) if len(ticks) > 1 else (ticks[0] - 1, ticks[0] + 1)
    kept = tuple(ticks[:: ceil(len(ticks) / most)])
    return Axis(low, high, kept, tuple(f"{tick:g}" for tick in kept))


def _round_step(least: float) -> float:
    power = 10.0 ** floor(log10(least))
    return next(power * n for n in (1, 2, 2.5, 5, 10) if power * n >= least * (1 - 1e-9))
