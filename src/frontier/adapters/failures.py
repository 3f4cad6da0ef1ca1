"""Requests that failed, from the gateway's access log, followed as it grows."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from frontier.domain.errors import FrontierError
from frontier.domain.log_line import LogLine
from frontier.domain.top import Failure

_KEPT: Final = 200
_FAILED: Final = 400
_PAUSE_S: Final = 5.0


class Failures:
    """Remembers the last ones.

    Args:
        follow: Yields the lines of the log, some of the past first, and those that come; raises
            a FrontierError while there is no log.
    """

    def __init__(self, follow: Callable[[], Iterator[LogLine]]) -> None:
        self._follow = follow
        self._found: deque[Failure] = deque(maxlen=_KEPT)
        self._thread: threading.Thread | None = None

    def newest(self) -> tuple[Failure, ...]:
        """Return the last failures, newest first; begins to read with the first call."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, daemon=True)
            self._thread.start()
        return tuple(reversed(self._found.copy()))

    def _read(self) -> None:
        while True:
            known = {failure.request_id for failure in self._found}
            with contextlib.suppress(FrontierError):
                for line in self._follow():
                    failure = parse(line)
                    if failure and failure.request_id not in known:
                        self._found.append(failure)
            time.sleep(_PAUSE_S)  # no log yet, or Docker does not answer


def parse(line: LogLine) -> Failure | None:
    """Return the failed request that *line* of the access log tells of, None for anything else."""
    fields = line.fields
    status = fields.get("status")
    if not isinstance(status, int) or status < _FAILED:
        return None
    return Failure(
        time=line.time or "",
        route=str(fields.get("route", "")),
        status=status,
        model=str(fields.get("model", "")),
        backend=str(fields.get("backend", "")),
        key=str(fields.get("key", "")),
        duration_s=float(fields.get("duration_ms") or 0.0) / 1000,
        request_id=str(fields.get("request_id", "")),
    )
