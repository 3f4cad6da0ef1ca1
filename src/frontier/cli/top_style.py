"""Colours of `frontier top`, and small drawings in text."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from textual.widget import Widget

from frontier.cli.top_tables import Tone

if TYPE_CHECKING:
    from textual.app import App

_NAMES: Final[dict[Tone, str]] = {
    "good": "text-success",
    "wait": "text-warning",
    "bad": "text-error",
}
_STEPS: Final = "▁▂▃▄▅▆▇█"
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


def toned(widget: Widget, tone: Tone) -> str:
    """Return the Rich style of *tone* in the theme of *widget*, readable on its background."""
    return themed(widget, _NAMES[tone]) if tone else ""


def themed(widget: Widget, name: str) -> str:
    """Return the Rich style of the colour that the theme of *widget* calls *name*."""
    app: App[Any] = widget.app  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    # themes that follow the terminal call its colours ansi_red, Rich calls them red
    return app.theme_variables[name].removeprefix("ansi_")


def sparkline(numbers: Sequence[float | None], width: int) -> str:
    """Return the last *width* of *numbers* as small columns, the largest at full height.

    Nothing and 0 are a blank, so that a silence is seen.
    """
    last = list(numbers)[-width:]
    top = max((n for n in last if n), default=0.0)
    marks = (_STEPS[min(7, int(n / top * 8))] if n and top else " " for n in last)
    return "".join(marks).rjust(width)


def bar(percent: float, width: int) -> tuple[str, str]:
    """Return the filled and the empty part of a bar of *width* cells, in eighths of a cell."""
    eighths = round(min(100.0, max(0.0, percent)) / 100 * width * 8)
    whole, part = divmod(eighths, 8)
    filled = "█" * whole + (_EIGHTHS[part] if part else "")
    return filled, " " * (width - len(filled))
