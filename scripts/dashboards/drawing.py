"""A dashboard as one picture: Prometheus' answers, where Grafana would show them."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from dashboards.drawn import KINDS, Line
from dashboards.reading import panels
from frontier.renderers.chart import picture, placed
from frontier.renderers.chart_style import element, label

_COLUMN: Final = 50.0
_LINE: Final = 34.0
_GAP: Final = 6.0

Ask = Callable[[str], list[dict[str, Any]]]
"""Answers an expression of a dashboard with Prometheus' series: ``metric`` and ``values``."""


def draw(board: dict[str, Any], ask: Ask, span: tuple[float, float], opened: Sequence[str]) -> str:
    """Return *board* as an SVG document.

    Args:
        board: Its JSON.
        ask: Where the data comes from.
        span: The first and the last time of it, Unix time.
        opened: Folded rows that are shown open; the others are left out.
    """
    parts, y = [label(board["title"], 8, 30, class_="ct", font_size=20, font_weight=600)], 44.0
    top, bottom, row = 0, 0, ""
    folded = {p["title"] for p in board["panels"] if p.get("collapsed")} - set(opened)
    for name, one in panels(board):
        if name in folded:
            continue
        if name != row:
            row, top, y = name, one["gridPos"]["y"], y + (bottom - top) * _LINE
            parts.append(label(row, 8, y + 22, class_="ct", font_size=15))
            y, bottom = y + _LINE, top
        at = one["gridPos"]
        bottom = max(bottom, at["y"] + at["h"])
        size = at["w"] * _COLUMN - _GAP, at["h"] * _LINE - _GAP
        lines = [line for target in one["targets"] for line in _lines(target, one["title"], ask)]
        drawn = _frame(*size) + KINDS[one["type"]](one, lines, span, *size)
        parts.append(placed(drawn, at["x"] * _COLUMN + _GAP / 2, y + (at["y"] - top) * _LINE))
    return picture(parts, 24 * _COLUMN, y + (bottom - top) * _LINE + _GAP)


def _lines(target: dict[str, Any], title: str, ask: Ask) -> Iterator[Line]:
    answer = ask(target["expr"])
    end = max((float(one["values"][-1][0]) for one in answer), default=0.0)
    for found in answer:
        if target.get("instant") and float(found["values"][-1][0]) < end:
            continue  # it is no more, and such a panel shows what is
        labels: dict[str, str] = found["metric"]
        name = re.sub(r"{{(\w+)}}", lambda m, of=labels: of.get(m[1], ""), target["legendFormat"])
        points = ((float(x), float(y)) for x, y in found["values"])
        known = tuple((x, y if math.isfinite(y) else None) for x, y in points)
        yield Line(name or title, labels, known)


def _frame(width: float, height: float) -> str:
    return element("rect", width=width, height=height, rx=4, fill="none", class_="cg")
