"""How many pieces of text a stream brings, told from its bytes alone.

Tokens are told at a stream's end only, and of one that a client leaves never; pieces are counted as
they come. Almost every engine sends a token in each.
"""

from typing import Final

STREAMS: Final = (b"text/event-stream", b"application/x-ndjson")
"""Content types of streams."""

_MARKS: Final = (b'"finish_reason":null', b'"finish_reason": null', b'"done":false')
_EVENT: Final = b"data:"


def mark(first: bytes) -> bytes:
    """Return what stands once in each piece of a stream that begins with *first*.

    Engines write JSON with spaces or without; of one that tells no reason before its end all
    events count, those without text as well.
    """
    for each in _MARKS:
        if each in first:
            return each
    return _EVENT
