"""The Responses API's translators alone: any order and cut of an engine's words, any request."""

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import event as note
from hypothesis import given
from hypothesis import strategies as st

from frontier.gateway.apis.api import Answer, BadAnswerError, BadRequestError
from frontier.gateway.apis.responses import Asked, Responses
from frontier.gateway.errors import Problem
from frontier.gateway.routes import Address, Backend, Route, Target, Timeouts
from fuzzing import RESPONSES, encoded, mutated
from scripted_upstream import completion
from spoken_responses import events_of, output_text

BACKENDS = ["llamacpp", "vllm", "mistral", "ollama", "openai"]
PATCH: Any = {"type": "custom", "name": "patch"}


def route(backend: str = "vllm") -> Route:
    address = Address("127.0.0.1", 1)
    engine = Backend(name="m", address=address, upstream_model="engine's")
    target = Target(
        name="m",
        aliases=(),
        backend=backend,
        backends=(engine,),
        timeouts=Timeouts(),
        label="m",
    )
    return Route(asked="m", target=target, backend=engine, splice=False, echo=b"")


def read(**fields: Any) -> Asked:
    body = {"model": "m", "input": "Hi", "stream": True, **fields}
    return Responses().read("/v1/responses", json.dumps(body).encode())


def answer_to(**fields: Any) -> Answer:
    return read(**fields).outgoing(route()).answer


def messages(*items: Any, backend: str = "llamacpp", **fields: Any) -> list[dict[str, Any]]:
    """Return what an engine gets of *items*."""
    body = json.loads(read(input=list(items), **fields).outgoing(route(backend)).body)
    found: list[dict[str, Any]] = body["messages"]
    return found


def chunk(finish: str | None = None, **delta: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return json.dumps({"choices": [choice]}).encode()


def call(index: int, arguments: str, name: str | None = None) -> dict[str, Any]:
    return {"index": index, "function": {"name": name, "arguments": arguments}}


# Requests


def said(role: str, *texts: str) -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"role": role, "content": [{"type": kind, "text": text} for text in texts]}


def test_what_the_system_says_in_a_row_is_one_message() -> None:
    got = messages(said("developer", "B", "C"), said("user", "Hi"), instructions="A")

    assert got == [
        {"role": "system", "content": "A\n\nB\nC"},
        {"role": "user", "content": "Hi"},
    ]


def called(call_id: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": ""}


def test_calls_join_the_message_before_them_and_thoughts_go_with_it() -> None:
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}

    got = messages(
        said("user", "Hi"), thought, said("assistant", "I look."), called("a"), called("b")
    )

    assert got[1]["content"] == "I look."
    assert got[1]["reasoning_content"] == "Hm."
    assert [one["id"] for one in got[1]["tool_calls"]] == ["a", "b"]
    assert got[1]["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("backend", "field"),
    [
        ("llamacpp", "reasoning_content"),
        ("mistral", "reasoning_content"),
        ("vllm", "reasoning"),
        ("ollama", "thinking"),
        ("openai", None),
    ],
)
def test_thoughts_go_back_under_the_engines_own_word(backend: str, field: str | None) -> None:
    thought = {"type": "reasoning", "summary": [], "content": [{"type": "text", "text": "Hm."}]}

    got = messages(said("user", "Hi"), thought, called("a"), backend=backend)

    assert (got[1].keys() - {"role", "content", "tool_calls"}) == ({field} if field else set())


def test_pictures_that_a_tool_returns_follow_when_all_results_are_there() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    text = {"type": "input_text", "text": "a page"}
    outputs = [
        {"type": "function_call_output", "call_id": "a", "output": [text, image]},
        {"type": "function_call_output", "call_id": "b", "output": "done"},
    ]

    got = messages(said("user", "Hi"), called("a"), called("b"), *outputs)

    assert [m["role"] for m in got] == ["user", "assistant", "tool", "tool", "user"]
    assert (got[2]["content"], got[3]["content"]) == ("a page", "done")
    assert got[4]["content"][0]["type"] == "image_url"


