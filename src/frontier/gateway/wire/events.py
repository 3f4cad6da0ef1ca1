"""Where a stream of server-sent events stands, judged by its last bytes."""

from typing import Final

from frontier.gateway.wire.answers import LAST_CHUNK

_CHUNKED_ENDS: Final = (b"\n\n\r\n", b"\r\n\r\n\r\n")  # an event's end, then its chunk's


def is_over(tail: bytes) -> bool:
    """Tell whether a stream that has ended is whole: its marker came, or an error.

    Ollama loses errors and just ends the stream, which clients take for a complete answer.
    """
    return b"[DONE]" in tail or b'"error"' in tail


def is_between_chunks(tail: bytes) -> bool:
    """Tell whether an event of ours may follow chunks as they came, all of them whole."""
    return tail.removesuffix(LAST_CHUNK).endswith(_CHUNKED_ENDS)
