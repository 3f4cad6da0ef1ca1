"""Ollama's API in front of engines that say what no real one says on demand."""

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import ollama
import pytest

from gateway_process import GatewayProcess, ask
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

ROUTES = """
version: 1
models:
  - {{name: cpp, backend: llamacpp, backend_url: "{url}"}}
  - {{name: v, backend: vllm, backend_url: "{url}", upstream_model: org/v}}
  - {{name: rs, backend: mistral, backend_url: "{url}"}}
  - {{name: other, backend: openai, backend_url: "{url}"}}
  - name: thinker
    backend: llamacpp
    backend_url: "{url}"
    details: {{capabilities: [completion, thinking]}}
"""
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
WEBP = b"RIFF\0\0\0\0WEBPVP8 " + b"\0" * 8
ODD = 'a\u2028b\u2029c\x85d\N{GRINNING FACE}e\x00f"g\\h\r\ni'
Script = Callable[[Exchange], None]


@pytest.fixture(scope="module")
def gateway(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    routes = tmp_path_factory.mktemp("ollama-engines") / "routes.yaml"
    routes.write_text(ROUTES.format(url=upstream.url))
    with GatewayProcess("--config", routes) as process:
        yield process


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[ollama.Client]:
    with ollama.Client(host=gateway.url) as client:
        yield client


@pytest.fixture
def script(upstream: ScriptedUpstream, request: Any) -> Callable[[Script], str]:
    """Have the engine answer this test by a script of its own; return its prompt."""
    name = "".join(c if c.isalnum() else " " for c in request.node.name)
    return lambda run: scripted(upstream.on(name, run))


def user(prompt: str, **fields: object) -> list[dict[str, object]]:
    return [{"role": "user", "content": prompt, **fields}]


def last_body(upstream: ScriptedUpstream) -> dict[str, Any]:
    return upstream.seen[-1].body


def test_conformance_068_no_character_breaks_a_line(
    client: ollama.Client, script: Callable[[Script], str]
) -> None:
    events = [*(delta("m", c) for c in ODD), finish("m"), usage_event("m"), DONE]

    streamed = client.chat("v", user(script(stream(*events))), stream=True)
    text = "".join(chunk.message.content or "" for chunk in streamed)
    whole = client.chat("v", user(script(answer(completion("m", ODD)))))

    assert text == ODD
    assert whole.message.content == ODD


def call_delta(index: int, arguments: str, **first: str) -> bytes:
    call: dict[str, object] = {"index": index, "function": {"arguments": arguments}}
    if first:
        call = {
            "index": index,
            "id": first.get("id"),
            "type": "function",
            "function": {"name": first["name"], "arguments": arguments},
        }
    return event(
        {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
    )


def test_conformance_078_tool_calls_come_once_whole_on_the_last_line(
    client: ollama.Client, script: Callable[[Script], str]
) -> None:
    first, second = '{"city":"Zürich","n":[1,2]}', "{}"
    events = [
        call_delta(0, "", name="weather", id="call_a"),
        call_delta(1, second, name="time"),
        *(call_delta(0, letter) for letter in first),
        finish("m", "tool_calls"),
        usage_event("m"),
        DONE,
    ]

    lines = list(client.chat("v", user(script(stream(*events))), stream=True))

    assert [bool(line.message.tool_calls) for line in lines] == [False] * (len(lines) - 1) + [True]
    calls = lines[-1].message.tool_calls or []
    assert [c.function.name for c in calls] == ["weather", "time"]
    assert [c.function.arguments for c in calls] == [{"city": "Zürich", "n": [1, 2]}, {}]
    assert (lines[-1].done, lines[-1].done_reason) == (True, "stop")


def test_conformance_078_a_whole_answer_with_a_tool_call(
    client: ollama.Client, script: Callable[[Script], str]
) -> None:
    call = {"type": "function", "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}

    got = client.chat("v", user(script(answer(body))))

    (found,) = got.message.tool_calls or []
    assert found.function.arguments == {"city": "Bern"}
    assert (got.message.content, got.done_reason) == ("", "stop")


@pytest.mark.parametrize("arguments", ['{"city":', "[1]", "NaN", "nonsense"])
@pytest.mark.parametrize("streams", [True, False])
def test_conformance_078_arguments_that_are_no_object_are_an_error(
    gateway: GatewayProcess, script: Callable[[Script], str], arguments: str, streams: bool
) -> None:
    events = [call_delta(0, arguments, name="f"), finish("m", "tool_calls"), DONE]
    asked = {"model": "v", "messages": user(script(stream(*events))), "stream": streams}

    got = ask(gateway.port, asked, "/api/chat")

    last = json.loads(got.body.splitlines()[-1])
    assert "invalid tool call arguments" in last["error"]
    assert b'"done":true' not in got.body
    assert got.status == (200 if streams else 502)


def called(*calls: dict[str, object]) -> dict[str, object]:
    return {"role": "assistant", "content": "", "tool_calls": list(calls)}


def call(name: str, **fields: object) -> dict[str, object]:
    return {"function": {"name": name, "arguments": {"b": 1, "a": 2}}, **fields}


@pytest.mark.parametrize(
    ("turns", "ids"),
    [
        ([called(call("f")), {"tool_name": "f"}], ["call_1_0"]),
        ([called(call("f", id="call_x")), {"tool_call_id": "call_x"}], ["call_x"]),
        ([called(call("f", id="call_x")), {"tool_call_id": "foreign"}], ["call_x"]),
        ([called(call("f"), call("g")), {}, {}], ["call_1_0", "call_1_1"]),
        ([called(call("f"), call("g")), {"tool_name": "g"}, {}], ["call_1_1", "call_1_0"]),
        ([called(call("f"), call("f")), {"tool_name": "f"}, {}], ["call_1_0", "call_1_1"]),
        ([{"tool_call_id": "lost"}], ["lost"]),
    ],
)
def test_conformance_079_results_get_the_ids_of_their_calls(
    gateway: GatewayProcess, upstream: ScriptedUpstream, turns: list[dict[str, Any]], ids: list[str]
) -> None:
    results = [{"role": "tool", "content": "42", **t} if "role" not in t else t for t in turns]
    asked = {"model": "v", "messages": [*user("Hi"), *results], "stream": False}

    assert ask(gateway.port, asked, "/api/chat").status == 200

    sent = last_body(upstream)["messages"]
    assert [m["tool_call_id"] for m in sent if m["role"] == "tool"] == ids
    for message in sent:
        for made in message.get("tool_calls", ()):
            assert made["function"]["arguments"] == '{"b":1,"a":2}'
            assert made["type"] == "function"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_conformance_080_images_reach_the_engine_with_their_kind(
    gateway: GatewayProcess, client: ollama.Client, upstream: ScriptedUpstream, prefix: str
) -> None:
    asked = {"model": "cpp", "messages": user("See?", images=[prefix + b64(PNG)])}
    assert ask(gateway.port, asked, "/api/chat").status == 200
    (message,) = last_body(upstream)["messages"]
    client.generate("cpp", "See?", images=[b64(PNG)])
    (generated,) = last_body(upstream)["messages"]

    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{b64(PNG)}"}}
    assert message == {"role": "user", "content": [{"type": "text", "text": "See?"}, image]}
    assert generated == message


def test_conformance_080_what_an_engine_cannot_read_is_refused(gateway: GatewayProcess) -> None:
    def said(model: str, image: str) -> tuple[int, str]:
        asked = {"model": model, "messages": user("x", images=[image]), "stream": False}
        got = ask(gateway.port, asked, "/api/chat")
        return got.status, got.json.get("error", "")

    assert said("cpp", b64(WEBP))[0] == 400
    assert "webp" in said("cpp", b64(WEBP))[1]
    assert said("v", b64(WEBP))[0] == 200
    assert said("cpp", "no base64!") == (400, "invalid image: illegal base64 data")
    assert said("cpp", b64(b"plain text is no image"))[0] == 400
    assert said("thinker", b64(PNG)) == (400, '"thinker" does not support images')


def test_conformance_080_sounds_are_told_from_images(
    client: ollama.Client, upstream: ScriptedUpstream
) -> None:
    wav = b"RIFF\0\0\0\0WAVEfmt " + b"\0" * 16

    client.chat("cpp", user("Hear?", images=[b64(wav)]))

    sound = last_body(upstream)["messages"][0]["content"][1]
    assert sound == {"type": "input_audio", "input_audio": {"data": b64(wav), "format": "wav"}}


@pytest.mark.parametrize(
    ("model", "think", "fields"),
    [
        ("cpp", False, {"chat_template_kwargs": {"enable_thinking": False}}),
        ("cpp", True, {"chat_template_kwargs": {"enable_thinking": True}}),
        (
            "v",
            "high",
            {"chat_template_kwargs": {"enable_thinking": True}, "reasoning_effort": "high"},
        ),
        ("rs", True, {"enable_thinking": True}),
        ("rs", "low", {"enable_thinking": True, "reasoning_effort": "low"}),
        ("other", False, {"reasoning_effort": "none"}),
        ("other", True, {}),
        ("cpp", None, {}),
    ],
)
def test_conformance_082_engines_are_told_to_think_in_their_own_words(
    client: ollama.Client,
    upstream: ScriptedUpstream,
    model: str,
    think: Any,
    fields: dict[str, object],
) -> None:
    client.chat(model, user("Hi"), think=think)

    sent = last_body(upstream)
    names = ("chat_template_kwargs", "reasoning_effort", "enable_thinking")
    assert {name: sent[name] for name in names if name in sent} == fields


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_conformance_082_thoughts_stay_out_of_the_text(
    client: ollama.Client, script: Callable[[Script], str], field: str
) -> None:
    def thought(text: str) -> bytes:
        return event({"choices": [{"index": 0, "delta": {field: text}, "finish_reason": None}]})

    events = [thought("Let me"), thought(" see."), delta("m", "42"), finish("m"), DONE]
    message = {"role": "assistant", "content": "42", field: "Let me see."}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}

    lines = list(client.chat("thinker", user(script(stream(*events))), think=True, stream=True))
    whole = client.chat("thinker", user(script(answer(body))), think=True)
    made = list(client.generate("thinker", script(stream(*events)), think=True, stream=True))

    assert "".join(x.message.thinking or "" for x in lines) == "Let me see."
    assert "".join(x.message.content or "" for x in lines) == "42"
    assert all(x.message.content == "" for x in lines if x.message.thinking)
    assert (whole.message.thinking, whole.message.content) == ("Let me see.", "42")
    assert "".join(x.thinking or "" for x in made) == "Let me see."
    assert "".join(x.response for x in made) == "42"


def test_earlier_thoughts_go_back_to_engines_that_want_them(
    client: ollama.Client, upstream: ScriptedUpstream
) -> None:
    turns = [*user("Hi"), {"role": "assistant", "content": "42", "thinking": "Hm."}, *user("Why?")]

    said = {}
    for model in ("cpp", "v", "rs", "other"):
        client.chat(model, turns)
        said[model] = last_body(upstream)["messages"][1]

    plain = {"role": "assistant", "content": "42"}
    assert said == {
        "cpp": plain | {"reasoning_content": "Hm."},
        "v": plain | {"reasoning": "Hm."},
        "rs": plain | {"reasoning_content": "Hm."},
        "other": plain,
    }


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (
            "cpp",
            {
                "top_k": 5,
                "min_p": 0.1,
                "typical_p": 0.9,
                "repeat_penalty": 1.1,
                "repeat_last_n": 32,
                "n_keep": 4,
                "mirostat": 2,
            },
        ),
        ("v", {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1}),
        ("rs", {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1}),
        ("other", {}),
    ],
)
def test_conformance_048_076_options_become_the_fields_of_each_engine(
    client: ollama.Client, upstream: ScriptedUpstream, model: str, fields: dict[str, object]
) -> None:
    options = {
        "num_predict": 5,
        "temperature": 0.5,
        "top_p": 0.8,
        "seed": 7,
        "stop": ["END"],
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "top_k": 5,
        "min_p": 0.1,
        "typical_p": 0.9,
        "repeat_penalty": 1.1,
        "repeat_last_n": 32,
        "num_keep": 4,
        "mirostat": 2,
        "num_ctx": 4096,
        "num_gpu": 99,
    }

    client.chat(model, user("Hi"), options=options)

    sent = last_body(upstream)
    assert sent == {
        "model": {"v": "org/v"}.get(model, model),
        "messages": user("Hi"),
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.8,
        "seed": 7,
        "stop": ["END"],
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        **fields,
    }


