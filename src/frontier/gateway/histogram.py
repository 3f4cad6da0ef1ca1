"""Counts per bucket; one histogram serves several families whose boundaries differ."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final

BOUNDS_S: Final[tuple[float, ...]] = (
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    20.0,
    30.0,
    60.0,
    120.0,
    300.0,
    600.0,
)
"""Of what people wait for; every threshold of an alert is one."""

# Source: OpenTelemetry's semantic conventions for generative AI, metrics.
DURATIONS_S: Final[tuple[float, ...]] = tuple(0.01 * 2**n for n in range(14))
FIRST_TOKENS_S: Final[tuple[float, ...]] = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
PER_TOKEN_S: Final[tuple[float, ...]] = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5),
)
TOKENS: Final[tuple[float, ...]] = tuple(4.0**n for n in range(14))


class Histogram:
    """Counts per bucket, and the sum of what was counted.

    Args:
        bounds: The upper ends of all buckets but the last, ascending.
    """

    __slots__ = ("bounds", "buckets", "sum")

    def __init__(self, bounds: tuple[float, ...] = BOUNDS_S) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def totals(self, bounds: Sequence[float]) -> list[int]:
        """Return how many values were at most each of *bounds*, which are some of its own."""
        totals = list(accumulate(self.buckets))
        if len(bounds) == len(self.bounds):
            return totals
        return [*(totals[self.bounds.index(bound)] for bound in bounds), totals[-1]]


def union(*bounds: tuple[float, ...]) -> tuple[float, ...]:
    """Return the boundaries of a histogram that serves families with any of *bounds*."""
    return tuple(sorted({bound for each in bounds for bound in each}))


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """Return one with all that *histograms*, at least one, of the same boundaries counted."""
    first, *others = histograms
    found = Histogram(first.bounds)
    found.buckets = [
        sum(column) for column in zip(first.buckets, *(h.buckets for h in others), strict=True)
    ]
    found.sum = first.sum + sum(other.sum for other in others)
    return found
