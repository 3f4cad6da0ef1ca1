"""Where a raw stream stands, and lines of JSON taken apart."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from frontier.gateway.apis.ndjson import Lines
from frontier.gateway.wire.events import ends_an_event
from frontier.gateway.wire.usage import TAIL_BYTES
from scripted_upstream import chunk, delta


def test_a_chunk_that_ends_an_event_is_seen() -> None:
    stream = chunk(delta("m", "x" * 900)) + chunk(delta("m", "y"))

    assert ends_an_event(stream[-TAIL_BYTES:])
    assert ends_an_event(chunk(b"data: x\r\n\r\n"))
    assert not ends_an_event(stream[:-1])
    assert not ends_an_event(chunk(b"data: half"))
    assert not ends_an_event(b"")


def test_a_chunk_whose_head_is_out_of_sight_is_not_judged() -> None:
    assert not ends_an_event(chunk(delta("m", "x" * 2000))[-TAIL_BYTES:])


@given(st.lists(st.text(), min_size=1, max_size=4), st.data())
def test_the_middle_of_a_chunk_is_never_taken_for_its_end(
    texts: list[str], data: st.DataObject
) -> None:
    events = b"".join(delta("m", text) for text in texts) + b":\n\n5\n\n"
    edges = {0, *data.draw(st.lists(st.integers(0, len(events)), max_size=5)), len(events)}
    chunks = [chunk(events[a:b]) for a, b in itertools.pairwise(sorted(edges))]
    whole = b"".join(chunks)
    cut = data.draw(st.integers(0, len(whole)))

    if ends_an_event(whole[:cut][-TAIL_BYTES:]):
        assert cut in set(itertools.accumulate(len(c) for c in chunks))


@given(st.lists(st.binary().map(lambda b: b.replace(b"\n", b" ")), max_size=5), st.data())
def test_lines_are_the_same_however_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    text = b"".join(line + b"\n\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    reader = Lines()

    found = [
        line
        for a, b in itertools.pairwise([0, *cuts, len(text)])
        for line in reader.feed(text[a:b])
    ]

    assert found + reader.rest() == [line for line in lines if line.strip()]
