"""What is in a message of Anthropic's API, on its way to an engine and back.

``test_gateway_anthropic_old.py`` runs this file once more, with the client of before 2026-10-21.
"""

import json
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic

from anthropic_requests import IMAGE, PNG, TOOL, call_piece, calls, chunk_of, request, sent, user
from gateway_process import GatewayProcess, ask
from scripted_upstream import (
    DONE,
    ScriptedUpstream,
    answer,
    completion,
    delta,
    finish,
    scripted,
    stream,
    usage_event,
)
from spoken_anthropic import events

# 92: tools


def test_conformance_092_calls_are_streamed_one_after_the_other(
    anthropic_client: Anthropic, anthropic_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    first, second = '{"place": {"city": "Köln"}}', '{"place": {}}'
    pieces = [calls(call_piece(0, "", id="c1", name="weather"))]
    pieces += [calls(call_piece(0, char)) for char in first[:5]]
    pieces += [calls(call_piece(1, "", name="weather"), call_piece(0, first[5:9]))]
    pieces += [calls(call_piece(1, second[:4]), call_piece(0, first[9:]))]
    pieces += [calls(call_piece(1, second[4:])), finish("m", "tool_calls"), usage_event("m"), DONE]
    name = upstream.on("a92", stream(delta("m", "Let me see."), *pieces))

    raw = ask(anthropic_gateway.port, request(name, tools=[TOOL], stream=True), "/v1/messages")
    with anthropic_client.messages.stream(**request(name, tools=[TOOL])) as helper:
        got = helper.get_final_message()

    assert got.stop_reason == "tool_use"
    assert got.content[0].type == "text"
    uses = [block for block in got.content if block.type == "tool_use"]
    assert [use.input for use in uses] == [json.loads(first), json.loads(second)]
    assert uses[0].id == "c1"
    assert uses[1].id.startswith("toolu_")
    kinds = [(e["type"], e["index"]) for e in events(raw.body) if "index" in e]
    assert kinds == sorted(kinds, key=lambda kind: kind[1]), "blocks overlap"
    text = {0: "", 1: "", 2: ""}
    for e in events(raw.body):
        if e["type"] == "content_block_delta" and "partial_json" in e["delta"]:
            text[e["index"]] += e["delta"]["partial_json"]
    assert text == {0: "", 1: first, 2: second}
    sent_tool = sent(upstream, name)["tools"][0]["function"]
    assert sent_tool["parameters"] == TOOL["input_schema"]


def test_conformance_092_a_call_in_a_whole_answer(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    whole = completion("m")
    function = {"name": "weather", "arguments": '{"place":{"city":"Bonn"}}'}
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": function}],
    }
    whole["choices"][0] = {"index": 0, "message": message, "finish_reason": "stop"}
    name = upstream.on("a92w", answer(whole))

    got = anthropic_client.messages.create(**request(name, tools=[TOOL]))

    assert got.stop_reason == "tool_use"
    assert got.content[0].to_dict() == {
        "type": "tool_use", "id": "c", "name": "weather", "input": {"place": {"city": "Bonn"}},
    }  # fmt: skip


def test_conformance_092_results_go_back_with_images_and_errors(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    name = upstream.on("a92r", answer(completion("m")))
    use = [{"type": "tool_use", "id": i, "name": "weather", "input": {"place": {}}} for i in "ab"]
    results = [
        {"type": "text", "text": scripted(name)},
        {
            "type": "tool_result",
            "tool_use_id": "a",
            "content": [{"type": "text", "text": "rain"}, IMAGE],
        },
        {"type": "tool_result", "tool_use_id": "b", "content": "no such place", "is_error": True},
    ]
    turns = [user("?"), {"role": "assistant", "content": use}, user(results)]

    got = anthropic_client.messages.create(**request(name, messages=turns, tools=[TOOL]))

    assert got.content
    asked, said, *told, rest = sent(upstream, name)["messages"]
    assert asked == user("?")
    assert said["content"] is None
    assert [c["id"] for c in said["tool_calls"]] == ["a", "b"]
    assert json.loads(said["tool_calls"][0]["function"]["arguments"]) == {"place": {}}
    assert told == [
        {"role": "tool", "tool_call_id": "a", "content": "rain"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: no such place"},
    ]
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    assert rest == user([{"type": "text", "text": scripted(name)}, image])


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "tool", "name": "weather"}, {"tool_choice": "required"}),
        ({"type": "auto", "disable_parallel_tool_use": True},
         {"tool_choice": "auto", "parallel_tool_calls": False}),
    ],
)  # fmt: skip
def test_conformance_092_what_may_be_called(
    anthropic_client: Anthropic, upstream: ScriptedUpstream, choice: Any, expected: Any
) -> None:
    name = upstream.on(f"choice {len(json.dumps(choice))}", answer(completion("m")))
    other = {**TOOL, "name": "other"}

    anthropic_client.messages.create(**request(name, tools=[other, TOOL], tool_choice=choice))

    body = sent(upstream, name)
    assert {
        k: v for k, v in body.items() if k in ("tool_choice", "parallel_tool_calls")
    } == expected
    names = [tool["function"]["name"] for tool in body["tools"]]
    assert names == (["weather"] if choice["type"] == "tool" else ["other", "weather"])


