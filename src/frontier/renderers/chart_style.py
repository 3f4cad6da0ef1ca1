"""Colours, dashes and marks of charts, and how their text becomes SVG."""

import re
from typing import Final, Literal
from xml.sax.saxutils import escape, quoteattr

Theme = Literal["light", "dark", "auto"]
"""``auto`` follows the reader's system, where the picture is seen in a browser."""

LIGHT: Final = ("#0072b2", "#d55e00", "#910863", "#c76b8a", "#7f0df2", "#6f4c2a")
DARK: Final = ("#56b4e9", "#ff9f40", "#d4e3b5", "#f20d59", "#856ef7", "#df209f")
"""One colour for each series; a test holds them apart for every kind of colour blindness."""

DASHES: Final = ("", "6 3", "2 2", "9 3 2 3", "12 3", "2 5")
"""One for each series, so that they differ in black and white, too."""

PAPER: Final = {"light": "#ffffff", "dark": "#15181d"}
_INK: Final = {
    "light": ("#1b1f24", "#5a6370", "#dfe3e8"),
    "dark": ("#e8ebef", "#a0a9b5", "#333941"),
}
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def style(theme: Theme) -> str:
    """Return the CSS of every chart in *theme*; plain classes, since PNG knows no variables."""
    if theme != "auto":
        return _rules(theme)
    dark = f"@media (prefers-color-scheme: dark) {{ {_rules('dark')} }}"
    return f"{_rules('light')} @media screen {{ {dark} }}"


def _rules(theme: Literal["light", "dark"]) -> str:
    ink, soft, grid = _INK[theme]
    rules = [
        f".ct{{fill:{ink}}} .cl{{fill:{soft}}} .cg{{stroke:{grid}}} .ca{{stroke:{soft}}}",
        f".cp{{fill:{PAPER[theme]}}} .cm{{stroke:{PAPER[theme]}}}",
    ]
    for i, colour in enumerate(LIGHT if theme == "light" else DARK):
        rules.append(f".s{i}{{stroke:{colour}}} .f{i}{{fill:{colour}}}")
    return " ".join(rules)


def element(tag: str, *inside: str, **attributes: object) -> str:
    """Return an SVG element; *inside* is markup, attributes are text: ``text_anchor="end"``."""
    words = "".join(
        f" {name.rstrip('_').replace('_', '-')}={quoteattr(words_of(_short(value)))}"
        for name, value in attributes.items()
    )
    return f"<{tag}{words}>{''.join(inside)}</{tag}>" if inside else f"<{tag}{words}/>"


def label(words: str, x: float, y: float, *, class_: str = "cl", **attributes: object) -> str:
    """Return a line of text at *x*, *y*."""
    return element("text", escape(words_of(words)), x=x, y=y, class_=class_, **attributes)


def words_of(text: str) -> str:
    """Return *text* without what no XML may hold: a model's name is whatever a server says."""
    return _NOT_XML.sub("\ufffd", text)


def cut(text: str, width: float, size: float) -> str:
    """Return *text*, shortened to about *width* pixels at a font of *size*."""
    most = max(1, int(width / (0.58 * size)))  # the mean width of a letter in common fonts
    return text if len(text) <= most else text[: most - 1] + "…"


def width_of(text: str, size: float) -> float:
    """Return about how many pixels *text* takes at a font of *size*."""
    return len(text) * 0.58 * size


def _short(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
