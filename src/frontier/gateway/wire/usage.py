"""Token counts, read from the last bytes of an answer."""

import re
from typing import Final

TAIL_BYTES: Final = 1024

_COUNT = re.compile(rb'"(prompt|completion|cached)_tokens"\s*:\s*(\d{1,12})')


def find(data: bytes) -> tuple[int, int, int] | None:
    """Return input, output and cached tokens of the last ``usage`` in *data*, None without one.

    Inside a JSON string the quotes would be escaped, so generated text cannot pose as usage.
    """
    start = data.rfind(b'"usage"')
    if start < 0:
        return None
    counts = dict(_COUNT.findall(data, start))
    if b"prompt" not in counts:
        return None
    return (
        int(counts[b"prompt"]),
        int(counts.get(b"completion", 0)),
        int(counts.get(b"cached", 0)),
    )
