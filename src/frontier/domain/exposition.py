"""Prometheus text as numbers: sums, growth since an earlier reading, quantiles; pure."""

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Self

_SAMPLE: Final = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Exposition:
    """The samples of some families at one moment.

    Attributes:
        samples: By name and labels; every value is finite.
    """

    samples: Mapping[str, Mapping[Labels, float]] = field(
        default_factory=dict[str, Mapping[Labels, float]]
    )

    @classmethod
    def parse(cls, text: str, names: Collection[str]) -> Self:
        """Return the samples called *names* of Prometheus *text*; what is no sample is skipped.

        Source: https://prometheus.io/docs/instrumenting/exposition_formats, "Text format details".
        """
        found: dict[str, dict[Labels, float]] = {}
        for line in text.splitlines():
            sample = _SAMPLE.match(line)
            if sample and sample[1] in names:
                value = _number(sample[3])
                if math.isfinite(value):
                    found.setdefault(sample[1], {})[_labels(sample[2] or "")] = value
        return cls(found)

    def has(self, name: str) -> bool:
        """Tell whether there is a sample of that name."""
        return bool(self.samples.get(name))

    def value(self, name: str, **where: str) -> float:
        """Return the sum of the samples of that name with the labels *where*, 0 without any."""
        return sum(value for _, value in self._matching(name, where))

    def by(self, name: str, *labels: str, **where: str) -> dict[tuple[str, ...], float]:
        """Return such sums by the values of *labels*; "" stands for a label that lacks."""
        sums: dict[tuple[str, ...], float] = {}
        for found, value in self._matching(name, where):
            group = tuple(found.get(label, "") for label in labels)
            sums[group] = sums.get(group, 0.0) + value
        return sums

    def since(self, before: Self) -> Self:
        """Return how far each counter grew since *before*.

        One that fell was reset in between: it grew by what it shows now. One that *before* lacks
        began at 0. For gauges the result means nothing.
        """
        return type(self)(
            {
                name: {
                    labels: _growth(before.samples.get(name, {}).get(labels, 0.0), value)
                    for labels, value in samples.items()
                }
                for name, samples in self.samples.items()
            }
        )

    def _matching(
        self, name: str, where: Mapping[str, str]
    ) -> Iterator[tuple[dict[str, str], float]]:
        for labels, value in self.samples.get(name, {}).items():
            found = dict(labels)
            if all(found.get(label) == wanted for label, wanted in where.items()):
                yield found, value


def quantile(q: float, buckets: Mapping[float, float]) -> float | None:
    """Return the *q*-quantile of a histogram, linear within its bucket, None for an empty one.

    Args:
        q: In [0, 1].
        buckets: Cumulative counts by upper bound, seconds; infinity is one of the bounds.

    What lies above the highest finite bound is told as that bound.
    Source: https://prometheus.io/docs/prometheus/latest/querying/functions, "histogram_quantile".
    """
    total = max(buckets.values(), default=0.0)
    if total <= 0:
        return None
    lower, below = 0.0, 0.0
    for bound in sorted(buckets):
        count = max(below, buckets[bound])  # two readings of a live histogram may disagree
        if count >= q * total and count > below:
            share = (q * total - below) / (count - below)
            return lower if math.isinf(bound) else lower + (bound - lower) * max(0.0, share)
        if not math.isinf(bound):
            lower = bound
        below = count
    return lower


def _growth(before: float, now: float) -> float:
    return now - before if now >= before else now


def _number(text: str) -> float:
    try:
        return float(text)  # also "+Inf" and "NaN"
    except ValueError:
        return math.nan


@lru_cache(maxsize=1 << 15)  # the same from one reading to the next
def _labels(text: str) -> Labels:
    pairs = _LABEL.findall(text)
    return tuple((name, _ESCAPED.sub(_unescaped, value)) for name, value in pairs)


def _unescaped(found: "re.Match[str]") -> str:
    return "\n" if found[1] == "n" else found[1]
