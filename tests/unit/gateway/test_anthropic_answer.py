"""An engine's chunks as a message: whatever the chunking, the same blocks."""

import json
from itertools import groupby, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.gateway.apis.anthropic_answer import MessageAnswer
from frontier.gateway.apis.api import BadAnswerError
from spoken_anthropic import events

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
OBJECTS = st.dictionaries(
    st.text(max_size=4), st.none() | st.integers() | st.text(max_size=6), max_size=3
)


def an_answer(*, is_single: bool = False, echoed: str = "") -> MessageAnswer:
    return MessageAnswer("m", estimate=5, echoed=echoed, is_single=is_single)


def chunk(**delta: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "delta": delta}]}).encode()


def finish(reason: str = "stop") -> bytes:
    return json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}).encode()


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[a:b] for a, b in pairwise(edges)]


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[tuple[str, str]], list[dict[str, Any]], list[bytes]]:
    """What is said, what is called, and chunks that say so in some legal order."""
    said = draw(st.lists(st.tuples(st.sampled_from(["thinking", "text"]), TEXTS), max_size=5))
    called = draw(st.lists(OBJECTS, max_size=3))
    heads = [chunk(**{_FIELDS[kind]: text}) for kind, text in said]
    lanes: list[list[bytes]] = []
    for index, arguments in enumerate(called):
        text = json.dumps(arguments) + draw(st.sampled_from(["", "\n"]))
        cuts = draw(st.lists(st.integers(0, 99), max_size=6))
        first = {"index": index, "function": {"name": f"f{index}", "arguments": ""}}
        rest = [{"index": index, "function": {"arguments": p}} for p in pieces_of(text, cuts)]
        lanes.append([chunk(tool_calls=[part]) for part in (first, *rest)])
    late = draw(st.lists(TEXTS.map(lambda text: ("text", text)), max_size=2)) if called else []
    lanes.append([chunk(content=text) for _, text in late])
    order = draw(st.permutations([i for i, lane in enumerate(lanes) for _ in lane]))
    mixed = [lanes[i].pop(0) for i in order]
    return said + late, called, [*heads, *mixed, finish("tool_calls" if called else "stop")]


_FIELDS = {"thinking": "reasoning_content", "text": "content"}
_TOLD = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


def blocks(body: bytes) -> list[tuple[str, str]]:
    """Return kind and content of each block; they must follow one another."""
    found: list[tuple[str, str]] = []
    is_open = False
    for event in events(body):
        match event["type"]:
            case "content_block_start":
                assert not is_open
                assert event["index"] == len(found)
                is_open = True
                found.append((event["content_block"]["type"], ""))
            case "content_block_delta":
                assert is_open
                assert event["index"] == len(found) - 1
                field = _TOLD.get(event["delta"]["type"])
                if field:
                    kind, text = found[-1]
                    found[-1] = kind, text + event["delta"][field]
            case "content_block_stop":
                assert is_open
                is_open = False
            case _:
                assert not is_open
    return found


@given(streams())
def test_blocks_say_what_the_chunks_said(stream: Any) -> None:
    said, called, chunks = stream
    answer = an_answer()

    body = b"".join(answer.event(one) for one in chunks) + answer.end()

    found = blocks(body)
    for kind in ("text", "thinking"):
        mine = "".join(text for name, text in found if name == kind)
        assert mine == "".join(text for name, text in said if name == kind)
    inputs = [json.loads(text) for name, text in found if name == "tool_use"]
    assert sorted(map(json.dumps, inputs)) == sorted(map(json.dumps, called))
    assert body.isascii()
    assert events(body)[0]["type"] == "message_start"
    assert events(body)[-1]["type"] == "message_stop"


@given(streams())
def test_the_whole_message_says_the_same(stream: Any) -> None:
    said, called, chunks = stream
    answer = an_answer()
    for one in chunks:
        answer.event(one)

    message = json.loads(answer.collected())

    texts = {block["type"]: block for block in message["content"]}
    for kind in ("text", "thinking"):
        expected = "".join(text for name, text in said if name == kind)
        assert texts.get(kind, {kind: ""})[kind] == expected
    assert [b["input"] for b in message["content"] if b["type"] == "tool_use"] == called


@given(streams())
def test_thinking_and_text_keep_their_order(stream: Any) -> None:
    said, called, chunks = stream
    if called:
        return
    answer = an_answer()

    found = blocks(b"".join(answer.event(one) for one in chunks) + answer.end())

    runs = groupby(((kind, text) for kind, text in said if text), key=lambda part: part[0])
    assert found == [(kind, "".join(text for _, text in parts)) for kind, parts in runs]


@given(st.binary(max_size=40) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["choices", "delta", "index", "tool_calls", "function", "usage", "error"]),
        inner, max_size=4),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_nonsense_of_an_engine_is_a_bad_answer_and_nothing_else(data: bytes) -> None:
    for use in (an_answer().event, an_answer().whole):
        try:
            use(data)
        except BadAnswerError:
            continue


def test_a_call_is_closed_as_soon_as_it_is_complete_and_another_waits() -> None:
    answer = an_answer()
    first = {"index": 0, "function": {"name": "f", "arguments": '{"a": {}}'}}
    second = {"index": 1, "function": {"name": "g", "arguments": '{"b'}}

    answer.event(chunk(tool_calls=[first]))
    out = answer.event(chunk(tool_calls=[second]))

    kinds = [event["type"] for event in events(out)]
    assert kinds == ["content_block_stop", "content_block_start", "content_block_delta"]


def test_a_call_without_a_name_is_a_bad_answer() -> None:
    answer = an_answer()
    answer.event(chunk(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]))
    answer.event(finish())

    with pytest.raises(BadAnswerError):
        answer.end()


def test_a_heartbeat_comes_behind_the_start_which_comes_once() -> None:
    answer = an_answer()

    first, second = answer.heartbeat(), answer.heartbeat()
    then = answer.event(chunk(content="Hi"))

    assert [event["type"] for event in events(first)] == ["message_start", "ping"]
    assert [event["type"] for event in events(second)] == ["ping"]
    assert events(then)[0]["type"] == "content_block_start"


def test_cached_tokens_are_told_apart() -> None:
    details = {"cached_tokens": 4}
    usage = {"prompt_tokens": 10, "completion_tokens": 2, "prompt_tokens_details": details}
    body = {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": usage}

    message = json.loads(an_answer().whole(json.dumps(body).encode()))

    assert message["usage"] == {
        "input_tokens": 6,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 4,
        "output_tokens": 2,
    }
