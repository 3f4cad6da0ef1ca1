"""Numbers of `frontier top` for people."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, Final, cast

from frontier.domain.top import Spread
from frontier.domain.units import size

_THOUSANDS: Final = ("", "k", "M", "G", "T")


def rate(number: float | None) -> str:
    """Return *number* with three digits: ``0.25``, ``12.5``, ``340``, ``1.2k``."""
    if number is None:
        return "-"
    units = iter(_THOUSANDS)
    unit = next(units)
    while number >= 999.5 and unit != _THOUSANDS[-1]:  # noqa: PLR2004 what prints as 1000
        number, unit = number / 1000, next(units)
    digits = 2 if 0 < number < 9.995 else 1 if 0 < number < 99.95 else 0  # noqa: PLR2004
    return f"{number:.{digits}f}{unit}"


def duration(seconds: float | None) -> str:
    """Return *seconds* for people: ``8.1 ms``, ``1.25 s``, ``4m05s``, ``3h12m``, ``2d03h``."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.{1 if seconds < 0.01 else 0}f} ms"  # noqa: PLR2004 two digits
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{seconds:.{2 if seconds < 10 else 1}f} s"  # noqa: PLR2004 three digits
    return _long(int(minutes), int(rest))


def _long(minutes: int, seconds: int) -> str:
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes}m{seconds:02}s"
    return f"{hours}h{minutes:02}m" if hours < 48 else f"{hours // 24}d{hours % 24:02}h"  # noqa: PLR2004


def percent(number: float | None) -> str:
    """Return *number* as ``63 %``."""
    return "-" if number is None else f"{number:.0f} %"


def amount(size_bytes: int | None) -> str:
    """Return *size_bytes* for people, ``-`` for what nobody told."""
    return "-" if size_bytes is None else size(size_bytes)


def details(value: object, prefix: str = "") -> list[tuple[str, str]]:
    """Return every field of *value* as its name and its value for people."""
    rows: list[tuple[str, str]] = []
    if not is_dataclass(value):
        return rows
    for field in fields(value):
        inner: object = getattr(value, field.name)
        if is_dataclass(inner):
            rows += details(inner, f"{_spoken(field.name)} " if isinstance(inner, Spread) else "")
        else:
            rows.append((prefix + _spoken(field.name), _for_people(field.name, inner)))
    return rows


def _spoken(name: str) -> str:
    suffix = next((each for each in _UNITS if name.endswith(each)), "")
    rest = name.removesuffix(suffix).replace("_", " ")
    return f"{rest}/s" if suffix == "_per_s" else rest


def _for_people(name: str, value: object) -> str:
    if value is None or value in ("", ()):
        return "-"
    if isinstance(value, tuple):
        return ", ".join(map(str, cast("tuple[object, ...]", value)))
    if isinstance(value, int | float):
        unit = next((each for each in _UNITS if name.endswith(each)), "")
        return _UNITS[unit](value) if unit else f"{value:,}"
    return str(value)


_UNITS: Final[dict[str, Callable[[Any], str]]] = {
    "_bytes": lambda count: f"{size(count)} ({count:,} bytes)",
    "_per_s": rate,
    "_s": duration,
    "_percent": percent,
    "_usd": lambda dollars: f"$ {dollars:.4f}",
    "_c": lambda degrees: f"{degrees:.0f} °C",
    "_w": lambda watts: f"{watts:.0f} W",
}
"""How a number is told, by the unit that its name ends in; the first that fits counts."""