def test_the_grammar_of_a_free_text_is_told_in_words() -> None:
    form = {"type": "grammar", "syntax": "lark", "definition": "start: WORD"}
    tool = PATCH | {"description": "Edits.", "format": form}

    body = json.loads(read(tools=[tool]).outgoing(route()).body)

    function = body["tools"][0]["function"]
    assert function["description"] == (
        "Edits.\n\nThe input follows this lark grammar:\nstart: WORD"
    )
    assert function["parameters"]["required"] == ["input"]


def test_a_schema_is_passed_on_untouched_and_mistral_rs_is_asked_without_options() -> None:
    schema = {"$schema": "x", "properties": {"é": {"maximum": 1e300}}}
    form = {"type": "json_schema", "schema": schema, "description": "d"}

    body = json.loads(read(text={"format": form}).outgoing(route("mistral")).body)

    told = {"name": "schema", "schema": schema, "description": "d"}
    assert body["response_format"] == {"type": "json_schema", "json_schema": told}
    assert body["stream"] is True
    assert "stream_options" not in body


def test_what_a_response_repeats_of_the_request_is_one_ascii_line() -> None:
    body = (
        '{"model":"m","input":"Hi",\n"tools":[{"type":"web_search",\r\n"x":"é\u2028\U0001f600"}]}'
    )
    answer = Responses().read("/v1/responses", body.encode()).outgoing(route()).answer

    got = answer.whole(json.dumps(completion("m")).encode())

    assert got.isascii()
    assert b"\n" not in got
    assert json.loads(got)["tools"] == [{"type": "web_search", "x": "é\u2028\U0001f600"}]


# Any request


@given(st.randoms(use_true_random=True), st.sampled_from(BACKENDS))
def test_any_body_is_a_request_or_a_400(random: Random, backend: str) -> None:
    body = encoded(random, mutated(random, RESPONSES))

    try:
        outgoing = Responses().read("/v1/responses", body).outgoing(route(backend))
    except BadRequestError as error:
        refused = error.problem
        note(f"refused: {refused.param}")
    else:
        refused = None
        note("taken")

    if refused is not None:
        assert (refused.status, refused.body.isascii()) == (400, True)
        return
    words = {"message": {"content": "Hi"}, "done": True} if backend == "ollama" else completion("m")
    assert json.loads(outgoing.body)["messages"]
    assert json.loads(outgoing.answer.whole(json.dumps(words).encode()))


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","input":"Hi","text":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"m","input":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"model":"m","input":"Hi","tool_choice":'
        + b'{"type":"allowed_tools","tools":[' * 900
        + b"]}" * 900
        + b"}",
        b'{"model":"m","input":[{"role":"user","content":"\\ud800"}]}',
        b'{"model":"m","input":[{"role":"user","content":"\xff"}]}',
        b'{"model":"m","input":"Hi","tools":[{"type":"x","y":"\xff"}]}',
        b'{"model":"m","input":"Hi","metadata":{"a":1}}',
        b"[]",
        b"",
    ],
    ids=lambda body: repr(body)[:50],
)
def test_bodies_that_break_parsers_get_400(body: bytes) -> None:
    with pytest.raises(BadRequestError) as caught:
        Responses().read("/v1/responses", body)

    assert caught.value.problem.status == 400


# Any answer

pieces = st.one_of(
    st.tuples(st.just("thought"), st.text(min_size=1, max_size=20)),
    st.tuples(st.just("text"), st.text(min_size=1, max_size=20)),
    st.tuples(st.just("refusal"), st.text(min_size=1, max_size=20)),
    st.tuples(st.integers(0, 2), st.text(max_size=20)),
)


