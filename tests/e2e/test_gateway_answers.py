"""Answers of engines as OpenAI's clients expect them: apis.md, items 35 to 58 and 112."""

import base64
import json
import struct
from typing import Any

import pytest

from engine_words import F, G, call, calls_of, chat, choice, chunks, deltas, sent
from gateway_process import GatewayProcess, ask
from scripted_upstream import (
    DONE,
    ScriptedUpstream,
    answer,
    completion,
    delta,
    event,
    finish,
    scripted,
    stream,
    usage_event,
)


@pytest.mark.parametrize("model", ["v", "any"])
@pytest.mark.parametrize("asks", [True, False])
def test_conformance_038_usage_is_told_only_to_those_who_ask_and_always_counted(
    engines: GatewayProcess, upstream: ScriptedUpstream, model: str, asks: bool
) -> None:
    name = f"usage {model} {asks}"
    upstream.on(name, stream(delta("x", "Hi"), finish("x"), usage_event("x"), DONE))
    fields = {"stream_options": {"include_usage": True}} if asks else {}

    got = ask(engines.port, chat(model, name, stream=True, **fields), X_Request_Id=name)

    found = chunks(got)
    assert sent(upstream, name)["stream_options"] == {"include_usage": True}
    assert [bool(c.get("usage")) for c in found] == [False] * 2 + [True] * asks
    assert not asks or found[-1]["choices"] == []
    assert {(c["id"], c["created"], c["model"]) for c in found} == {("chatcmpl-1", 1, model)}
    assert engines.access_line(name)["tokens_out"] == 3


def test_conformance_038_llama_cpps_timings_are_counted_where_nobody_asks(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    timings = {"cache_n": 5, "prompt_n": 2, "predicted_n": 3}
    last = event(
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "timings": timings}
    )
    upstream.on("timings", stream(delta("cpp", "Hi"), last, DONE))

    got = ask(engines.port, chat("cpp", "timings", stream=True), X_Request_Id="timings")

    assert chunks(got)[-1]["timings"] == timings, "engines' own fields pass: item 58"
    line = engines.access_line("timings")
    assert (line["tokens_in"], line["tokens_out"]) == (7, 3)
    assert "stream_options" not in sent(upstream, "timings")


@pytest.mark.parametrize("asks", [True, False])
def test_conformance_039_usage_on_the_last_choice_moves_behind_it(
    engines: GatewayProcess, upstream: ScriptedUpstream, asks: bool
) -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    last = json.loads(finish("mis")[6:]) | {"usage": usage}
    name = upstream.on(f"moves {asks}", stream(delta("mis", "Hi"), event(last), DONE))
    fields = {"stream_options": {"include_usage": True}} if asks else {}

    got = ask(engines.port, chat("mis", name, stream=True, **fields), X_Request_Id=name)

    assert [c.get("usage") for c in chunks(got)] == [None, None] + [usage] * asks
    assert engines.access_line(name)["tokens_in"] == 7


