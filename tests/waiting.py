"""Waiting for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(probe: Callable[[], T], *, timeout_s: float = 10.0, what: str = "condition") -> T:
    """Return the first truthy value of *probe*; fail the test after *timeout_s*."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := probe():
            return value
        time.sleep(0.01)  # the polling interval, not a wait for an effect
    raise AssertionError(f"waited {timeout_s} s for {what}")