def chunks_of(told: list[tuple[str | int, str]]) -> Iterator[bytes]:
    """Yield an engine's chunks that tell all this; calls have names where they begin."""
    fields = {"thought": "reasoning_content", "text": "content", "refusal": "refusal"}
    begun: set[int] = set()
    yield chunk(role="assistant", content=None)
    for kind, text in told:
        if isinstance(kind, str):
            yield chunk(**{fields[kind]: text})
        else:
            yield chunk(tool_calls=[call(kind, text, None if kind in begun else f"tool{kind}")])
            begun.add(kind)
    yield chunk("tool_calls" if begun else "stop")
    usage = {"prompt_tokens": 3, "completion_tokens": 4}
    yield json.dumps({"choices": [], "usage": usage}).encode()


def told_of(told: list[tuple[str | int, str]], kind: str | int) -> str:
    return "".join(text for what, text in told if what == kind)


DELTAS = {
    "thought": "response.reasoning_summary_text.delta",
    "text": "response.output_text.delta",
    "refusal": "response.refusal.delta",
}


def deltas_by_item(events: list[dict[str, Any]]) -> dict[int, str]:
    found: dict[int, str] = {}
    for event in events:
        if "delta" in event:
            found[event["output_index"]] = found.get(event["output_index"], "") + event["delta"]
    return found


@given(st.lists(pieces, max_size=12))
def test_whatever_an_engine_tells_in_whatever_order_arrives(
    told: list[tuple[str | int, str]],
) -> None:
    answer = answer_to()

    stream = b"".join([answer.event(data) for data in chunks_of(told)]) + answer.end()

    events = events_of(stream)
    output = events[-1]["response"]["output"]
    assert stream.isascii()
    assert [e["type"] for e in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1]["type"] == "response.completed"
    for kind, name in DELTAS.items():
        assert "".join(e["delta"] for e in events if e["type"] == name) == told_of(told, kind)
    calls = [item for item in output if item["type"] == "function_call"]
    for item in calls:
        index = int(item["name"].removeprefix("tool"))
        assert item["arguments"] == (told_of(told, index) or "{}")
    assert len(calls) == len({kind for kind, _ in told if isinstance(kind, int)})
    check_items(events, output)


def check_items(events: list[dict[str, Any]], output: list[dict[str, Any]]) -> None:
    """Every item begins once, in order, ends once as the response has it, and adds up."""
    begun = [e for e in events if e["type"] == "response.output_item.added"]
    ended = {
        e["output_index"]: e["item"] for e in events if e["type"] == "response.output_item.done"
    }
    assert [e["output_index"] for e in begun] == list(range(len(output)))
    assert ended == dict(enumerate(output))
    assert [e["item"]["id"] for e in begun] == [item["id"] for item in output]
    assert len({item["id"] for item in output}) == len(output)
    for index, text in deltas_by_item(events).items():
        item = output[index]
        parts = item.get("content") or item.get("summary") or [{"text": item.get("arguments")}]
        assert text == (parts[0].get("text") or parts[0].get("refusal"))


@given(st.lists(pieces, max_size=12))
def test_a_stream_in_place_of_a_document_says_the_same(told: list[tuple[str | int, str]]) -> None:
    streamed, collected = answer_to(), answer_to()
    *_, end = events_of(b"".join([*map(streamed.event, chunks_of(told)), streamed.end()]))

    for data in chunks_of(told):
        collected.event(data)
    got = json.loads(collected.collected())

    assert plain(got) == plain(end["response"])


