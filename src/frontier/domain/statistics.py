"""Percentiles, confidence intervals over rounds, and the ratio of two estimates."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from typing import Final

CONFIDENCE: Final = 0.95
"""How often an interval of this module holds the truth."""

_FREEDOMS: Final = (*range(1, 31), 40, 60, 120, inf)
_T: Final = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
    *(2.021, 2.000, 1.980, 1.960),
)
_Z: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value of all rounds together, and how far from the truth it may be.

    Attributes:
        value: Of all samples of all rounds.
        low: Where the 95 % confidence interval begins, None if fewer than two rounds tell.
        high: Where it ends.
        error: Standard error of `value`, None likewise.
        rounds: The same value of each round, None where a round has none.
    """

    value: float
    low: float | None
    high: float | None
    error: float | None
    rounds: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One estimate over another.

    Attributes:
        value: 1.1 is a tenth more.
        low: Where the 95 % confidence interval begins, None if one of both has none, or if the
            rounds are so far apart that no number tells where it ends.
        high: Where it ends.
    """

    value: float
    low: float | None
    high: float | None


def percentile(ordered: Sequence[float], q: float) -> float:
    """Return the *q*-quantile of *ordered*, linear between neighbours.

    Args:
        ordered: Ascending, at least one.
        q: In [0, 1]; 0.5 is the median.

    Raises:
        ValueError: *ordered* is empty.

    Source: Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996, type 7.
    """
    if not ordered:
        raise ValueError("no samples")
    below = int(place := q * (len(ordered) - 1))
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def estimate(value: float, rounds: Sequence[float | None]) -> Estimate:
    """Return *value* with an interval from how far the rounds are from it.

    Requests of one round wait for each other, and what else the machine does lasts for many of
    them: they are not independent, and an interval over requests would be far too narrow. Rounds
    nearly are. With the few there are, Student's t is honest where a bootstrap is not.

    Args:
        value: Of all samples, never negative.
        rounds: The same of each round; None where it has no sample.

    Source: sectioning, in Asmussen and Glynn, "Stochastic Simulation", 2007, section III.5; for
    quantiles Nakayama, "Confidence intervals for quantiles using sectioning", 2014.
    """
    known = [one for one in rounds if one is not None]
    if len(known) < 2:  # noqa: PLR2004 - one value has no spread
        return Estimate(value, None, None, None, tuple(rounds))
    spread = sum((one - value) ** 2 for one in known) / (len(known) - 1)
    error = sqrt(spread / len(known))
    half = student(len(known) - 1) * error
    return Estimate(value, max(0.0, value - half), value + half, error, tuple(rounds))


def proportion(hits: int, of: int, rounds: Sequence[float | None] = ()) -> Estimate:
    """Return how many of *of*, at least one, are *hits*; none of a few is no proof of never.

    Source: Wilson, "Probable Inference", 1927; Brown, Cai and DasGupta, "Interval Estimation for
    a Binomial Proportion", 2001.
    """
    share, z2 = hits / of, _Z * _Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z * sqrt(share * (1 - share) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Estimate(share, low if hits else 0.0, high if hits < of else 1.0, None, tuple(rounds))


def ratio(new: Estimate, base: Estimate) -> Ratio | None:
    """Return *new* over *base*, None where one of both is 0.

    Source: Welch, "The generalization of Student's problem", 1947, on logarithms by the delta
    method.
    """
    if not (new.value > 0 and base.value > 0):
        return None
    value = new.value / base.value
    if new.error is None or base.error is None:
        return Ratio(value, None, None)
    parts = [((one.error or 0.0) / one.value) ** 2 for one in (new, base)]
    counts = [sum(r is not None for r in one.rounds) for one in (new, base)]
    half = student(_freedom(parts, counts)) * sqrt(sum(parts))
    try:
        return Ratio(value, exp(log(value) - half), exp(log(value) + half))
    except OverflowError:
        return Ratio(value, None, None)


def difference(new: Estimate, base: Estimate) -> tuple[float, float]:
    """Return the interval of *new* minus *base*, both from `proportion`.

    It takes requests for independent, which those of one round are not: a hiccup fails several at
    once. So where fewer than two rounds show a difference, the interval is stretched to hold 0.

    Source: Newcombe, "Interval Estimation for the Difference Between Independent Proportions",
    1998, method 10.
    """
    less = sqrt(_square(new.value, new.low) + _square(base.value, base.high))
    more = sqrt(_square(new.value, new.high) + _square(base.value, base.low))
    low, high = new.value - base.value - less, new.value - base.value + more
    return (low, high) if _is_seen_twice(new, base) else (min(low, 0.0), max(high, 0.0))


def _is_seen_twice(new: Estimate, base: Estimate) -> bool:
    """Tell whether at least two rounds of the larger value lie above the smaller one."""
    less, more = sorted((new, base), key=lambda one: one.value)
    return sum(one is not None and one > less.value for one in more.rounds) > 1


def student(freedom: float) -> float:
    """Return what 2.5 % of Student's t distribution exceed, for *freedom* rounded down to a table.

    Source: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.6.7.2.
    """
    # what arithmetic leaves of 1 is 0.9999...
    return _T[bisect_right(_FREEDOMS, max(1.0, freedom + 1e-9)) - 1]


def _freedom(parts: Sequence[float], counts: Sequence[int]) -> float:
    weight = sum(part * part / (n - 1) for part, n in zip(parts, counts, strict=True))
    return sum(parts) ** 2 / weight if weight else inf


def _square(value: float, bound: float | None) -> float:
    return 0.0 if bound is None else (value - bound) ** 2
