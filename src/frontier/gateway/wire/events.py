"""Where a stream of server-sent events stands, judged by its last bytes."""

import re
from typing import Final

from frontier.gateway.wire.answers import LAST_CHUNK

_CHUNK_HEAD: Final = re.compile(rb"(?:^|\r\n)([0-9a-fA-F]{1,8})(?:;[^\r\n]*)?\r\n")
_CHUNKED_ENDS: Final = (b"\n\n\r\n", b"\r\n\r\n\r\n")  # an event's end, then its chunk's


def is_over(tail: bytes) -> bool:
    """Tell whether a stream that has ended is whole: its marker came, or an error.

    Ollama loses errors and just ends the stream, which clients take for a complete answer.
    """
    return b"[DONE]" in tail or b'"error"' in tail


def is_between_chunks(tail: bytes) -> bool:
    """Tell whether an event of ours may follow chunks as they came, all of them whole."""
    return tail.removesuffix(LAST_CHUNK).endswith(_CHUNKED_ENDS)


def ends_an_event(tail: bytes) -> bool:
    """Tell whether chunks as they came end with a whole one that ends an event.

    To be sure its head has to be in *tail*. Lines of the events end with a line feed alone: else
    one could look like the head of a chunk.
    """
    if not tail.endswith(_CHUNKED_ENDS):
        return False
    size, heads = len(tail) - len(b"\r\n"), _CHUNK_HEAD.finditer(tail)
    return any(head.end() + int(head[1], 16) == size for head in heads)
