"""Prometheus' text format, 0.0.4: families and their samples as lines."""

from collections.abc import Iterable
from typing import Final

from frontier.gateway.families import FAMILIES, Family
from frontier.gateway.histogram import Histogram

Labels = tuple[str, ...]

_PLAIN: Final = "%s"


class Exposition:
    """Writes families; remembers what of their lines never changes.

    A scrape stops everything else, and of its time nine tenths would go into labels.
    """

    def __init__(self) -> None:
        self._heads = {name: _head(family) for name, family in FAMILIES.items()}
        self._lines: dict[str, dict[Labels, str]] = {name: {} for name in FAMILIES}

    def family(self, name: str, samples: Iterable[tuple[Labels, float]]) -> str:
        """Return the lines of a counter or a gauge."""
        family, known = FAMILIES[name], self._lines[name]
        lines = [self._heads[name]]
        for labels, value in samples:
            line = known.get(labels)
            if line is None:
                line = known[labels] = _line(family, labels)
            lines.append(line % value)
        return "".join(lines)

    def histograms(self, name: str, samples: Iterable[tuple[Labels, Histogram]]) -> str:
        """Return the lines of a family of histograms; each may have more boundaries than it."""
        family, known = FAMILIES[name], self._lines[name]
        lines = [self._heads[name]]
        for labels, histogram in samples:
            line = known.get(labels)
            if line is None:
                line = known[labels] = _bucket_lines(family, labels)
            totals = histogram.totals(family.bounds)
            lines.append(line % (*totals, f"{histogram.sum:.9g}", totals[-1]))
        return "".join(lines)


def _head(family: Family) -> str:
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"


def _line(family: Family, labels: Labels, value: str = _PLAIN) -> str:
    pairs = _pairs(family.labels, labels)
    return f"{family.name}{{{pairs}}} {value}\n" if pairs else f"{family.name} {value}\n"


def _bucket_lines(family: Family, labels: Labels) -> str:
    name, pairs = family.name, _pairs(family.labels, labels)
    bounds = (*(str(bound) for bound in family.bounds), "+Inf")
    buckets = (f'{name}_bucket{{{pairs},le="{bound}"}} %d\n' for bound in bounds)
    return f"{''.join(buckets)}{name}_sum{{{pairs}}} %s\n{name}_count{{{pairs}}} %d\n"


def _pairs(names: Iterable[str], values: Labels) -> str:
    """Return labels as they stand between braces, ready for ``%``."""
    return ",".join(f'{n}="{_escaped(v)}"' for n, v in zip(names, values, strict=True))


def _escaped(value: str) -> str:
    plain = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
    return plain.replace("%", "%%")
