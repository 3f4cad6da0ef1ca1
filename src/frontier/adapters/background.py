"""Work that may take long, done beside: whoever looks at its result never waits for long."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Background(Generic[T]):
    """Repeats *work*, one run at a time, whenever somebody looks and the last one is old.

    Args:
        work: May take any time, and raise.
        every_s: From the end of a run to the next.
        first: The result until there is one.

    Attributes:
        result: Of the last run that did not fail.
        error: Why the last one did, None where it did not.
    """

    def __init__(self, work: Callable[[], T], *, every_s: float, first: T) -> None:
        self._work, self.every_s = work, every_s
        self._idle = threading.Event()
        self._idle.set()
        self._due_at = self._began_at = 0.0
        self.result = first
        self.error: Exception | None = None

    def begin(self) -> None:
        """Start a run where one is due and none is under way."""
        if self._idle.is_set() and time.monotonic() >= self._due_at:
            self._idle.clear()
            self._began_at = time.monotonic()
            # a daemon: a driver that hangs keeps nobody from leaving
            threading.Thread(target=self._run, daemon=True).start()

    def wait(self, timeout_s: float) -> None:
        """Return once no run is under way, after *timeout_s* at the latest."""
        self._idle.wait(max(0.0, timeout_s))

    @property
    def late_s(self) -> float:
        """Return how long the run that is under way has taken so far, 0 without one."""
        return 0.0 if self._idle.is_set() else time.monotonic() - self._began_at

    def _run(self) -> None:
        try:
            self.result = self._work()
            self.error = None
        except Exception as error:  # it is told to whoever looks
            self.error = error
        finally:
            self._due_at = time.monotonic() + self.every_s
            self._idle.set()
