"""What keys have used of their budgets, kept over a restart of the gateway."""

from pathlib import Path
from typing import Final

import msgspec

from frontier.adapters.files import write_atomic
from frontier.domain.errors import FrontierError
from frontier.gateway.ledger import Ledger, Usage

_EVERY_S: Final = 5.0


class _Document(msgspec.Struct, frozen=True):
    version: int
    used: tuple[Usage, ...]


class UsageFile:
    """Written by one process: the only one, or the parent of the workers.

    Args:
        path: The file; None keeps nothing.
        ledger: What is kept.
    """

    def __init__(self, path: Path | None, ledger: Ledger) -> None:
        self._path, self._ledger = path, ledger
        self._last = b""
        self._next_at = 0.0

    def load(self) -> str:
        """Take over what an earlier gateway wrote; return why it could not be, else ""."""
        if self._path is None:
            return ""
        try:
            document = msgspec.json.decode(self._path.read_bytes(), type=_Document)
            for usage in document.used:
                self._ledger.restore(usage)
        except FileNotFoundError:
            return ""
        except (OSError, msgspec.DecodeError, FrontierError) as error:
            return f"{self._path}: budgets begin anew: {error}"
        return ""

    def is_due(self, now: float) -> bool:
        """Tell whether it is time to save, once every five seconds of the clock's *now*."""
        if self._path is None or now < self._next_at:
            return False
        self._next_at = now + _EVERY_S
        return True

    def save(self) -> str:
        """Save what has changed; return why it could not be, else ""."""
        if self._path is None:
            return ""
        data = msgspec.json.encode(_Document(1, tuple(self._ledger.used())))
        if data == self._last:
            return ""
        try:
            write_atomic(self._path, data, mode=0o600)
        except FrontierError as error:
            return f"what keys have used is not kept: {error.message}"
        self._last = data
        return ""
