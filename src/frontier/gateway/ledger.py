"""What keys have used: numbers in memory that all worker processes share."""

import fcntl
import mmap
import os
import re
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from frontier.domain.errors import ConfigError

REQUESTS: Final = 4
"""Index in a slot: clock time at which the bucket of requests is full again."""

TOKENS: Final = 5
"""Index in a slot: clock time at which the bucket of tokens is full again."""

USED: Final = 6
"""Index in a slot: tokens used in the period of the budget."""

PERIOD: Final = 7
"""Index in a slot: number of that period."""

_SLOTS: Final = 16_384
_NUMBERS: Final = 8  # of eight bytes; the first four hold the id
_SLOT_BYTES: Final = _NUMBERS * 8
_ID_BYTES: Final = 32
_NOT_ZERO: Final = re.compile(rb"[^\0]")
_NAMING: Final = _SLOTS * _SLOT_BYTES  # the byte that is locked while a slot gets its name


@dataclass(frozen=True, slots=True)
class Usage:
    """What a key has used of its budget.

    Attributes:
        period: Number of a day, or of a month.
    """

    id: str
    used: int
    period: int


class Ledger:
    """One slot of numbers per key, found by the key's id; a slot is never given to another.

    Between processes a slot is guarded by a lock on its bytes of an unlinked file, which the
    kernel lets go when its holder dies. Alone, a process needs none.

    Args:
        is_shared: Several processes will use it, made by forking this one.

    Attributes:
        numbers: All slots, one after the other; a slot begins at what `slot` returns.
    """

    def __init__(self, *, is_shared: bool = False) -> None:
        size = _NAMING + 1
        self._file = _unlinked_file(size) if is_shared else None
        self._bytes = mmap.mmap(-1 if self._file is None else self._file, size)
        self.numbers = memoryview(self._bytes)[:_NAMING].cast("d")

    def slot(self, key_id: str) -> int:
        """Return the first index of the slot of *key_id*, a new one if it has none.

        Raises:
            ConfigError: there were too many different keys since the start.
        """
        name = key_id.encode().ljust(_ID_BYTES, b"\0")
        if len(name) > _ID_BYTES:
            raise ConfigError(f"the key id {key_id!r} is longer than {_ID_BYTES} bytes")
        first = zlib.crc32(name) % _SLOTS
        self._lock(_NAMING, 1)
        try:
            for step in range(_SLOTS):
                start = (first + step) % _SLOTS * _SLOT_BYTES
                found = self._bytes[start : start + _ID_BYTES]
                if found == name:
                    return start // 8
                if not any(found):
                    self._bytes[start : start + _ID_BYTES] = name
                    return start // 8
        finally:
            self._unlock(_NAMING, 1)
        raise ConfigError(
            f"more than {_SLOTS} keys since the gateway started", hint="frontier restart"
        )

    def lock(self, slot: int) -> None:
        """Keep other processes out of *slot*; no other code of this one runs meanwhile."""
        self._lock(slot * 8, _SLOT_BYTES)

    def unlock(self, slot: int) -> None:
        """Let them in again."""
        self._unlock(slot * 8, _SLOT_BYTES)

    def used(self) -> Iterator[Usage]:
        """Yield what was used of budgets."""
        # sixteen thousand slots in a loop of Python's would hold up requests for milliseconds
        for taken in _NOT_ZERO.finditer(self._bytes[:_NAMING:_SLOT_BYTES]):
            first = taken.start() * _NUMBERS
            if used := int(self.numbers[first + USED]):
                name = self._bytes[first * 8 : first * 8 + _ID_BYTES].rstrip(b"\0").decode()
                yield Usage(name, used, int(self.numbers[first + PERIOD]))

    def restore(self, usage: Usage) -> None:
        """Set what was used before a restart."""
        slot = self.slot(usage.id)
        self.numbers[slot + USED], self.numbers[slot + PERIOD] = usage.used, usage.period

    def _lock(self, start: int, length: int) -> None:
        if self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_EX, length, start)

    def _unlock(self, start: int, length: int) -> None:
        if self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, length, start)


def _unlinked_file(size: int) -> int:
    """Return a file that has no name; in memory where the system can, since disks may be full."""
    if hasattr(os, "memfd_create"):
        descriptor: int = os.memfd_create("frontier-ledger")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
