"""Runs probes at the same time and stops waiting for all of them at one deadline."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from frontier.adapters.machine.tools import ToolError, one_line

T = TypeVar("T")

# A tool that used up its time still needs a moment to be killed and reported.
_GRACE_S = 0.5


class Probes:
    """Runs each piece of work in a thread of its own; what fails becomes a line of `problems`."""

    def __init__(self, timeout_s: float) -> None:
        self.problems: list[str] = []
        self._deadline = time.monotonic() + timeout_s + _GRACE_S
        self._timeout_s = timeout_s

    def start(self, name: str, work: Callable[[], T]) -> Callable[[], T | None]:
        """Start *work*; the returned function gives its result, or None and adds a problem."""
        box: queue.SimpleQueue[T | _Failure] = queue.SimpleQueue()

        def put() -> None:
            try:
                box.put(work())
            except ToolError as error:
                box.put(_Failure(str(error)))
            except Exception as error:  # a probe may break in any way, the command may not
                box.put(_Failure(f"{name}: {type(error).__name__}: {one_line(str(error))}"))

        # A daemon, because a dead network file system holds its reader for ever.
        threading.Thread(target=put, name=f"probe {name}", daemon=True).start()
        return partial(self._result, name, box)

    def _result(self, name: str, box: "queue.SimpleQueue[T | _Failure]") -> T | None:
        try:
            found = box.get(timeout=max(0.0, self._deadline - time.monotonic()))
        except queue.Empty:
            found = _Failure(f"{name}: no answer after {self._timeout_s:g} s")
        if isinstance(found, _Failure):
            if found.message not in self.problems:  # one tool may serve several probes
                self.problems.append(found.message)
            return None
        return found


@dataclass(frozen=True, slots=True)
class _Failure:
    message: str
