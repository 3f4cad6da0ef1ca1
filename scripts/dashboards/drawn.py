"""Each kind of panel as a part of a picture, from Prometheus' answers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from frontier.domain.units import quantity
from frontier.renderers.chart import Chart, heading, panel, titled
from frontier.renderers.chart_bars import Bar, bars, tile
from frontier.renderers.chart_lines import Series
from frontier.renderers.chart_style import cut, element, label

_DAY_S: Final = 86_400
_UNITS: Final = {
    "percentunit": "ratio",
    "reqps": "req/s",
    "cps": "/s",
    "short": "",
    "none": "",
    "currencyUSD": "$",
    "Bps": "B/s",
    "suffix: tokens/s": "tokens/s",
}
_COLOURS: Final = {"green": "#3d9a50", "orange": "#d98324", "red": "#d0453e", "blue": "#3f7fbf"}


@dataclass(frozen=True, slots=True)
class Line:
    """One series of one query."""

    name: str
    labels: Mapping[str, str]
    points: tuple[tuple[float, float | None], ...]

    @property
    def last(self) -> float | None:
        """The last number."""
        return next((y for _, y in reversed(self.points) if y is not None), None)


def _unit(one: dict[str, Any]) -> str:
    unit: str = one["fieldConfig"]["defaults"]["unit"]
    return _UNITS.get(unit, unit)


def _no_data(one: dict[str, Any], width: float, height: float) -> str:
    words = one["fieldConfig"]["defaults"]["noValue"]
    return heading(one["title"], width) + label(words, width / 2, height / 2, text_anchor="middle")


def _chart(
    one: dict[str, Any], lines: list[Line], span: tuple[float, float], width: float, height: float
) -> str:
    told = [line for line in lines if any(y for _, y in line.points)] or lines[:1]
    if not told:
        return _no_data(one, width, height)
    custom = one["fieldConfig"]["defaults"].get("custom", {})
    stacks = custom.get("stacking", {}).get("mode") == "normal"
    series = (
        _stacked(told) if stacks else [Series(name=line.name, points=line.points) for line in told]
    )
    chart = Chart(
        title=one["title"], series=tuple(series), unit=_unit(one), x_unit="time", span=span
    )
    return panel(chart, width, height)


def _stacked(lines: Sequence[Line]) -> list[Series]:
    """Return *lines* on top of each other, with the area of each."""
    below: dict[float, float] = {}
    found = []
    for line in lines:
        known = [(x, y) for x, y in line.points if y is not None]
        band = tuple((x, below.get(x, 0.0), below.get(x, 0.0) + y) for x, y in known)
        below |= {x: high for x, _, high in band}
        tops = tuple((x, high) for x, _, high in band)
        found.append(Series(name=line.name, points=tops, band=band))
    return found


def _number(
    one: dict[str, Any], lines: list[Line], _: tuple[float, float], width: float, height: float
) -> str:
    last = lines[0].last if lines else None
    if last is None:
        return tile(one["title"], "-", one["fieldConfig"]["defaults"]["noValue"], width, height)
    steps = one["fieldConfig"]["defaults"]["thresholds"]["steps"]
    colour = [s["color"] for s in steps if s["value"] is None or last >= s["value"]][-1]
    bar = (
        element("rect", x=1, y=height - 5, width=width - 2, height=4, fill=_COLOURS[colour])
        if (colour in _COLOURS)
        else ""
    )
    is_count = one["fieldConfig"]["defaults"].get("decimals") == 0
    said = f"{last:.0f}" if is_count else _said(last, _unit(one))
    return tile(one["title"], said, "", width, height) + bar


def _said(value: float, unit: str) -> str:
    if unit == "s" and value >= _DAY_S:
        return f"{value / _DAY_S:.0f} days"
    return quantity(value, unit)


def _bars(
    one: dict[str, Any], lines: list[Line], _: tuple[float, float], width: float, height: float
) -> str:
    items = [Bar(name=line.name, value=line.last) for line in lines if line.last is not None]
    if not items:
        return _no_data(one, width, height)
    items.sort(key=lambda bar: -bar.value)
    return bars(one["title"], items[: int(height / 26) - 1], width, unit=_unit(one))[0]


def _table(
    one: dict[str, Any], lines: list[Line], _: tuple[float, float], width: float, height: float
) -> str:
    found = [line for line in lines if line.points]
    if not found:
        return _no_data(one, width, height)
    for key in one.get("options", {}).get("sortBy", ()):
        found.sort(key=lambda line, name=key["displayName"]: line.labels.get(name, ""))
    columns = sorted({name for line in found for name in line.labels if name != "__name__"})
    step = (width - 16) / (len(columns) + 1)
    value = one["transformations"][0]["options"]["renameByName"]["Value"]
    cells = [(*columns, value)]
    for line in found:
        row = [line.labels.get(name, "") for name in columns]
        cells.append((*row, _said(line.last or 0.0, _unit(one))))
    parts = [heading(one["title"], width)]
    for i, row in enumerate(cells[: int((height - 40) / 20)]):
        for j, text in enumerate(row):
            look = "cl" if i == 0 else "ct"
            parts.append(label(cut(text, step - 8, 12), 8 + j * step, 48 + i * 20, class_=look))
    return _grouped(one, parts)


def _states(
    one: dict[str, Any], lines: list[Line], span: tuple[float, float], width: float, height: float
) -> str:
    [mapping] = one["fieldConfig"]["defaults"]["mappings"]
    left, parts = 0.4 * width, [heading(one["title"], width)]
    each = min(30.0, (height - 40) / max(1, len(lines)))
    scale = (width - left - 12) / (span[1] - span[0])
    for i, line in enumerate(lines):
        y = 38 + i * each
        parts.append(label(cut(line.name, left - 16, 12), 8, y + each / 2 + 4, class_="ct"))
        for begin, end, value in _spells(line):
            meaning = mapping["options"].get(f"{value:g}", {"text": f"{value:g}", "color": "blue"})
            x, wide = left + (begin - span[0]) * scale, max(1.0, (end - begin) * scale)
            fill = _COLOURS[meaning["color"]]
            box = {"x": x, "y": y + 2, "width": wide, "height": each - 4, "fill": fill}
            parts.append(element("rect", **box))
            if wide > 8 * len(meaning["text"]):
                parts.append(
                    element("text", meaning["text"], x=x + 6, y=y + each / 2 + 4, fill="#ffffff")
                )
    return _grouped(one, parts)


def _grouped(one: dict[str, Any], parts: Sequence[str]) -> str:
    """Return *parts* with what a screen reader says for them."""
    return element("g", *titled(one["title"], one["description"]), *parts, role="img")


def _spells(line: Line) -> list[tuple[float, float, float]]:
    """Return from when to when *line* had which value."""
    found: list[tuple[float, float, float]] = []
    for x, y in line.points:
        if y is None:
            continue
        if found and found[-1][2] == y:
            found[-1] = found[-1][0], x, y
        else:
            found.append((found[-1][1] if found else x, x, y))
    return found


def _heat(
    one: dict[str, Any], lines: list[Line], span: tuple[float, float], width: float, height: float
) -> str:
    counts = _buckets(lines)
    if not counts:
        return _no_data(one, width, height)
    most = max(count for column in counts.values() for count in column.values())
    bounds = sorted({float(le) for column in counts.values() for le in column})
    step = min(b - a for a, b in zip(sorted(counts), sorted(counts)[1:], strict=False))
    left, top, bottom = 70.0, 36.0, height - 12
    scale, each = (width - left - 12) / (span[1] - span[0]), (bottom - top) / len(bounds)
    parts = [heading(one["title"], width)]
    for i, bound in enumerate(bounds):
        words = "longer" if math.isinf(bound) else f"≤ {quantity(bound, 's')}"
        y = bottom - (i + 1) * each
        parts.append(label(words, left - 6, y + each / 2 + 4, text_anchor="end"))
        for x, column in counts.items():
            if count := column.get(bound):
                box = {"x": left + (x - span[0]) * scale, "y": y, "class_": "f0"}
                size = {"width": step * scale - 0.5, "height": each - 1}
                parts.append(
                    element("rect", **box, **size, fill_opacity=0.15 + 0.85 * count / most)
                )
    return _grouped(one, parts)


def _buckets(lines: list[Line]) -> dict[float, dict[float, float]]:
    """Return how many fell into each bucket by itself, by time and upper bound."""
    totals: dict[float, dict[float, float]] = {}
    for line in lines:
        for x, y in line.points:
            if y is not None:
                totals.setdefault(x, {})[float(line.labels["le"])] = y
    found: dict[float, dict[float, float]] = {}
    for x, column in totals.items():
        before = 0.0
        for bound in sorted(column):
            if (count := column[bound] - before) > 1e-6:  # noqa: PLR2004 - what rounding leaves
                found.setdefault(x, {})[bound] = count
            before = column[bound]
    return found


KINDS: Final = {
    "timeseries": _chart,
    "stat": _number,
    "bargauge": _bars,
    "table": _table,
    "state-timeline": _states,
    "heatmap": _heat,
}