def test_only_engines_that_know_it_are_asked_for_usage(
    client: ollama.Client, upstream: ScriptedUpstream
) -> None:
    asked = {}
    for model in ("cpp", "v", "rs", "other"):
        list(client.chat(model, user("Hi"), stream=True))
        asked[model] = last_body(upstream).get("stream_options")

    usage = {"include_usage": True}
    assert asked == {"cpp": usage, "v": usage, "rs": None, "other": usage}


def test_times_of_the_engine_are_told_in_nanoseconds(
    client: ollama.Client, script: Callable[[Script], str]
) -> None:
    timings = {
        "prompt_n": 5,
        "cache_n": 2,
        "prompt_ms": 12.5,
        "predicted_n": 3,
        "predicted_ms": 30.25,
    }
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}], "timings": timings}

    got = list(client.chat("cpp", user(script(stream(delta("m", "a"), event(end)))), stream=True))

    last = got[-1]
    assert (last.prompt_eval_duration, last.eval_duration) == (12_500_000, 30_250_000)
    assert (last.prompt_eval_count, last.eval_count, last.done_reason) == (7, 3, "length")


def test_a_gap_is_filled_by_the_engines_own_way(
    client: ollama.Client, upstream: ScriptedUpstream, script: Callable[[Script], str]
) -> None:
    last = {
        "content": "",
        "stop": True,
        "stop_type": "limit",
        "tokens_evaluated": 9,
        "tokens_predicted": 2,
    }
    events = [event({"content": c, "stop": False}) for c in "ab"]

    got = list(
        client.generate(
            "cpp",
            script(stream(*events, event(last))),
            suffix="  return x",
            options={"num_predict": 2},
            stream=True,
        )
    )

    assert upstream.seen[-1].path == "/infill"
    sent = last_body(upstream)
    assert (sent["input_suffix"], sent["n_predict"]) == ("  return x", 2)
    assert "".join(x.response for x in got) == "ab"
    assert (got[-1].done_reason, got[-1].eval_count) == ("length", 2)
    client.generate("other", "def f(x):", suffix="  return x")
    assert (upstream.seen[-1].path, last_body(upstream)["suffix"]) == (
        "/v1/completions",
        "  return x",
    )
    with pytest.raises(ollama.ResponseError, match='"thinker" does not support insert'):
        client.generate("thinker", "def f(x):", suffix="  return x")


