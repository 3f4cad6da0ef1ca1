"""The published `openai` client speaks the Responses API: real llama.cpp, and scripted engines."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from engine_words import native
from gateway_process import GatewayProcess, ask, get
from real_engine import MODEL, gateway_of, llama_cpp
from scripted_upstream import (
    DONE,
    Exchange,
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

LIFE = ["response.created", "response.in_progress"]
BEGIN = ["response.output_item.added", "response.content_part.added"]
END = [
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
    "response.completed",
]
WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


# The real engine


@pytest.fixture(scope="module")
def engine(smollm2: Path) -> Iterator[int]:
    """The port of the llama.cpp server that `up` starts, with the small model."""
    with llama_cpp(smollm2, context=512) as port:
        yield port


@pytest.fixture(scope="module")
def served(engine: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    routes = (
        f"version: 1\nmodels:\n  - name: {MODEL}\n    aliases: [gpt-4o-mini]\n"
        f"    backend: llamacpp\n    backend_url: http://127.0.0.1:{engine}\n"
    )
    with gateway_of(routes, tmp_path_factory.mktemp("responses")) as gateway:
        yield gateway


@pytest.fixture
def real(served: GatewayProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
        yield client


ITEMS = [
    {"role": "developer", "content": "Be kind."},
    {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say hello."}]},
]


@pytest.mark.parametrize("given", ["Say hello.", ITEMS], ids=["text", "items"])
def test_conformance_059_text_and_items_are_answered(real: OpenAI, given: Any) -> None:
    got = real.responses.create(
        model="gpt-4o-mini", input=given, instructions="Be short.", temperature=0
    )

    assert got.output_text
    assert (got.object, got.status, got.model) == ("response", "completed", "gpt-4o-mini")
    assert (got.instructions, got.store, got.error) == ("Be short.", False, None)
    assert got.usage is not None
    assert got.usage.total_tokens == got.usage.input_tokens + got.usage.output_tokens
    assert got.usage.output_tokens > 0
    assert got._request_id


def test_conformance_060_a_stream_has_every_event_in_order(real: OpenAI) -> None:
    with real.responses.stream(model=MODEL, input="Say hello.", temperature=0) as stream:
        events = list(stream)
        final = stream.get_final_response()

    kinds = [e.type for e in events]
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert kinds == [*LIFE, *BEGIN, *["response.output_text.delta"] * len(deltas), *END]
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert "".join(deltas) == final.output_text != ""
    usage = final.usage
    assert usage is not None
    assert usage.input_tokens > 0
    assert usage.output_tokens == usage.total_tokens - usage.input_tokens
    assert usage.input_tokens_details.cached_tokens >= 0
    assert usage.output_tokens_details.reasoning_tokens == 0


def test_streamed_and_whole_answers_say_the_same(real: OpenAI) -> None:
    asked: Any = {"model": MODEL, "input": "Name a colour.", "temperature": 0}
    whole = real.responses.create(**asked, max_output_tokens=12)

    chunks = list(real.responses.create(**asked, max_output_tokens=12, stream=True))

    end = chunks[-1]
    assert end.type == f"response.{whole.status}"
    assert end.response.output_text == whole.output_text


@pytest.mark.parametrize("streams", [False, True])
def test_conformance_064_the_limit_of_tokens_makes_it_incomplete(
    real: OpenAI, streams: bool
) -> None:
    asked: Any = {"model": MODEL, "input": "Tell me a long story.", "max_output_tokens": 5}
    if streams:
        *_, end = real.responses.create(**asked, stream=True)
        assert end.type == "response.incomplete"
        got = end.response
    else:
        got = real.responses.create(**asked)

    assert got.status == "incomplete"
    assert got.incomplete_details is not None
    assert got.incomplete_details.reason == "max_output_tokens"
    assert got.usage is not None
    assert got.usage.output_tokens == 5
    assert got.output[-1].status == "incomplete"  # type: ignore[union-attr]


def test_conformance_045_a_schema_shapes_the_text(real: OpenAI) -> None:
    class Verdict(BaseModel):
        yes: bool

    got = real.responses.parse(
        model=MODEL, input="Is Paris in France? Answer in JSON.", text_format=Verdict, temperature=0
    )

    assert isinstance(got.output_parsed, Verdict)


def test_conformance_049_each_tokens_probability_comes_with_its_text(real: OpenAI) -> None:
    asked: Any = {"model": MODEL, "input": "Say hello.", "top_logprobs": 2, "temperature": 0}
    *_, end = real.responses.create(**asked, max_output_tokens=4, stream=True)

    part = end.response.output[0].content[0]
    assert "".join(token.token for token in part.logprobs) == part.text != ""
    for token in part.logprobs:
        assert bytes(token.bytes).decode() == token.token
        assert len(token.top_logprobs) == 2
        assert token.logprob <= 0


def test_conformance_051_an_input_over_the_context_is_named_so(real: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="maximum context length is") as caught:
        real.responses.create(model=MODEL, input="hello " * 2000)

    assert (caught.value.code, caught.value.param) == ("context_length_exceeded", "input")


# Scripted engines


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def body_of(upstream: ScriptedUpstream, name: str) -> dict[str, Any]:
    """Return what the engine was asked by the request for the script *name*."""
    return upstream.requests(name)[-1].body


def piece(**fields: Any) -> bytes:
    """Return one event of a scripted engine."""
    return event({"choices": [{"index": 0, "delta": fields, "finish_reason": None}]})


def call(index: int, arguments: str, name: str | None = None, call_id: str | None = None) -> bytes:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    told = {"index": index, "function": function} | ({"id": call_id} if call_id else {})
    return piece(tool_calls=[told])


def calls(*pieces: bytes) -> Any:
    """Script: a stream of tool calls."""
    return stream(*pieces, finish("m", "tool_calls"), usage_event("m"), DONE)


def test_conformance_032_033_a_model_must_be_named_and_known(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.responses.create(model="nope", input="Hi")
    with pytest.raises(openai.BadRequestError) as empty:
        client.responses.create(model="", input="Hi")

    assert unknown.value.code == "model_not_found"
    assert empty.value.param == "model"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("input", []),
        ("input", 5),
        ("input", [5]),
        ("input", [{"role": "robot", "content": "Hi"}]),
        ("input", [{"role": "user", "content": 5}]),
        ("input", [{"role": "user"}]),
        ("input", [{"role": "user", "content": [{"type": "input_text"}]}]),
        ("input", [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]),
        ("input", [{"role": "system", "content": [{"type": "input_image", "file_id": "f"}]}]),
        ("input", [{"type": "function_call_output", "output": "no id"}]),
        ("input", [{"type": "item_reference", "id": "msg_1"}]),
        ("input", [{"type": "web_search_call", "id": "ws_1"}]),
        ("tools", [{"type": "function"}]),
        ("tools", [{"name": "x"}]),
        ("tools", [WEATHER, {"type": "custom", "name": "weather"}]),
        ("tool_choice", "perhaps"),
        ("tool_choice", {"type": "function", "name": "nope"}),
        ("text", {"format": {"type": "xml"}}),
        ("text", {"format": {"type": "json_schema", "name": "x"}}),
        ("max_output_tokens", 0),
        ("max_output_tokens", 10**30),
        ("temperature", "hot"),
        ("temperature", 3),
        ("top_logprobs", 21),
        ("stream", "yes"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_conformance_034_what_makes_no_sense_is_refused_by_field(
    gateway: GatewayProcess, upstream: ScriptedUpstream, field: str, value: Any
) -> None:
    before = len(upstream.seen)

    got = ask(gateway.port, {"model": "v", "input": "Hi", field: value}, "/v1/responses")

    assert (got.status, got.error["param"]) == (400, field), got.error
    assert got.error["type"] == "invalid_request_error"
    assert len(upstream.seen) == before


@pytest.mark.parametrize(
    "image",
    [
        "data:image/png;base64,%%%",
        "file:///etc/passwd",
        "http://127.0.0.1/x.png",
        "data:image/png,AAAA",
    ],
)
def test_conformance_050_images_that_are_not_in_the_request_are_refused(
    client: OpenAI, image: str
) -> None:
    part: Any = {"type": "input_image", "image_url": image, "detail": "auto"}
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="v", input=[{"role": "user", "content": [part]}])

    assert caught.value.param == "input"


def test_conformance_050_an_image_reaches_the_engine_as_it_is(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    text = {"type": "input_text", "text": scripted("response image")}
    image = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}
    given: Any = [{"role": "user", "content": [text, image]}]

    client.responses.create(model="v", input=given)

    parts = body_of(upstream, "response image")["messages"][0]["content"]
    assert parts[0] == {"type": "text", "text": text["text"]}
    assert parts[1] == {"type": "image_url", "image_url": {"url": image["image_url"]}}


def test_conformance_061_a_call_and_its_result_make_a_round_trip(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    arguments = '{"city": "Paris"}'
    first = upstream.on(
        "call paris",
        calls(call(0, "", "weather", "call_1"), *(call(0, character) for character in arguments)),
    )
    second = upstream.on("told paris", answer(completion("m", "Sunny.")))
    asked: Any = {"model": "v", "tools": [WEATHER]}
    history: list[Any] = [{"role": "user", "content": scripted(first)}]

    with client.responses.stream(**asked, input=history) as stream:
        *events, _ = stream
        got = stream.get_final_response()
    done = next(e for e in events if e.type == "response.function_call_arguments.done")
    called: Any = got.output[0]
    history += [
        item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in got.output
    ]
    history += [{"type": "function_call_output", "call_id": called.call_id, "output": "22 degrees"}]
    history += [{"role": "user", "content": scripted(second)}]
    final = client.responses.create(
        **asked, input=[history[0] | {"content": "Weather?"}, *history[1:]]
    )

    assert (called.name, called.arguments, done.arguments) == ("weather", arguments, arguments)
    assert final.output_text == "Sunny."
    assert body_of(upstream, second)["messages"][1:3] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": arguments},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "22 degrees"},
    ]


def test_conformance_041_042_mixed_calls_come_out_whole_with_ids_of_their_own(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    name = upstream.on(
        "mixed calls",
        calls(
            piece(content="I look."),
            call(0, '{"a"', "weather"),
            call(1, "", "weather"),
            call(0, ":1}"),
            call(1, '{"b":2}'),
        ),
    )

    with client.responses.stream(model="v", input=scripted(name), tools=[WEATHER]) as stream:  # type: ignore[list-item]
        got = stream.get_final_response()

    message, one, two = got.output
    assert message.type == "message"
    assert [one.arguments, two.arguments] == ['{"a":1}', '{"b":2}']  # type: ignore[union-attr]
    assert len({one.call_id, two.call_id, one.id, two.id}) == 4  # type: ignore[union-attr]


def test_without_parallel_calls_only_the_first_counts(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    name = upstream.on("one call", calls(call(0, "{}", "weather"), call(1, "{}", "weather")))

    got = client.responses.create(
        model="v",
        input=scripted(name),
        tools=[WEATHER],  # type: ignore[list-item]
        parallel_tool_calls=False,
    )

    assert [item.type for item in got.output] == ["function_call"]
    assert body_of(upstream, name)["parallel_tool_calls"] is False


TOOLS: Any = [
    {"type": "namespace", "name": "mcp__files__", "tools": [WEATHER | {"name": "read"}]},
    {"type": "custom", "name": "apply_patch", "description": "Edits files."},
    {"type": "web_search"},
    {"type": "teleport", "name": 7, "parameters": "none"},
]


def test_conformance_062_tools_of_every_kind_are_taken_and_called(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    patch = '*** Begin "Patch"\n\N{SNOWMAN}\n'
    raw = json.dumps({"input": patch})
    name = upstream.on(
        "every tool",
        calls(
            call(0, '{"path":"x"}', "mcp__files__read", "call_a"),
            call(1, raw[:9], "apply_patch", "call_b"),
            call(1, raw[9:]),
        ),
    )

    events = list(
        client.responses.create(model="v", input=scripted(name), tools=TOOLS, stream=True)
    )

    end = events[-1]
    assert end.type == "response.completed"
    read, patched = end.response.output
    assert read.type == "function_call"
    assert (read.name, read.namespace, read.call_id) == ("read", "mcp__files__", "call_a")
    assert patched.type == "custom_tool_call"
    assert (patched.name, patched.input, patched.call_id) == ("apply_patch", patch, "call_b")
    told = "".join(e.delta for e in events if e.type == "response.custom_tool_call_input.delta")
    assert told == patch
    sent = body_of(upstream, name)["tools"]
    assert [tool["function"]["name"] for tool in sent] == ["mcp__files__read", "apply_patch"]


def test_conformance_062_calls_of_such_tools_go_back_under_the_engines_names(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    name = upstream.on("such history", answer(completion("m")))
    given: Any = [
        {"role": "user", "content": scripted(name)},
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {
            "type": "function_call",
            "call_id": "a",
            "name": "read",
            "namespace": "mcp__files__",
            "arguments": "{}",
        },
        {"type": "custom_tool_call", "call_id": "b", "name": "apply_patch", "input": "text"},
        {"type": "web_search_call", "id": "ws", "status": "completed"},
        {"type": "function_call_output", "call_id": "a", "output": "one"},
        {"type": "custom_tool_call_output", "call_id": "b", "output": "two"},
    ]

    client.responses.create(model="v", input=given, tools=TOOLS)

    said, *results = body_of(upstream, name)["messages"][1:]
    functions = [one["function"] for one in said["tool_calls"]]
    assert functions == [
        {"name": "mcp__files__read", "arguments": "{}"},
        {"name": "apply_patch", "arguments": '{"input":"text"}'},
    ]
    assert said["reasoning"] == "Hm."  # as vLLM calls it
    assert [(r["tool_call_id"], r["content"]) for r in results] == [("a", "one"), ("b", "two")]


@pytest.mark.parametrize(
    ("choice", "names", "sent"),
    [
        ("auto", ["mcp__files__read", "apply_patch"], "auto"),
        ("required", ["mcp__files__read", "apply_patch"], "required"),
        ("none", None, None),
        ({"type": "custom", "name": "apply_patch"}, ["apply_patch"], "required"),
        (
            {"type": "function", "name": "read", "namespace": "mcp__files__"},
            ["mcp__files__read"],
            "required",
        ),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "custom", "name": "apply_patch"}],
            },
            ["apply_patch"],
            "auto",
        ),
        ({"type": "web_search_preview"}, ["mcp__files__read", "apply_patch"], "auto"),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_conformance_044_a_choice_among_tools_leaves_those_that_it_names(
    client: OpenAI, upstream: ScriptedUpstream, choice: Any, names: Any, sent: str | None
) -> None:
    name = f"choice {json.dumps(choice)}".replace("[", "").replace("]", "").replace('"', "")

    client.responses.create(model="v", input=scripted(name), tools=TOOLS, tool_choice=choice)

    body = body_of(upstream, name)
    tools = body.get("tools")
    assert (tools and [tool["function"]["name"] for tool in tools]) == names
    assert body.get("tool_choice") == sent


@pytest.mark.parametrize(
    "field",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"conversation": {"id": "conv_1"}},
        {"background": True},
        {"prompt": {"id": "pmpt_1"}},
    ],
    ids=lambda value: next(iter(value)),
)
def test_conformance_063_what_needs_stored_responses_is_refused_by_name(
    client: OpenAI, field: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="v", input="Hi", **field)

    assert (caught.value.code, caught.value.param) == ("unsupported_parameter", next(iter(field)))


@pytest.mark.parametrize("store", [True, False, None])
def test_conformance_063_026_storing_may_be_asked_for_and_is_not_done(
    client: OpenAI, store: bool | None
) -> None:
    nothing: Any = dict.fromkeys(
        "instructions max_output_tokens temperature top_p tools tool_choice parallel_tool_calls "
        "reasoning text include metadata truncation previous_response_id conversation background "
        "prompt stream user service_tier max_tool_calls top_logprobs".split()
    )

    got = client.responses.create(model="v", input="Hi", store=store, extra_body=nothing)

    assert got.output_text == "Hi"
    assert got.store is False  # type: ignore[attr-defined]
    with pytest.raises(openai.NotFoundError) as kept:
        client.responses.retrieve(got.id)
    assert kept.value.code == "response_not_found"
    with pytest.raises(openai.NotFoundError):
        client.responses.delete(got.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.cancel(got.id)


def test_conformance_065_an_engine_that_dies_makes_the_response_fail(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    def dies(exchange: Exchange) -> None:
        stream(delta("m", "Hel"), end=b"")(exchange)
        exchange.close()

    name = upstream.on("dies", dies)

    events = list(client.responses.create(model="v", input=scripted(name), stream=True))

    end = events[-1]
    assert end.type == "response.failed"
    assert end.response.status == "failed"
    assert end.response.error is not None
    assert end.response.error.code == "upstream_error"
    assert "died in the middle" in end.response.error.message
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert "response.completed" not in {e.type for e in events}


@pytest.mark.parametrize("reason", ["abort", "canceled"])
def test_an_engine_that_gives_up_makes_the_response_fail(
    client: OpenAI, upstream: ScriptedUpstream, reason: str
) -> None:
    name = upstream.on(f"gives up {reason}", stream(delta("m", "Hel"), finish("m", reason), DONE))

    *_, end = client.responses.create(model="v", input=scripted(name), stream=True)

    assert end.type == "response.failed"


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_conformance_057_thoughts_come_as_an_item_of_their_own(
    client: OpenAI, upstream: ScriptedUpstream, field: str
) -> None:
    name = upstream.on(
        f"thinks {field}",
        stream(
            piece(role="assistant", content=None),
            piece(**{field: "Let me "}),
            piece(**{field: "see."}),
            piece(content="42"),
            finish("m"),
            event(
                {
                    "choices": [],
                    "usage": {
                        "prompt_tokens": 7,
                        "completion_tokens": 5,
                        "prompt_tokens_details": {"cached_tokens": 4},
                        "completion_tokens_details": {"reasoning_tokens": 3},
                    },
                }
            ),
            DONE,
        ),
    )

    with client.responses.stream(model="v", input=scripted(name)) as got:
        kinds = [e.type for e in got]
        final = got.get_final_response()

    thought, said = final.output
    assert thought.type == "reasoning"
    assert thought.summary[0].text == "Let me see."
    assert said.type == "message"
    assert final.output_text == "42"
    assert kinds == [
        *LIFE,
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        *["response.reasoning_summary_text.delta"] * 2,
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
        *BEGIN,
        "response.output_text.delta",
        *END,
    ]
    assert final.usage is not None
    assert final.usage.input_tokens_details.cached_tokens == 4
    assert final.usage.output_tokens_details.reasoning_tokens == 3


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        ("v", "high", {"reasoning_effort": "high"}),
        ("v", "none", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("cpp", "low", {"reasoning_effort": "low"}),
    ],
)
def test_how_much_to_think_is_said_as_the_engine_understands_it(
    client: OpenAI, upstream: ScriptedUpstream, model: str, effort: Any, sent: dict[str, Any]
) -> None:
    name = f"effort {model} {effort}"

    got = client.responses.create(model=model, input=scripted(name), reasoning={"effort": effort})

    assert got.reasoning is not None
    assert got.reasoning.effort == effort
    assert sent.items() <= body_of(upstream, name).items()


def test_the_engine_gets_openais_fields_and_nothing_else(
    client: OpenAI, upstream: ScriptedUpstream
) -> None:
    client.responses.create(
        model="v-alias",
        input=scripted("all fields"),
        instructions="Be short.",
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.9,
        metadata={"a": "b"},
        store=False,
        include=["reasoning.encrypted_content"],
        service_tier="auto",
        prompt_cache_key="k",
        safety_identifier="s",
        truncation="auto",
        text={"verbosity": "low"},
        extra_body={"unheard_of": 1},
    )

    seen = upstream.requests("all fields")[-1]
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["content-type"] == "application/json"
    assert seen.body == {
        "model": "v",
        "messages": [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": scripted("all fields")},
        ],
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
    }


@pytest.mark.parametrize("streams", [False, True])
def test_in_front_of_ollama_it_speaks_ollamas_own_api(
    engines: GatewayProcess, upstream: ScriptedUpstream, streams: bool
) -> None:
    call = {"id": "c1", "function": {"name": "weather", "arguments": {"city": "Bonn"}}}
    counts = {"done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}
    name = upstream.on(
        f"response of ollama {streams}",
        native(
            {"message": {"thinking": "Hm."}, "done": False},
            {"message": {"content": "I look.", "tool_calls": [call]}, "done": False},
            {"message": {"content": ""}, "done": True, **counts},
        ),
    )
    asked: Any = {"model": "oll", "input": scripted(name), "tools": [WEATHER]}
    with OpenAI(base_url=f"{engines.url}/v1", api_key="none", max_retries=0) as ours:
        if streams:
            with ours.responses.stream(**asked) as got_stream:
                got = got_stream.get_final_response()
        else:
            got = ours.responses.create(**asked)

    assert [item.type for item in got.output] == ["reasoning", "message", "function_call"]
    assert got.output_text == "I look."
    assert got.output[2].arguments == '{"city":"Bonn"}'  # type: ignore[union-attr]
    assert got.usage is not None
    assert (got.usage.input_tokens, got.usage.output_tokens) == (7, 3)
    assert upstream.requests(name)[-1].path == "/api/chat"


@pytest.mark.parametrize(
    "path", ["/responses", "/v1/responses/", "//v1/responses", "/v1/v1/responses"]
)
def test_conformance_002_003_every_spelling_of_the_path_is_served(
    gateway: GatewayProcess, path: str
) -> None:
    got = ask(gateway.port, {"model": "v", "input": "Hi"}, path)

    assert (got.status, got.json["object"]) == (200, "response")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/responses", 405, "method_not_supported"),
        ("GET", "/v1/responses/resp_1", 404, "response_not_found"),
        ("DELETE", "/responses/resp_1", 404, "response_not_found"),
        ("GET", "/v1/responses/resp_1/input_items", 404, "response_not_found"),
        ("POST", "/v1/responses/resp_1/cancel", 404, "response_not_found"),
        ("POST", "/v1/responses/compact", 404, None),
    ],
)
def test_conformance_005_what_is_not_served_says_so(
    gateway: GatewayProcess, method: str, path: str, status: int, code: str | None
) -> None:
    got = get(gateway.port, path, method)

    assert (got.status, got.error["code"]) == (status, code)
    assert got.error["type"] == "invalid_request_error"


def test_requests_are_counted_as_chats_of_their_own_route(
    gateway: GatewayProcess, client: OpenAI
) -> None:
    client.responses.create(model="v", input="Hi")

    lines = get(gateway.port, "/metrics").body.decode().splitlines()
    mine = [x for x in lines if 'route="/v1/responses"' in x and 'model="v"' in x]
    counted = [x for x in mine if 'code="200"' in x and 'stream="false"' in x]
    assert all('operation="chat"' in line for line in mine)
    assert len(counted) == 1
    assert int(counted[0].rpartition(" ")[2]) > 0
