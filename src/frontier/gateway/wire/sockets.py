"""What every connection of the gateway does to its socket's transport."""

import asyncio
from typing import Any, Final, cast

_READ_BYTES: Final = 64 * 1024


def tuned(transport: asyncio.BaseTransport) -> asyncio.Transport:
    """Return *transport*, reading at most 64 KiB at a time.

    asyncio allocates a buffer of 256 KiB per read. glibc gets that from the kernel and gives it
    back each time: 12 us and four page faults per read, more than everything else together.
    """
    reading = cast("asyncio.Transport", transport)
    cast("Any", reading).max_size = _READ_BYTES
    return reading
