import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from frontier.gateway.apis.api import Answer
from frontier.gateway.apis.openai_answer import CompletionAnswer, DocumentAnswer
from frontier.gateway.apis.openai_request import WantedGeneration
from frontier.gateway.wire import usage
from frontier.gateway.wire.translated import TranslatedBody
from scripted_upstream import DONE, LAST_CHUNK, STREAM_HEAD, chunk, delta

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"


def said(data: bytes, cuts: list[int], answer: Answer, kind: bytes, *, streams: bool) -> bytes:
    body = TranslatedBody(answer, kind, is_streamed=streams)
    edges = [0, *sorted({c % (len(data) + 1) for c in cuts}), len(data)]
    pieces = [body.feed(data[a:b]) for a, b in itertools.pairwise(edges)]
    return b"".join(pieces) + body.rest()


def completion_answer(*, streams: bool) -> CompletionAnswer:
    return CompletionAnswer(WantedGeneration(model="new", stream=streams), b'"model":"new"')


@given(st.lists(st.text(), max_size=5), st.lists(st.integers(min_value=0), max_size=8))
def test_streams_are_renamed_the_same_however_they_are_cut(
    texts: list[str], cuts: list[int]
) -> None:
    data = STREAM_HEAD + b"".join(chunk(delta("old", t)) for t in texts) + chunk(DONE) + LAST_CHUNK

    got = said(data, cuts, completion_answer(streams=True), b"text/event-stream", streams=True)

    *events, last, rest = got.split(b"\n\n")
    chunks = [json.loads(event.removeprefix(b"data: ")) for event in events]
    assert [c["choices"][0]["delta"]["content"] for c in chunks] == texts
    assert {c["model"] for c in chunks} <= {"new"}
    assert (last, rest) == (b"data: [DONE]", b"")


@given(st.text(), st.lists(st.integers(min_value=0), max_size=8))
def test_documents_are_renamed_the_same_however_they_are_cut(text: str, cuts: list[int]) -> None:
    answer = {"data": [text, f'"model":"{text}"'], "model": 'o"l,d\\', "usage": None}
    raw = json.dumps(answer, ensure_ascii=False).encode()
    reply = DocumentAnswer(b'"model":"new"')

    got = said(HEAD % len(raw) + raw, cuts, reply, b"application/json", streams=False)

    assert json.loads(got) == answer | {"model": "new"}


def test_usage_is_read_from_the_end() -> None:
    tail = (
        b'..."},"usage":null}\n\ndata: {"choices":[],"usage" : {"completion_tokens": 5,'
        b'"prompt_tokens":31,"prompt_tokens_details":{"cached_tokens":30}}}\n\ndata: [DONE]\n\n'
    )

    assert usage.find(tail) == (31, 5, 30)
    assert usage.find(b'{"usage":{"prompt_tokens":4,"total_tokens":4}}') == (4, 0, 0)


def test_timings_of_llama_cpp_count_where_no_usage_was_asked_for() -> None:
    tail = (
        b'"finish_reason":"stop"}],"timings":{"cache_n":30,"prompt_n":1,"prompt_ms":9.5,'
        b'"predicted_n":5,"predicted_ms":20.1}}\n\ndata: [DONE]\n\n'
    )

    assert usage.find(tail) == (31, 5, 30)
    assert usage.find(b'{"usage":null,"timings":{}}') is None


def test_text_cannot_pose_as_usage() -> None:
    text = json.dumps({"content": '"usage":{"prompt_tokens":666}'}).encode()

    assert usage.find(text) is None
    assert usage.find(b'{"usage":null}') is None
    assert usage.find(b"") is None
