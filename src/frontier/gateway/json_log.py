"""The log: JSON lines on standard output, collected and written on the gateway's tick."""

import os
import select
from typing import Final

import msgspec

_MAX_LINES: Final = 10_000
# A pipe that poll calls writable takes this much without blocking (POSIX's PIPE_BUF).
_ATOMIC_BYTES: Final = 4096


class AccessLine(msgspec.Struct, omit_defaults=True):
    """One request; never a prompt, never a key.

    Attributes:
        route: The path that answers, ``other`` for unknown ones.
        status: HTTP status; 499 if the client left first; of a stream that broke, its cause.
        ttft_ms: From the request's first byte to the first byte of the answer's body.
        held_ms: Part of both durations: how long it waited here for an engine.
        fallback_from: The model that was asked, where another one answered.
        bytes: Sent to the client.
        key: The id of the API key, none without one.
    """

    time: str
    request_id: str
    route: str
    status: int
    duration_ms: float
    bytes: int
    model: str = ""
    backend: str = ""
    stream: bool = False
    ttft_ms: float | None = None
    held_ms: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    fallback_from: str = ""
    key: str = ""


class JsonLog:
    """Lines that wait for the next flush; a reader that stalls costs lines, not requests.

    Args:
        descriptor: Where to write; never blocks the loop if it is a pipe nobody reads.
    """

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._lines: list[bytes] = []
        self._encode = msgspec.json.Encoder().encode
        self.dropped = 0

    def access(self, line: AccessLine) -> None:
        """Add one request."""
        self._add(line)

    def event(self, event: str, time: str, *, level: str = "info", **fields: object) -> None:
        """Add something that happened to the gateway itself."""
        self._add({"time": time, "level": level, "event": event, **fields})

    def _add(self, line: object) -> None:
        if len(self._lines) >= _MAX_LINES:
            self.dropped += 1
            return
        self._lines.append(self._encode(line) + b"\n")

    def flush(self) -> None:
        """Write what fits without blocking; keep the rest."""
        lines = self._lines
        while lines and self._is_writable():
            batch, size = 0, 0
            while batch < len(lines) and (batch == 0 or size + len(lines[batch]) <= _ATOMIC_BYTES):
                size += len(lines[batch])
                batch += 1
            try:
                os.write(self._descriptor, b"".join(lines[:batch]))
            except OSError:  # nobody reads any more: the log goes, the service stays
                self.dropped += len(lines)
                lines.clear()
                return
            del lines[:batch]

    def _is_writable(self) -> bool:
        try:
            return bool(select.select([], [self._descriptor], [], 0)[1])
        except (OSError, ValueError):
            return False
