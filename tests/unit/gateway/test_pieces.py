"""What marks a piece of a stream, whichever engine writes it."""

import pytest

from frontier.gateway.wire.pieces import mark

SPACED = b'data: {"choices": [{"delta": {"content": "a"}, "finish_reason": null}]}\n\n'
DENSE = SPACED.replace(b": ", b":").replace(b", ", b",")
LINES = b'{"message":{"role":"assistant","content":"a"},"done":false}\n'
UNTOLD = b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n'
END = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize("piece", [SPACED, DENSE, LINES], ids=["spaced", "dense", "lines"])
def test_a_piece_has_it_once_and_the_end_of_a_stream_has_not(piece: bytes) -> None:
    found = mark(piece)

    assert (3 * piece + END + END.replace(b": ", b":")).count(found) == 3


@pytest.mark.parametrize("first", [UNTOLD, b": a comment\n\n", b""])
def test_where_no_piece_tells_of_an_end_all_events_count(first: bytes) -> None:
    assert (UNTOLD + UNTOLD).count(mark(first)) == 2