def test_probabilities_are_told_as_ollama_does(
    client: ollama.Client, upstream: ScriptedUpstream, script: Callable[[Script], str]
) -> None:
    token = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
    chunk = {"index": 0, "delta": {"content": "Hi"}, "logprobs": {"content": [token]}}
    events = [event({"choices": [chunk]}), finish("m"), DONE]

    got = list(
        client.chat("v", user(script(stream(*events))), logprobs=True, top_logprobs=2, stream=True)
    )

    assert last_body(upstream)["top_logprobs"] == 2
    (told,) = got[0].logprobs or []
    assert (told.token, told.logprob) == ("Hi", -0.5)


def test_nothing_is_generated_where_nothing_is_wanted(
    client: ollama.Client, upstream: ScriptedUpstream
) -> None:
    before = len(upstream.seen)

    got = client.chat("v", user("Hi"), options={"num_predict": 0})

    assert (got.done_reason, got.message.content) == ("length", "")
    assert len(upstream.seen) == before


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "missing request body"),
        (b"{", "invalid JSON"),
        (b"[1]", "invalid request"),
        (b'"x"', "invalid request"),
        (b'{"model":"v","messages":[{"role":"user","content":"\xff"}]}', "not valid UTF-8"),
        (b'{"model":"v","messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "invalid request"),
        (b'{"model":"v","tools":[{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}]}", "too deeply"),
        (b'{"model":"v","messages":[{"role":"king","content":"x"}]}', "invalid role"),
        (b'{"model":"v","messages":[{"role":"user","content":5}]}', "invalid request"),
    ],
)
def test_conformance_008_009_010_011_bad_bodies_are_told_in_ollamas_shape(
    gateway: GatewayProcess, body: bytes, text: str
) -> None:
    got = ask(gateway.port, body, "/api/chat")

    assert got.status == 400
    assert list(got.json) == ["error"]
    assert text in got.json["error"]


@pytest.mark.parametrize("kind", ["", "application/x-www-form-urlencoded", "text/plain"])
def test_conformance_006_007_the_content_type_does_not_matter(
    gateway: GatewayProcess, upstream: ScriptedUpstream, kind: str
) -> None:
    headers = {"Content_Type": kind} if kind else {}
    body = b"\xef\xbb\xbf" + json.dumps({"model": "v", "messages": user("Hi")}).encode()

    got = ask(gateway.port, body, "/api/chat/", **headers)

    assert got.status == 200
    assert upstream.seen[-1].headers["content-type"] == "application/json"


def test_conformance_087_errors_are_plain_strings_here_and_objects_there(
    gateway: GatewayProcess,
) -> None:
    for path in ("/api/chat", "/api/generate", "/api/embed", "/api/show", "/api/pull"):
        got = ask(gateway.port, {"model": "nope", "messages": user("x"), "prompt": "x"}, path)
        assert isinstance(got.json["error"], str), path
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
        got = ask(gateway.port, {"model": "nope", "messages": user("x"), "prompt": "x"}, path)
        assert isinstance(got.json["error"], dict), path
