"""What of a Mac's memory Metal may use, where Metal cannot be asked."""

from typing import Final

_GIB: Final = 1 << 30

_SHARES: Final = ((256, 0.87), (128, 0.84), (64, 0.81), (32, 0.78), (0, 0.74))
"""GiB of memory from which on, and the share, since macOS 26.

Seen as recommendedMaxWorkingSetSize with ``iogpu.wired_limit_mb`` 0: 14302 MB of 18 GiB, 26801 of
32, 30151 of 36, 55663 of 64, 115449 of 128, 228065 MiB of 256. Between two sizes, and above the
last one, the lower share stands.
"""

_SMALL_GIB: Final = 36
"""Up to this size macOS 15 and older grant two thirds, above it three quarters."""

_NEW_RULE: Final = 26


def estimate(total_bytes: int, macos: int) -> int:
    """Return the bytes that Metal may probably use.

    Args:
        total_bytes: Memory of the Mac.
        macos: Its major version, 0 if unknown, which is taken for an old one.
    """
    if macos < _NEW_RULE:
        if total_bytes <= _SMALL_GIB * _GIB:
            return total_bytes * 2 // 3
        return total_bytes * 3 // 4
    return int(total_bytes * next(s for least, s in _SHARES if total_bytes >= least * _GIB))
