"""A coarse clock for deadlines and log lines: set once per tick, read for nothing."""

import time
from datetime import UTC, datetime


class Clock:
    """The time of the last tick.

    Attributes:
        now: Seconds, monotonic.
        epoch: Unix time.
        stamp: UTC, RFC 3339, milliseconds.
    """

    __slots__ = ("epoch", "now", "stamp")

    def __init__(self) -> None:
        self.epoch = time.time()
        self.tick()

    def tick(self) -> None:
        """Set the time."""
        self.now = time.monotonic()
        self.epoch = time.time()
        self.stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