@pytest.mark.parametrize("model", ["cpp", "v", "mis"])
def test_conformance_040_041_calls_in_single_bytes_and_interleaved_are_complete(
    engines: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    first, second = '{"city":"Köln \\u2028"}', '{"n": [1, 2]}'
    events = [
        call(0, id="a", type="function", name="f", arguments=""),
        call(1, id="b", type="function", name="g", arguments=""),
    ]
    for i in range(max(len(first), len(second))):
        events += [call(0, arguments=first[i])] if i < len(first) else []
        events += [call(1, arguments=second[i])] if i < len(second) else []
    name = upstream.on(
        f"calls {model}", stream(*events, choice(delta={}, finish_reason="tool_calls"), DONE)
    )

    got = ask(engines.port, chat(model, name, stream=True, tools=[F, G]))

    assert calls_of(got) == {
        0: {"id": "a", "type": "function", "name": "f", "arguments": first},
        1: {"id": "b", "type": "function", "name": "g", "arguments": second},
    }
    assert [c["choices"][0]["finish_reason"] for c in chunks(got)][-1] == "tool_calls"


def test_conformance_040_042_calls_without_id_or_with_repeated_names_are_mended(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    pieces = [call(0, name="f", arguments='{"a"'), call(0, name="f", arguments=":1}")]
    upstream.on("no id", stream(*pieces, choice(delta={}, finish_reason="stop"), DONE))

    got = ask(engines.port, chat("v", "no id", stream=True, tools=[F]))

    found = calls_of(got)[0]
    assert found["id"].startswith("call_")
    assert (found["name"], found["arguments"]) == ("f", '{"a":1}')
    assert chunks(got)[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_conformance_042_058_whole_calls_get_an_id_and_text_for_arguments(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    calls = [
        {"function": {"name": "f", "arguments": {"a": 1}}},
        {"id": "", "function": {"name": "g"}},
    ]
    body = completion("v")
    body["choices"][0]["message"] = {"role": "assistant", "tool_calls": calls}
    upstream.on("whole calls", answer(body))
    empty = completion("v")
    empty["choices"][0]["message"]["tool_calls"] = []
    upstream.on("no calls", answer(empty))

    got = ask(engines.port, chat("v", "whole calls")).json["choices"][0]

    assert got["finish_reason"] == "tool_calls"
    assert got["message"]["content"] is None
    functions = [c["function"] for c in got["message"]["tool_calls"]]
    assert functions == [{"name": "f", "arguments": '{"a":1}'}, {"name": "g", "arguments": "{}"}]
    ids = [c["id"] for c in got["message"]["tool_calls"]]
    assert len(set(ids)) == 2
    assert all(ids)
    assert (
        "tool_calls" not in ask(engines.port, chat("v", "no calls")).json["choices"][0]["message"]
    )


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_conformance_057_reasoning_has_one_name(
    engines: GatewayProcess, upstream: ScriptedUpstream, field: str
) -> None:
    pieces = [choice(delta={field: "hm"}), choice(delta={field: None, "content": "Hi"})]
    streamed = upstream.on(f"thinks {field}", stream(*pieces, finish("v"), DONE))
    body = completion("v")
    body["choices"][0]["message"][field] = "hm"
    whole = upstream.on(f"thought {field}", answer(body))

    got = deltas(ask(engines.port, chat("v", streamed, stream=True)))
    message = ask(engines.port, chat("v", whole)).json["choices"][0]["message"]

    assert [d.get("reasoning_content") for d in got][:2] == ["hm", None]
    assert not [d for d in got if "reasoning" in d]
    assert (message["reasoning_content"], "reasoning" in message) == ("hm", False)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("canceled", "stop"), ("abort", "stop"), ("length", "length"), (None, "stop")],
)
def test_conformance_035_whole_answers_have_a_reason_to_end_that_clients_know(
    engines: GatewayProcess, upstream: ScriptedUpstream, reason: str | None, expected: str
) -> None:
    body = completion("v")
    body["choices"][0]["finish_reason"] = reason
    name = upstream.on(f"reason {reason}", answer(body))

    assert ask(engines.port, chat("v", name)).json["choices"][0]["finish_reason"] == expected


def test_conformance_037_the_first_piece_has_the_role(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.on("no role", stream(delta("v", "H"), delta("v", "i"), finish("v"), DONE))

    got = deltas(ask(engines.port, chat("v", "no role", stream=True)))

    assert [d.get("role") for d in got] == ["assistant", None, None]


def test_conformance_041_047_a_document_made_of_chunks_has_all_choices_and_calls(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def of(index: int, delta: dict[str, Any], reason: str | None = None) -> bytes:
        return choice(
            index=index, delta=delta, finish_reason=reason, logprobs={"content": [{"token": "t"}]}
        )

    calls = [
        {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}}]},
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "}"}}]},
    ]
    events = [
        of(1, {"content": "Tw"}),
        *(of(0, c) for c in calls),
        of(1, {"content": "o"}, "length"),
    ]
    upstream.on("made of", stream(*events, of(0, {}, "stop"), usage_event("v"), DONE))

    got = ask(engines.port, chat("v", "made of", n=2)).json

    first, second = got["choices"]
    assert got["object"] == "chat.completion"
    assert [c["id"] for c in first["message"]["tool_calls"]] == ["a", "b"]
    assert first["message"]["tool_calls"][1]["function"] == {"name": "g", "arguments": "{}"}
    assert (first["finish_reason"], second["finish_reason"]) == ("tool_calls", "length")
    assert second["message"]["content"] == "Two"
    assert len(second["logprobs"]["content"]) == 2
    assert got["usage"]["completion_tokens"] == 3


