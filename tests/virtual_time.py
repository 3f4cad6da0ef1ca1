"""An event loop whose clock jumps: a minute of waiting takes no time."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jumping(selectors.SelectSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if events := super().select(0):
            return events
        assert timeout is not None, "everybody waits and nothing will ever happen"
        # a turn takes time, however little: who waits awake for a moment gets there
        self.now += max(timeout, 1e-8)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time passes only while everybody waits, and then at once."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(job: Coroutine[Any, Any, T]) -> T:
    """Return the result of *job*, run in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(job)