def plain(response: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the output without what is made up for each response."""
    return [
        {k: v for k, v in item.items() if k not in ("id", "call_id")} for item in response["output"]
    ]


@given(st.text(min_size=1), st.data())
def test_free_text_arrives_however_its_json_is_cut(text: str, data: st.DataObject) -> None:
    answer = answer_to(tools=[PATCH])
    raw = json.dumps({"input": text}, ensure_ascii=data.draw(st.booleans()))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    parts = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]

    out = answer.event(chunk(tool_calls=[call(0, "", "patch")]))
    out += b"".join([answer.event(chunk(tool_calls=[call(0, part)])) for part in parts])
    *events, end = events_of(out + answer.event(chunk("tool_calls")) + answer.end())

    assert end["response"]["output"][0]["input"] == text
    assert "".join(e["delta"] for e in events if "delta" in e) == text


def test_free_text_that_the_model_did_not_wrap_is_taken_as_it_is() -> None:
    answer = answer_to(tools=[PATCH])
    whole = chunk("tool_calls", tool_calls=[call(0, "*** Begin", "patch")])

    assert json.loads(answer.whole(whole))["output"][0]["input"] == "*** Begin"


def test_a_long_text_comes_in_lines_that_every_client_takes() -> None:
    text = "\N{GRINNING FACE}" * 100_000
    answer = answer_to()

    out = answer.event(chunk(content=text)) + answer.event(chunk("stop"))

    assert max(map(len, out.split(b"\n"))) < 64 * 1024
    assert "".join(e["delta"] for e in events_of(out) if "delta" in e) == text


def test_a_whole_completion_with_several_calls_is_read_by_their_order() -> None:
    calls = [call(0, '{"a":1}', "a"), call(0, '{"b":2}', "b")]  # no engine counts them here
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    body = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 1}}).encode()

    got = json.loads(answer_to().whole(body))

    assert [(i["name"], i["arguments"]) for i in got["output"]] == [
        ("a", '{"a":1}'),
        ("b", '{"b":2}'),
    ]
    assert got["usage"]["total_tokens"] == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"choices":[]}',
        b"<html>",
        b'{"error":{"message":"oom"}}',
        chunk("abort", content="Hel"),
        chunk("tool_calls", tool_calls=[call(0, "{}")]),
        chunk(None, content="no end"),
    ],
    ids=lambda body: repr(body)[:50],
)
def test_a_document_that_is_no_answer_is_the_engines_failure(body: bytes) -> None:
    with pytest.raises(BadAnswerError):
        answer_to().whole(body)


def lost(answer: Answer) -> bytes:
    return answer.failure(Problem(502, "The engine died.", code="upstream_error"), "req_1")


@pytest.mark.parametrize(
    "begin",
    [
        lambda _: b"",
        lambda answer: answer.heartbeat() + answer.heartbeat(),
        lambda answer: answer.event(chunk(content="Hel")),
    ],
    ids=["nothing yet", "heartbeats", "text"],
)
def test_a_failure_ends_the_stream_wherever_it_is(begin: Callable[[Answer], bytes]) -> None:
    answer = answer_to()

    events = events_of(begin(answer) + lost(answer))

    assert [e["type"] for e in events[:2]] == ["response.created", "response.in_progress"]
    end = events[-1]
    assert end["type"] == "response.failed"
    assert end["response"]["error"] == {"code": "upstream_error", "message": "The engine died."}
    assert output_text(end["response"]) in ("", "Hel")


def test_a_stream_that_beat_while_it_waited_goes_on_with_another_engine() -> None:
    asked = read()
    waiting, working = (asked.outgoing(route(name)).answer for name in ("vllm", "llamacpp"))
    assert waiting is not None
    assert working is not None

    out = waiting.heartbeat() + working.event(chunk("stop", content="Hi")) + working.end()

    events = events_of(out)
    assert [e["type"] for e in events].count("response.created") == 1
    assert len({e["response"]["id"] for e in events if "response" in e}) == 1


def test_an_answer_without_usage_says_so_and_llama_cpps_timings_do_for_it() -> None:
    bare, timed = answer_to(), answer_to()
    timings = {"prompt_n": 3, "cache_n": 2, "predicted_n": 4}

    nothing = json.loads(bare.whole(chunk("stop", content="Hi")))["usage"]
    timed.event(json.dumps({"choices": [], "timings": timings}).encode())
    counted = json.loads(timed.whole(chunk("stop", content="Hi")))["usage"]

    assert nothing is None
    assert counted["input_tokens"] == 5
    assert counted["input_tokens_details"]["cached_tokens"] == 2
    assert counted["total_tokens"] == 9
