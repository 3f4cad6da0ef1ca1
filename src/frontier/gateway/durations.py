"""Durations as people write them: ``5s``, ``500ms``, ``2m``, ``1h``, or plain seconds."""

import re

_UNITS_S = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)")


def seconds(value: str | float) -> float:
    """Return *value* in seconds.

    Raises:
        ValueError: not a duration, or not above zero.
    """
    match = _DURATION.fullmatch(str(value).strip())
    if match is None or float(match[1]) == 0:
        raise ValueError(f"{value!r} is not a duration above zero, such as 5s, 500ms or 2m")
    return float(match[1]) * _UNITS_S[match[2]]
