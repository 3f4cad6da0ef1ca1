"""Token counts, read from the last bytes of an answer."""

import re
from typing import Final

TAIL_BYTES: Final = 1024

_COUNT = re.compile(rb'"(prompt|completion|cached)_tokens"\s*:\s*(\d{1,12})')
_TIMED = re.compile(rb'"(cache|prompt|predicted)_n"\s*:\s*(\d{1,12})')


def find(data: bytes) -> tuple[int, int, int] | None:
    """Return input, output and cached tokens of the last ``usage`` in *data*, None without one.

    llama.cpp's ``timings`` serve as well: a stream has them though nobody asked for its usage.
    Inside a JSON string the quotes would be escaped, so generated text cannot pose as either.
    """
    start = data.rfind(b'"usage"')
    if start < 0:
        return _timed(data)
    counts = dict(_COUNT.findall(data, start))
    if b"prompt" not in counts:
        return _timed(data)
    return (
        int(counts[b"prompt"]),
        int(counts.get(b"completion", 0)),
        int(counts.get(b"cached", 0)),
    )


def _timed(data: bytes) -> tuple[int, int, int] | None:
    start = data.rfind(b'"timings"')
    if start < 0:
        return None
    counts = dict(_TIMED.findall(data, start))
    if b"predicted" not in counts:
        return None
    cached = int(counts.get(b"cache", 0))
    return cached + int(counts.get(b"prompt", 0)), int(counts[b"predicted"]), cached
