"""OpenAI's clients before Ollama's own API: apis.md, 3.3 to 3.5."""

import json
from typing import Any

import pytest

from engine_words import PNG, F, calls_of, chat, chunks, deltas, native, sent
from gateway_process import GatewayProcess, ask
from scripted_upstream import DONE, ScriptedUpstream, answer, delta, finish, head, scripted


def test_conformance_048_a_chat_for_ollama_is_told_in_its_own_terms(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.on("told", answer({"message": {"content": "Hi"}, "done": True}))
    call = {"id": "c9", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    messages = [
        {"role": "developer", "content": scripted("told")},
        {"role": "user", "content": [
            {"type": "text", "text": "a"}, {"type": "text", "text": "b"},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "hm"},
        {"role": "tool", "tool_call_id": "c9", "content": "7"},
    ]  # fmt: skip
    schema = {"type": "object"}

    got = ask(
        engines.port,
        chat("oll", "", messages=messages, tools=[F], stop="x", top_k=5, temperature=0, seed=1,
             reasoning_effort="xhigh", keep_alive="5m", options={"num_ctx": 99},
             response_format={"type": "json_schema", "json_schema": {"schema": schema}}),
    )  # fmt: skip

    assert got.status == 200
    assert upstream.requests("told")[-1].path == "/api/chat"
    assert sent(upstream, "told") == {
        "model": "oll",
        "stream": False,
        "keep_alive": "5m",
        "think": "max",
        "format": schema,
        "tools": [F],
        "options": {"num_ctx": 99, "top_k": 5, "temperature": 0, "seed": 1, "stop": ["x"]},
        "messages": [
            {"role": "system", "content": scripted("told")},
            {"role": "user", "content": "a\nb", "images": [PNG]},
            {"role": "assistant", "content": "", "thinking": "hm",
             "tool_calls": [{"id": "c9", "function": {"name": "f", "arguments": {"a": 1}}}]},
            {"role": "tool", "content": "7", "tool_call_id": "c9", "tool_name": "f"},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"tools": [F], "tool_choice": "required"}, "tool_choice"),
        ({"messages": [{"role": "assistant", "tool_calls": [
            {"id": "a", "function": {"name": "f", "arguments": "{"}}]}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages"),
    ],
    ids=str,
)  # fmt: skip
def test_conformance_047_what_ollama_cannot_do_gets_400(
    engines: GatewayProcess, fields: dict[str, Any], param: str
) -> None:
    got = ask(engines.port, chat("oll", "", **fields))

    assert (got.status, got.error["param"]) == (400, param)


@pytest.mark.parametrize("asks", [True, False])
def test_conformance_038_048_ollamas_lines_become_chunks(
    engines: GatewayProcess, upstream: ScriptedUpstream, asks: bool
) -> None:
    name = f"lines {asks}"
    calls = [
        {"function": {"name": "f", "arguments": {"a": 1}}},
        {"function": {"name": "g", "arguments": {}}},
    ]
    found = [
        {"model": "x", "message": {"role": "assistant", "content": "", "thinking": "hm"}},
        {"model": "x", "message": {"role": "assistant", "content": "H\u2028"}},
        {"model": "x", "message": {"role": "assistant", "content": "i", "tool_calls": calls}},
        {"model": "x", "message": {"role": "assistant", "content": ""}, "done": True,
         "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3},
    ]  # fmt: skip
    upstream.on(name, native(*found))
    fields = {"stream_options": {"include_usage": True}} if asks else {}

    got = ask(engines.port, chat("oll", name, stream=True, **fields), X_Request_Id=name)

    assert sent(upstream, name)["stream"] is True
    said = deltas(got)
    assert said[0] == {"role": "assistant", "reasoning_content": "hm"}
    assert "".join(d.get("content") or "" for d in said) == "H\u2028i"
    assert [c["arguments"] for c in calls_of(got).values()] == ['{"a":1}', "{}"]
    ends = [c["choices"][0]["finish_reason"] for c in chunks(got) if c["choices"]]
    assert ends[-1] == "tool_calls"
    assert [c.get("usage", {}).get("total_tokens") for c in chunks(got)][-1] == (
        10 if asks else None
    )
    assert {c["object"] for c in chunks(got)} == {"chat.completion.chunk"}
    assert {c["model"] for c in chunks(got)} == {"oll"}
    assert engines.access_line(name)["tokens_in"] == 7


def test_conformance_107_ollamas_error_line_is_an_error(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    said = {"message": {"content": "Hel"}}
    upstream.on("error line", native(said, {"error": "oom!"}))
    upstream.on("torn lines", native(said))

    told = ask(engines.port, chat("oll", "error line", stream=True))
    torn = ask(engines.port, chat("oll", "torn lines", stream=True))

    assert json.loads(told.events[-1])["error"]["message"] == "oom!"
    assert json.loads(torn.events[-1])["error"]["code"] == "upstream_error"
    assert ask(engines.port, chat("oll", "error line")).status == 500


def test_conformance_054_a_text_for_ollama_has_no_template(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.on("text", answer({"response": "three", "done": True, "done_reason": "length"}))
    body = {"model": "oll", "prompt": [scripted("text")], "max_tokens": 1}

    got = ask(engines.port, body, "/v1/completions").json

    assert (upstream.requests("text")[-1].path, sent(upstream, "text")["raw"]) == (
        "/api/generate",
        True,
    )
    assert got["object"] == "text_completion"
    assert [got["choices"][0][k] for k in ("text", "index", "finish_reason")] == [
        "three",
        0,
        "length",
    ]
    assert ask(engines.port, {**body, "prompt": ["a", "b"]}, "/v1/completions").status == 400


def test_a_stream_that_ollama_was_not_asked_for_becomes_a_document(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.on(
        "unasked",
        native({"message": {"content": "Hel"}}, {"message": {"content": "lo"}, "done": True}),
    )

    got = ask(engines.port, chat("oll", "unasked"))

    assert got.json["choices"][0]["message"]["content"] == "Hello"


def test_headers_of_an_engine_that_speaks_no_framing_are_understood(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def until_close(exchange: Any) -> None:
        exchange.send(
            head(Content_Type="text/event-stream") + delta("v", "Hi") + finish("v") + DONE
        )
        exchange.close()

    upstream.on("until close v", until_close)

    got = ask(engines.port, chat("v", "until close v", stream=True))

    assert deltas(got)[0]["content"] == "Hi"
