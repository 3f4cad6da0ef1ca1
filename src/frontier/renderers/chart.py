"""Charts as SVG text, small and without any dependency."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final
from xml.sax.saxutils import escape

from frontier.domain.units import quantity
from frontier.renderers.chart_axis import Axis, amounts, clock, doublings, each
from frontier.renderers.chart_lines import Frame, Series, grid, line, lines, mark
from frontier.renderers.chart_style import Theme, cut, element, label, style, width_of, words_of

FONT: Final = (
    "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', 'Noto Sans', 'Liberation Sans', Roboto,"
    " Ubuntu, Cantarell, 'Open Sans', Helvetica, Arial, Verdana, sans-serif"
)
_SIZE: Final = 12.0
_ROW: Final = 17.0
_LEGEND: Final = 0.3
"""The most of a chart's height that its legend takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over a common x.

    Attributes:
        title: What it shows.
        series: Colours and dashes repeat after six.
        unit: Of y: ``s``, ``bytes``, ``ratio`` or any other word.
        x_unit: ``time`` for seconds since 1970, else as `unit`.
        x_label: Below the axis.
        x_doubles: x is such as 1, 2, 4, 8: its axis is logarithmic, with a tick at each value.
        x_each: x is such as 1, 2, 3: there is a tick at each value.
        span: First and last x to show, where they are not those of the points.
        top: The least y at the upper end.
    """

    title: str
    series: tuple[Series, ...]
    unit: str = ""
    x_unit: str = ""
    x_label: str = ""
    x_doubles: bool = False
    x_each: bool = False
    span: tuple[float, float] | None = None
    top: float | None = None


def draw(chart: Chart, width: float, height: float, *, theme: Theme | None = "auto") -> str:
    """Return *chart* as one SVG document of *width* x *height* pixels, as `picture` does."""
    return picture([panel(chart, width, height)], width, height, theme=theme)


def picture(
    parts: Iterable[str], width: float, height: float, *, theme: Theme | None = "auto"
) -> str:
    """Return *parts* of SVG as one document; put each in its place with `placed`.

    Args:
        parts: From `panel` and its like.
        width: Pixels.
        height: Likewise.
        theme: None where the page around it has the `style`.
    """
    return element(
        "svg",
        element("style", style(theme)) if theme else "",
        element("rect", width=width, height=height, class_="cp"),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        font_family=FONT,
        font_size=_SIZE,
    )


def placed(part: str, x: float, y: float) -> str:
    """Return *part*, moved to *x*, *y*."""
    return element("g", part, transform=f"translate({x:g} {y:g})")


def panel(chart: Chart, width: float, height: float) -> str:
    """Return *chart* as a part of a `picture`, *width* x *height* pixels from its origin."""
    names, legend = _legend([one.name for one in chart.series], width, height)
    bottom = height - (38 if chart.x_label else 22)
    frame = _frame(chart, width, 40 + legend, bottom)
    inside = (
        heading(chart.title, width),
        *names,
        *grid(frame),
        *_below(chart.x_label, frame, height),
        *(lines(frame, chart.series) if _finite(chart.series) else [_nothing(frame)]),
    )
    return element("g", *titled(chart.title, described(chart)), *inside, role="img")


def heading(title: str, width: float) -> str:
    """Return *title* at the top of a picture of *width* pixels."""
    return label(cut(title, width - 16, 14), 8, 20, class_="ct", font_size=14, font_weight=600)


def titled(title: str, description: str) -> tuple[str, str]:
    """Return the name and the words that a screen reader says for a picture."""
    return element("title", escape(words_of(title))), element("desc", escape(words_of(description)))


def described(chart: Chart) -> str:
    """Return what *chart* shows in words: each series with its least and its largest value."""
    said = list[str]()
    for one in chart.series:
        known = [y for _, y in one.points if y is not None and isfinite(y)]
        between = " to ".join(quantity(f(known), chart.unit) for f in (min, max)) if known else ""
        said.append(f"{one.name}: {between or 'no data'}")
    return "; ".join(said) or "no data"


def _finite(series: Iterable[Series]) -> list[tuple[float, float]]:
    return [(x, y) for one in series for x, y in one.points if y is not None and isfinite(y)]


def _frame(chart: Chart, width: float, top: float, bottom: float) -> Frame:
    known = _finite(chart.series)
    bounds = [y for one in chart.series for point in one.band for y in point[1:]]
    ys = [y for _, y in known] + bounds
    y = amounts(
        min(0.0, *ys, 0.0), max(chart.top or 0.0, *ys, 0.0), chart.unit, most=_fit(bottom - top, 32)
    )
    left = 16 + max(width_of(text, _SIZE) for text in y.labels)
    return Frame(left, top, width - 24, bottom, _x(chart, [x for x, _ in known], width - left), y)


def _x(chart: Chart, xs: Sequence[float], width: float) -> Axis:
    low, high = chart.span or (min(xs, default=0.0), max(xs, default=1.0))
    if chart.x_unit == "time":
        return clock(low, high, most=_fit(width, 70))
    if chart.x_doubles and xs:
        return doublings(xs, chart.x_unit)
    if chart.x_each and xs:
        return each(xs)
    return amounts(low, high, chart.x_unit, most=_fit(width, 70))


def _fit(space: float, each: float) -> int:
    return max(2, int(space / each))


def _legend(names: Sequence[str], width: float, height: float) -> tuple[list[str], float]:
    """Return the legend and its height: rows of a piece of line and a name."""
    parts, x, y = list[str](), 8.0, 40.0
    lowest = y + max(0.0, _LEGEND * height - _ROW)
    for i, name in enumerate(names):
        shown = cut(name, width - 48, _SIZE)
        if x + 40 + width_of(shown, _SIZE) > width and i:
            x, y = 8.0, y + _ROW
        if y > lowest:
            return [*parts, label(f"and {len(names) - i} more", 8, y + 4)], y - 40 + _ROW
        parts += [line([(x, y), (x + 24, y)], i), mark(x + 12, y, i), label(shown, x + 30, y + 4)]
        x += 40 + width_of(shown, _SIZE)
    return (parts, y - 40 + _ROW) if parts else ([], 0.0)


def _below(words: str, frame: Frame, height: float) -> list[str]:
    middle = (frame.left + frame.right) / 2
    return [label(words, middle, height - 6, text_anchor="middle")] if words else []


def _nothing(frame: Frame) -> str:
    x, y = (frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2
    return label("no data", x, y, text_anchor="middle")
