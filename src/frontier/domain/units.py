"""Quantities for people."""

import re

from frontier.domain.errors import UsageError


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
