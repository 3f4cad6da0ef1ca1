"""The inside of a chart: its grid, lines, bands and marks."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final

from frontier.renderers.chart_axis import Axis
from frontier.renderers.chart_style import DASHES, LIGHT, element, label

_MARKED: Final = 24
"""Series with at most so many points have a mark at each."""

Point = tuple[float, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One line.

    Attributes:
        name: In the legend.
        points: x and y, ascending in x; None or not a number breaks the line.
        band: x, low and high of what the line may really be.
    """

    name: str
    points: tuple[Point, ...]
    band: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a chart's lines are, in pixels of its picture."""

    left: float
    top: float
    right: float
    bottom: float
    x: Axis
    y: Axis

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the pixels of a point."""
        return (
            self.left + self.x.place(x) * (self.right - self.left),
            self.bottom - self.y.place(y) * (self.bottom - self.top),
        )


def grid(frame: Frame) -> Iterator[str]:
    """Return the ticks of both axes, and a line across for each of y."""
    for value, words in zip(frame.y.ticks, frame.y.labels, strict=True):
        _, y = frame.at(frame.x.low, value)
        yield element("path", d=f"M{frame.left:.1f} {y:.1f}H{frame.right:.1f}", class_="cg")
        yield label(words, frame.left - 6, y + 4, text_anchor="end")
    for value, words in zip(frame.x.ticks, frame.x.labels, strict=True):
        x, _ = frame.at(value, frame.y.low)
        yield element("path", d=f"M{x:.1f} {frame.bottom:.1f}v4", class_="ca")
        yield label(words, x, frame.bottom + 17, text_anchor="middle")


def lines(frame: Frame, series: Sequence[Series]) -> Iterator[str]:
    """Return *series* with their bands behind all of them."""
    for i, one in enumerate(series):
        if one.band:
            yield _band(frame, one, i)
    for i, one in enumerate(series):
        pieces = _pieces(frame, one.points)
        yield from (line(piece, i) for piece in pieces if len(piece) > 1)
        are_few = sum(map(len, pieces)) <= _MARKED
        alone = (piece[0] for piece in pieces if len(piece) == 1)
        yield from (
            mark(x, y, i) for x, y in ((p for q in pieces for p in q) if are_few else alone)
        )


def _pieces(frame: Frame, points: Iterable[Point]) -> list[list[tuple[float, float]]]:
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        if y is None or not isfinite(y):
            pieces.append([])
        else:
            pieces[-1].append(frame.at(x, y))
    return [piece for piece in pieces if piece]


def line(points: Iterable[tuple[float, float]], nth: int) -> str:
    """Return a line through *points* in the colour and dash of the *nth* series."""
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    look = {"stroke_width": 2, "stroke_dasharray": DASHES[nth % len(DASHES)] or "none"}
    return element("path", d=path, fill="none", class_=f"s{nth % len(LIGHT)}", **look)


def _band(frame: Frame, series: Series, nth: int) -> str:
    upper = [frame.at(x, high) for x, _, high in series.band]
    lower = [frame.at(x, low) for x, low, _ in series.band]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in [*upper, *reversed(lower)]) + "Z"
    return element("path", d=path, class_=f"f{nth % len(LIGHT)}", fill_opacity=0.16)


def mark(x: float, y: float, nth: int) -> str:
    """Return the mark of the *nth* series at *x*, *y*."""
    shapes = ("m-3.5 0a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0 -7 0z", "m-3 -3h6v6h-6z", "m0 -4l4 7h-8z")
    more = ("m0 -4.5l4 4.5l-4 4.5l-4 -4.5z", "m0 4l4 -7h-8z", "m-4 -1.5h8v3h-8z")
    path = f"M{x:.1f} {y:.1f}{(shapes + more)[nth % 6]}"
    return element("path", d=path, class_=f"f{nth % len(LIGHT)} cm")
