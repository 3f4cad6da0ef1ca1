"""Requests in OpenAI's API, for engines that each want something else: apis.md, items 25 to 50."""

from typing import Any

import pytest

from engine_words import ENGINES, PNG, F, G, chat, sent
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
)


@pytest.mark.parametrize("model", ENGINES)
def test_conformance_025_026_unknown_fields_and_nulls_are_no_error(
    engines: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    name = upstream.on(f"nulls {model}", answer(completion(model) | {"done": True}))
    nulls = (
        "stream stream_options n max_tokens max_completion_tokens temperature top_p stop seed "
        "logprobs top_logprobs response_format tools tool_choice parallel_tool_calls functions "
        "modalities audio web_search_options frequency_penalty presence_penalty logit_bias user"
    )
    fields = {**dict.fromkeys(nulls.split()), "foo": 1, "extra_body": {}}

    got = ask(engines.port, chat(model, name, **fields))

    assert got.status == 200, got.body
    if model != "oll":
        assert (sent(upstream, name)["foo"], sent(upstream, name)["extra_body"]) == (1, {})


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages", None),
        ({"messages": [{"role": "user", "content": 5}]}, "messages", None),
        ({"messages": [{"role": "user", "content": [{"text": "x"}]}]}, "messages", None),
        ({"n": 0}, "n", None),
        ({"temperature": "hot"}, "temperature", None),
        ({"max_tokens": "many"}, "max_tokens", None),
        ({"stop": 5}, "stop", None),
        ({"response_format": {"type": "xml"}}, "response_format", None),
        ({"top_logprobs": 2}, "top_logprobs", None),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", None),
        ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter"),
        ({"audio": {"voice": "x"}}, "audio", "unsupported_parameter"),
        ({"web_search_options": {}}, "web_search_options", "unsupported_parameter"),
        ({"functions": [{"name": "f"}]}, "functions", "unsupported_parameter"),
        ({"tools": [F], "tool_choice": {"function": {"name": "h"}}}, "tool_choice", None),
    ],
    ids=str,
)  # fmt: skip
def test_conformance_033_034_045_049_what_makes_no_sense_gets_400_and_reaches_no_engine(
    engines: GatewayProcess,
    upstream: ScriptedUpstream,
    fields: dict[str, Any],
    param: str,
    code: str | None,
) -> None:
    before = len(upstream.seen)

    got = ask(engines.port, chat("cpp", "", **fields))

    assert (got.status, got.error["param"], got.error["code"]) == (400, param, code)
    assert len(upstream.seen) == before


def image(url: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64,@@@@",
        "data:image/png;base64,abc",
        "file:///etc/passwd",
        "http://169.254.169.254/latest",
        "https://example.com/a.png",
        "data:text",
    ],
)
def test_conformance_050_images_that_no_engine_should_see_get_400(
    engines: GatewayProcess, url: str
) -> None:
    assert ask(engines.port, chat("cpp", "", messages=image(url))).status == 400


@pytest.mark.parametrize("model", ["cpp", "v"])
def test_conformance_050_images_reach_the_engine_unmodified(
    engines: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    messages = image(f"data:image/png;base64,{PNG}")
    messages[0]["content"].append({"type": "text", "text": scripted("image")})
    upstream.on("image", answer(completion(model)))

    assert ask(engines.port, chat(model, "", messages=messages)).status == 200
    assert sent(upstream, "image")["messages"] == messages


def test_conformance_043_calls_and_their_results_are_passed_on(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    call = {"id": "c9", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    messages = [
        {"role": "developer", "content": scripted("history")},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c9", "content": "7"},
    ]
    upstream.on("history", answer(completion("cpp")))

    assert ask(engines.port, chat("cpp", "", messages=messages)).status == 200
    told = sent(upstream, "history")["messages"]
    assert told[1:] == messages[1:]
    assert told[0]["role"] == "system", "local templates know no developer"


@pytest.mark.parametrize("model", ["cpp", "v"])
def test_conformance_044_a_named_tool_is_the_only_one_that_llama_cpp_sees(
    engines: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    name = upstream.on(f"named {model}", answer(completion(model)))
    choice = {"type": "function", "function": {"name": "f"}}

    ask(engines.port, chat(model, name, tools=[G, F], tool_choice=choice))

    seen = sent(upstream, name)
    if model == "cpp":
        assert (seen["tools"], seen["tool_choice"]) == ([F], "required")
    else:
        assert (seen["tools"], seen["tool_choice"]) == ([G, F], choice)


@pytest.mark.parametrize("model", ENGINES)
def test_conformance_048_max_completion_tokens_reaches_every_engine(
    engines: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    whole = {
        "message": {"role": "assistant", "content": "Hi"},
        "done": True,
        "done_reason": "length",
    }
    name = upstream.on(f"most {model}", answer(whole if model == "oll" else completion(model)))

    got = ask(engines.port, chat(model, name, max_completion_tokens=5))

    seen = sent(upstream, name)
    if model == "oll":
        assert seen["options"]["num_predict"] == 5
        assert got.json["choices"][0]["finish_reason"] == "length"
    else:
        assert seen["max_completion_tokens"] == 5


def test_mistral_gets_neither_stream_options_nor_a_schema_without_a_name(
    engines: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.on("mis", stream(delta("mis", "Hi"), finish("mis"), DONE))
    wished = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}

    ask(engines.port, chat("mis", "mis", stream=True, stream_options={}, response_format=wished))

    seen = sent(upstream, "mis")
    assert "stream_options" not in seen
    assert seen["response_format"]["json_schema"] == {
        "schema": {"type": "object"},
        "name": "schema",
    }
