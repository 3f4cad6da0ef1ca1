"""Token counts, read from the last bytes of an answer."""

import re
from typing import Final

TAIL_BYTES: Final = 1024

_PROMPT = re.compile(rb'"prompt_tokens"\s*:\s*(\d{1,12})')
_COMPLETION = re.compile(rb'"completion_tokens"\s*:\s*(\d{1,12})')
_CACHED = re.compile(rb'"cached_tokens"\s*:\s*(\d{1,12})')


def find(data: bytes) -> tuple[int, int, int] | None:
    """Return input, output and cached tokens of the last ``usage`` in *data*, None without one.

    Inside a JSON string the quotes would be escaped, so generated text cannot pose as usage.
    """
    start = data.rfind(b'"usage"')
    if start < 0:
        return None
    prompt = _PROMPT.search(data, start)
    if prompt is None:
        return None
    completion = _COMPLETION.search(data, start)
    cached = _CACHED.search(data, start)
    return (
        int(prompt[1]),
        int(completion[1]) if completion else 0,
        int(cached[1]) if cached else 0,
    )