def test_conformance_047_one_choice_for_two_is_an_error(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.on("one of two", answer(completion("any")))

    got = ask(engines.port, chat("any", "one of two", n=2))

    assert (got.status, got.error["param"]) == (400, "n")


def test_conformance_112_nothing_but_data_reaches_clients(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    pretty = json.dumps(json.loads(delta("v", "lo")[6:]), indent=1).replace("\n", "\ndata: ")
    raw = (
        b"\xef\xbb\xbf: hello\r\n\r\nretry: 5\nid: 1\n\nevent: message\r\n"
        + delta("v", "Hel")
        + b"\n\ndata:\n\nevent: alone\n\n"
        + f"data: {pretty}\n\n".encode()
        + finish("v")
        + DONE
    )
    upstream.on("odd", stream(raw))

    got = ask(engines.port, chat("v", "odd", stream=True))

    assert "".join(d.get("content") or "" for d in deltas(got)) == "Hello"
    assert all(line.startswith(b"data: {") for line in got.body.split(b"\n\n")[:-2])
    assert b"\n" not in got.body.replace(b"\n\n", b"")


# Texts, vectors, rankings


def test_conformance_054_each_prompt_of_an_array_has_its_choice(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def text(index: int, text: str, reason: str | None = None) -> bytes:
        one = {"index": index, "text": text, "finish_reason": reason}
        return event({"id": "c", "object": "text_completion", "model": "x", "choices": [one]})

    events = [text(1, "b"), text(0, "a"), text(1, "", "stop"), text(0, "", "length")]
    upstream.on("texts", stream(*events, DONE))
    upstream.on("torn texts", stream(*events[:3]))
    body = {"model": "v", "prompt": ["x", "y"], "stream": True}

    got = ask(engines.port, {**body, "script": "texts"}, "/v1/completions")
    torn = ask(engines.port, {**body, "script": "torn texts"}, "/v1/completions")

    found = [c["choices"][0] for c in chunks(got)]
    assert [(c["index"], c["text"]) for c in found] == [(1, "b"), (0, "a"), (1, ""), (0, "")]
    assert "error" in json.loads(torn.events[-1])


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": [1, 2]}, "input"),
        ({"input": [[1, 2]]}, "input"),
        ({"input": "x", "encoding_format": "x"}, "encoding_format"),
        ({}, "input"),
    ],
    ids=str,
)
def test_conformance_052_embeddings_of_nothing_or_of_tokens_get_400(
    engines: GatewayProcess, fields: dict[str, Any], param: str
) -> None:
    got = ask(engines.port, {"model": "cpp", **fields}, "/v1/embeddings")

    assert (got.status, got.error["param"]) == (400, param)


@pytest.mark.parametrize("encoding", [None, "float", "base64"])
def test_conformance_052_ollamas_vectors_come_as_the_client_wants_them(
    engines: GatewayProcess, upstream: ScriptedUpstream, encoding: str | None
) -> None:
    vectors = [[0.25, -1.5], [3.0, 0.125]]
    upstream.on("vectors of o", answer({"embeddings": vectors, "prompt_eval_count": 9}))
    body = {"model": "oll", "input": [scripted("vectors of o"), "y"], "encoding_format": encoding}

    got = ask(engines.port, body, "/v1/embeddings").json

    found = [one["embedding"] for one in got["data"]]
    if encoding == "base64":
        found = [list(struct.unpack("<2f", base64.b64decode(text))) for text in found]
    assert found == vectors
    assert (got["model"], got["usage"]["prompt_tokens"]) == ("oll", 9)
    assert upstream.requests("vectors of o")[-1].path == "/api/embed"


@pytest.mark.parametrize("path", ["/v1/rerank", "/rerank"])
@pytest.mark.parametrize("model", ["cpp", "v"])
def test_rankings_pass_to_engines_that_make_them(
    engines: GatewayProcess, upstream: ScriptedUpstream, path: str, model: str
) -> None:
    ranked = {"model": model, "results": [{"index": 1, "relevance_score": 0.9}]}
    upstream.on("rank", answer(ranked))
    body = {"model": model, "query": "q", "documents": ["a", "b"], "script": "rank"}

    assert ask(engines.port, body, path).json == ranked
    assert upstream.requests("rank")[-1].path == "/v1/rerank"
    assert ask(engines.port, {**body, "documents": []}, path).error["param"] == "documents"
    assert ask(engines.port, {**body, "model": "oll"}, path).status == 400
