import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from frontier.gateway.wire import usage
from frontier.gateway.wire.bodies import RenamedBody
from scripted_upstream import DONE, LAST_CHUNK, STREAM_HEAD, chunk, delta

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


def renamed(data: bytes, cuts: list[int], *, is_events: bool) -> bytes:
    body = RenamedBody(b'"model":"new"', is_events=is_events)
    edges = [0, *sorted({c % (len(data) + 1) for c in cuts}), len(data)]
    pieces = [body.feed(data[a:b]) for a, b in itertools.pairwise(edges)]
    return b"".join(pieces) + body.rest()


@given(st.lists(st.text(), max_size=5), st.lists(st.integers(min_value=0), max_size=8))
def test_streams_are_renamed_the_same_however_they_are_cut(
    texts: list[str], cuts: list[int]
) -> None:
    data = STREAM_HEAD + b"".join(chunk(delta("old", t)) for t in texts) + chunk(DONE) + LAST_CHUNK

    got = renamed(data, cuts, is_events=True)

    assert got == b"".join(delta("new", t) for t in texts) + DONE


@given(st.text(), st.lists(st.integers(min_value=0), max_size=8))
def test_documents_are_renamed_the_same_however_they_are_cut(text: str, cuts: list[int]) -> None:
    answer = {"choices": [text, f'"model":"{text}"'], "model": 'o"l,d\\', "usage": None}
    raw = json.dumps(answer, ensure_ascii=False).encode()

    got = renamed(HEAD % len(raw) + raw, cuts, is_events=False)

    # A comma in the engine's own name can be a cut; then the name stays, and the rest is right.
    assert json.loads(got)["choices"] == answer["choices"]
    assert json.loads(got)["model"] in ("new", answer["model"])


def test_an_answer_without_any_end_is_not_kept_back() -> None:
    raw = b"x" * 100_000
    body = RenamedBody(b'"model":"new"', is_events=False)

    assert body.feed(HEAD % (2 * len(raw)) + raw) == raw


def test_usage_is_read_from_the_end() -> None:
    tail = (
        b'..."},"usage":null}\n\ndata: {"choices":[],"usage" : {"completion_tokens": 5,'
        b'"prompt_tokens":31,"prompt_tokens_details":{"cached_tokens":30}}}\n\ndata: [DONE]\n\n'
    )

    assert usage.find(tail) == (31, 5, 30)
    assert usage.find(b'{"usage":{"prompt_tokens":4,"total_tokens":4}}') == (4, 0, 0)


def test_text_cannot_pose_as_usage() -> None:
    text = json.dumps({"content": '"usage":{"prompt_tokens":666}'}).encode()

    assert usage.find(text) is None
    assert usage.find(b'{"usage":null}') is None
    assert usage.find(b"") is None
