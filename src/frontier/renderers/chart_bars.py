"""Bars with whiskers, one figure writ large, and the share of values up to each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from frontier.domain.units import quantity
from frontier.renderers.chart import heading, titled
from frontier.renderers.chart_axis import amounts
from frontier.renderers.chart_style import LIGHT, cut, element, label, width_of

_TOP: Final = 34.0
_ROW: Final = 26.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar.

    Attributes:
        name: To its left.
        value: 0 or more.
        low: Where its whisker begins, None for no whisker.
        high: Where it ends.
        colour: 0 to 5, of the palette.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    colour: int = 0


def bars(title: str, items: Sequence[Bar], width: float, *, unit: str = "") -> tuple[str, float]:
    """Return lying bars, the first on top, as a part of a `picture`, and its height in pixels."""
    most = max((max(bar.value, bar.high or 0.0) for bar in items), default=1.0)
    left = min(0.4 * width, 16 + max((width_of(bar.name, 12) for bar in items), default=0.0))
    scale = (width - left - 92) / amounts(0.0, most, unit).high
    rows = [_row(bar, _TOP + i * _ROW, left, scale, unit) for i, bar in enumerate(items)]
    said = "; ".join(f"{bar.name}: {quantity(bar.value, unit)}" for bar in items) or "no data"
    height = _TOP + max(1, len(items)) * _ROW
    return element("g", *titled(title, said), heading(title, width), *rows, role="img"), height


def tile(title: str, value: str, note: str, width: float, height: float) -> str:
    """Return one figure writ large as a part of a `picture`, such as ``1.2 s``."""
    middle = {"text_anchor": "middle"}
    size = min(height / 3, (width - 16) / max(1.0, width_of(value, 1)))
    return element(
        "g",
        *titled(title, f"{value} {note}".strip()),
        label(cut(title, width - 8, 12), width / 2, 18, **middle),
        label(value, width / 2, height / 2 + size / 2, class_="ct", font_size=size, **middle),
        label(cut(note, width - 8, 12), width / 2, height - 8, **middle),
        role="img",
    )


def shares(ordered: Sequence[float], *, most: int = 200) -> tuple[tuple[float, float], ...]:
    """Return the share of values that are no larger, in steps, from at most *most* of *ordered*."""
    count = len(ordered)
    kept = sorted({round(i * (count - 1) / (most - 1)) for i in range(most)}) if count else []
    points: list[tuple[float, float]] = []
    for before, i in zip([-1, *kept], kept, strict=False):
        points += [(ordered[i], (before + 1) / count), (ordered[i], (i + 1) / count)]
    return tuple(points)


def _row(bar: Bar, y: float, left: float, scale: float, unit: str) -> str:
    end = left + bar.value * scale
    whisker = ""
    if bar.low is not None and bar.high is not None:
        low, high = left + bar.low * scale, left + bar.high * scale
        path = f"M{low:.1f} {y + 6:.1f}v8m0 -4H{high:.1f}m0 -4v8"
        whisker = element("path", d=path, class_="ca", fill="none", stroke_width=1.5)
        end = max(end, high)
    return (
        label(cut(bar.name, left - 12, 12), left - 8, y + 14, text_anchor="end")
        + element(
            "rect",
            x=left,
            y=y + 2,
            width=max(1.0, bar.value * scale),
            height=16,
            rx=2,
            class_=f"f{bar.colour % len(LIGHT)}",
            fill_opacity=0.75,
        )
        + whisker
        + label(quantity(bar.value, unit), end + 6, y + 14, class_="ct")
    )
