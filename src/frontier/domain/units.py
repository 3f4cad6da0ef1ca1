"""Quantities for people."""

import re
from math import log10
from typing import Final

from frontier.domain.errors import UsageError

_PREFIXES: Final = (
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
)

_UNITS_S: Final = {
    "y": 31_536_000,
    "w": 604_800,
    "d": 86_400,
    "h": 3600,
    "m": 60,
    "s": 1,
    "ms": 0.001,
}
"""What Prometheus knows, the longest first, which is the order it wants."""


def size(size_bytes: float) -> str:
    """Return *size_bytes* for people, in binary units: ``93.8 MiB``."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:  # noqa: PLR2004 - the step between binary units
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"


def bytes_of(text: str) -> int:
    """Return the bytes that a person means: ``8G``, ``8GiB``, ``500 MB``, ``1048576``.

    ``G`` and ``GiB`` are binary, ``GB`` is decimal.

    Raises:
        UsageError: it is no size.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?", text.strip().lower())
    if not found:
        raise UsageError(f"{text!r} is no size", hint="For instance 8G, 500MB or 1048576.")
    number, unit, kind = found.groups()
    step = 1000 if unit and kind == "b" else 1024
    return int(float(number) * step ** " kmgt".index(unit or " "))


def quantity(value: float, unit: str = "") -> str:
    """Return *value* for people, with three significant digits: ``12.3 ms``, ``1.20 k``.

    Args:
        value: In *unit*.
        unit: ``s``, ``bytes``, ``ratio`` (shown in percent), or any other word behind it.
    """
    if unit == "bytes":
        return size(value)
    divisor, name = prefix(abs(value), unit)
    number = value / divisor
    if not unit and number == int(number) and divisor == 1:
        return f"{number:.0f}"  # a count
    decimals = max(0, 2 - int(log10(abs(number)))) if abs(number) >= 1 else 3
    return f"{number:.{decimals if number else 0}f} {name}".rstrip()


def prefix(most: float, unit: str = "") -> tuple[float, str]:
    """Return what to divide quantities up to *most* by, and the name of their unit then."""
    if unit == "ratio":
        return 0.01, "%"
    if unit == "bytes":
        steps = [(1024.0**n, name) for n, name in enumerate(("B", "KiB", "MiB", "GiB", "TiB"))]
        return max((step for step in steps if step[0] <= most), default=steps[0])
    largest, smallest = (1.0, 1e-9) if unit == "s" else (1e9, 1.0)
    known = [step for step in _PREFIXES if smallest <= step[0] <= largest]
    divisor, letter = next((step for step in known if step[0] <= most), known[-1])
    return (divisor, f"{letter}{unit}") if most else (1.0, unit)


def seconds_of(text: str) -> float:
    """Return the seconds of a duration as Prometheus writes it, ``1d12h``; 0 where it is none."""
    found = re.fullmatch("".join(rf"(?:(\d+){unit})?" for unit in _UNITS_S), text)
    counts = found.groups(default="0") if found else ()
    return sum(int(n) * size for n, size in zip(counts, _UNITS_S.values(), strict=False))