def test_conformance_092_one_call_at_most_where_that_is_asked(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    both = calls(call_piece(0, "{}", name="weather"), call_piece(1, "{}", name="weather"))
    name = upstream.on("single", stream(both, finish("m", "tool_calls"), DONE))
    choice = {"type": "auto", "disable_parallel_tool_use": True}

    with anthropic_client.messages.stream(
        **request(name, tools=[TOOL], tool_choice=choice)
    ) as helper:
        got = helper.get_final_message()

    assert [block.type for block in got.content] == ["tool_use"]


def test_conformance_092_arguments_that_are_no_object_are_the_engines_failure(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    bad = calls(call_piece(0, '{"place": ', name="weather"))
    name = upstream.on("bad call", stream(bad, finish("m", "tool_calls"), DONE))

    with pytest.raises(anthropic.APIStatusError) as caught:
        anthropic_client.messages.create(**request(name, tools=[TOOL]))

    assert caught.value.status_code == 502


def test_conformance_092_a_call_that_the_limit_cut_is_no_call(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    cut = calls(call_piece(0, '{"place": ', name="weather"))
    name = upstream.on("cut call", stream(cut, finish("m", "length"), DONE))

    got = anthropic_client.messages.create(**request(name, tools=[TOOL]))

    assert (got.content, got.stop_reason) == ([], "max_tokens")


# 93: thinking


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_conformance_093_thinking_comes_first_and_goes_back(
    anthropic_client: Anthropic, upstream: ScriptedUpstream, field: str
) -> None:
    parts = [chunk_of(**{field: "Hm"}), chunk_of(**{field: "m."}), delta("m", "Yes.")]
    name = upstream.on(f"think {field}", stream(*parts, finish("m"), DONE))

    with anthropic_client.messages.stream(
        **request(name, thinking={"type": "enabled", "budget_tokens": 1024})
    ) as helper:
        got = helper.get_final_message()
    turns = [user("?"), {"role": "assistant", "content": got.content}, user(scripted(name))]
    again = anthropic_client.messages.create(**request(name, messages=turns))

    assert [block.to_dict() for block in got.content] == [
        {"type": "thinking", "thinking": "Hmm.", "signature": ""},
        {"type": "text", "text": "Yes."},
    ]
    assert [block.to_dict() for block in again.content] == [
        block.to_dict() for block in got.content
    ]
    said = sent(upstream, name)["messages"][1]
    assert said == {"role": "assistant", "content": "Yes.", "reasoning": "Hmm."}


@pytest.mark.parametrize(
    ("model", "thinking", "expected"),
    [
        ("m", {"type": "adaptive"}, {"chat_template_kwargs": {"enable_thinking": True}}),
        ("m", {"type": "disabled"}, {"chat_template_kwargs": {"enable_thinking": False}}),
        ("cpp", {"type": "enabled", "budget_tokens": 2048},
         {"chat_template_kwargs": {"enable_thinking": True}, "thinking_budget_tokens": 2048}),
        ("rust", {"type": "enabled", "budget_tokens": 2048}, {"enable_thinking": True}),
    ],
)  # fmt: skip
def test_conformance_093_each_engine_is_asked_to_think_in_its_way(
    anthropic_gateway: GatewayProcess,
    upstream: ScriptedUpstream,
    model: str,
    thinking: Any,
    expected: Any,
) -> None:
    name = upstream.on(f"{model} {thinking['type']}", answer(completion("m")))

    got = ask(anthropic_gateway.port, request(name, model=model, thinking=thinking), "/v1/messages")

    assert got.status == 200
    assert {k: v for k, v in sent(upstream, name).items() if "think" in str((k, v))} == {
        k: v for k, v in expected.items() if "think" in str((k, v))
    }
    assert sent(upstream, name).get("reasoning_effort") == expected.get("reasoning_effort")


@pytest.mark.parametrize(("kind", "think"), [("enabled", None), ("disabled", False)])
def test_conformance_093_ollama_is_only_asked_not_to_think(
    anthropic_gateway: GatewayProcess, upstream: ScriptedUpstream, kind: str, think: bool | None
) -> None:
    name = upstream.on(f"whale {kind}", answer({"message": {"content": "Hi"}, "done": True}))
    thinking = {"type": kind, "budget_tokens": 2048}

    got = ask(
        anthropic_gateway.port, request(name, model="whale", thinking=thinking), "/v1/messages"
    )

    assert got.json["content"] == [{"type": "text", "text": "Hi"}]
    assert upstream.requests(name)[0].path == "/api/chat"
    assert sent(upstream, name).get("think") is think


# 94 to 96: what else may be in a request


def test_conformance_094_the_system_prompt_as_text_and_as_blocks(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    cached = {"cache_control": {"type": "ephemeral"}}
    blocks = [{"type": "text", "text": text, **cached} for text in ("Be brief.", "Be kind.")]
    plain = upstream.on("sys text", answer(completion("m")))
    parted = upstream.on("sys blocks", answer(completion("m")))

    anthropic_client.messages.create(**request(plain, system="Be brief.\nBe kind."))
    anthropic_client.messages.create(**request(parted, system=blocks))

    assert sent(upstream, plain)["messages"][0] == sent(upstream, parted)["messages"][0]


def test_conformance_094_what_changes_in_the_billing_header_is_masked(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    name = upstream.on("billing", answer(completion("m")))
    for counter in ("12abc", "98def"):
        line = f"x-anthropic-billing-header: cc_version=2.1; cch={counter}; x=1"
        system = [{"type": "text", "text": line}, {"type": "text", "text": "cch=12345 stays"}]
        anthropic_client.messages.create(**request(name, system=system))

    prompts = [seen.body["messages"][0]["content"] for seen in upstream.requests(name)]
    assert (
        prompts
        == ["x-anthropic-billing-header: cc_version=2.1; cch=fffff; x=1\ncch=12345 stays"] * 2
    )


def test_conformance_095_sampling_reaches_the_engine(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    name = upstream.on("sampling", answer(completion("m")))
    sampling = {"temperature": 0.3, "top_p": 0.9, "top_k": 5}

    anthropic_client.messages.create(
        **request(name, metadata={"user_id": "u1"}, output_config={"effort": "max"}),
        extra_body=sampling,
    )

    assert sampling.items() <= sent(upstream, name).items()
    assert sent(upstream, name)["user"] == "u1"
    assert sent(upstream, name)["reasoning_effort"] == "high"


def test_conformance_095_a_schema_for_the_answer_reaches_the_engine(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    name = upstream.on("schema", answer(completion("m", "{}")))
    schema = {"type": "object", "properties": {}, "additionalProperties": False}

    anthropic_client.messages.create(
        **request(name, output_config={"format": {"type": "json_schema", "schema": schema}})
    )

    wished = sent(upstream, name)["response_format"]
    assert wished["type"] == "json_schema"
    assert wished["json_schema"]["schema"] == schema


def test_conformance_096_what_is_unknown_does_no_harm(
    anthropic_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    name = upstream.on("unknown", answer(completion("m")))
    blocks = [
        {"type": "hologram", "text": 3},
        {"type": "text", "text": scripted(name), "citations": None, "cache_control": None},
        {"type": "container_upload", "file_id": "x"},
    ]
    assistant = [
        {"type": "redacted_thinking", "data": "x"},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": {"type": "error"}},
        {"type": "text", "text": "So."},
    ]
    turns = [user("?"), {"role": "assistant", "content": assistant}, user(blocks)]
    tools = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}, TOOL]
    more = {
        "context_management": {"edits": []},
        "mcp_servers": [],
        "container": "x",
        "speed": "fast",
    }

    got = ask(
        anthropic_gateway.port,
        request(name, messages=turns, tools=tools, **more),
        "/v1/messages?beta=true",
        Anthropic_Beta="what-is-this-2030-01-01",
        Anthropic_Version="2031-01-01",
    )

    assert got.status == 200
    body = sent(upstream, name)
    assert body["messages"][1:] == [{"role": "assistant", "content": "So."}, user(scripted(name))]
    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather"]


def test_turns_of_one_role_are_one_and_a_system_turn_may_lead(
    anthropic_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    name = upstream.on("turns", answer(completion("m")))
    turns = [{"role": "system", "content": "And kind."}, user("One."), user(scripted(name))]

    ask(anthropic_gateway.port, request(name, system="Be brief.", messages=turns), "/v1/messages")

    assert sent(upstream, name)["messages"] == [
        {"role": "system", "content": "Be brief.\nAnd kind."},
        user(f"One.\n{scripted(name)}"),
    ]


def test_documents_and_search_results_are_read_as_text(
    anthropic_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    name = upstream.on("documents", answer(completion("m")))
    blocks = [
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "D1"}},
        {"type": "document", "source": {"type": "content", "content": "D2"}},
        {"type": "search_result", "source": "http://s", "title": "T",
         "content": [{"type": "text", "text": "found"}]},
        {"type": "text", "text": scripted(name)},
    ]  # fmt: skip

    ask(anthropic_gateway.port, request(name, messages=[user(blocks)]), "/v1/messages")

    assert sent(upstream, name)["messages"] == [
        user(f"D1\nD2\nT\nhttp://s\nfound\n{scripted(name)}")
    ]


def prefilled(name: str, **fields: Any) -> dict[str, Any]:
    begun = {"role": "assistant", "content": "One, two,"}
    return request(name, messages=[user(scripted(name)), begun], **fields)


def test_an_answer_that_has_begun_is_continued_by_engines_that_can(
    anthropic_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    echo = upstream.on("prefill", answer(completion("cpp", "One, two, three")))

    vllm = ask(anthropic_gateway.port, prefilled(echo), "/v1/messages")
    vllm_sent = sent(upstream, echo)
    cpp = ask(anthropic_gateway.port, prefilled(echo, model="cpp", stream=True), "/v1/messages")
    rust = ask(anthropic_gateway.port, prefilled(echo, model="rust"), "/v1/messages")

    assert (vllm_sent["continue_final_message"], vllm_sent["add_generation_prompt"]) == (
        True,
        False,
    )
    assert vllm.json["content"][0]["text"] == "One, two, three"
    assert events(cpp.body)[2]["delta"]["text"] == " three"
    assert (rust.status, rust.error["type"]) == (400, "invalid_request_error")
