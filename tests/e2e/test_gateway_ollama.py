"""The published `ollama` client against the gateway against llama.cpp with a real model."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ollama
import pytest
from openai import OpenAI

from gateway_process import GatewayProcess, RawClient, ask, get
from real_engine import MODEL, gateway_of, llama_cpp

ROUTES = """
version: 1
models:
  - name: smollm2:135m
    aliases: [mistral, /models/My Model-Q4_K_M.gguf]
    backend: llamacpp
    backend_url: http://127.0.0.1:{port}
    limits: {{context: 1024}}
    details:
      family: llama
      parameters: 134515008
      quantisation: Q4_1
      context: 1024
      size_bytes: 98870528
      embedding_length: 576
      capabilities: [completion, tools, embedding]
"""
HI = [{"role": "user", "content": "Say hello."}]
GREEDY = {"temperature": 0, "seed": 1, "num_predict": 8}


@pytest.fixture(scope="module")
def engine(smollm2: Path) -> Iterator[int]:
    """The port of the llama.cpp server that `up` starts, with the small model."""
    with llama_cpp(smollm2, context=1024) as port:
        yield port


@pytest.fixture(scope="module")
def served(engine: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    routes = ROUTES.format(port=engine)
    with gateway_of(routes, tmp_path_factory.mktemp("ollama")) as gateway:
        yield gateway


@pytest.fixture
def client(served: GatewayProcess) -> Iterator[ollama.Client]:
    with ollama.Client(host=served.url) as client:
        yield client


def test_conformance_001_the_root_says_that_ollama_is_running(served: GatewayProcess) -> None:
    got, head = get(served.port, "/"), get(served.port, "/", "HEAD")

    assert (got.status, got.body) == (200, b"Ollama is running")
    assert got.headers["content-type"].startswith("text/plain")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


def test_conformance_005_unknown_paths_and_wrong_methods_are_told_in_plain_text(
    served: GatewayProcess,
) -> None:
    unknown, wrong = ask(served.port, {}, "/api/nope"), get(served.port, "/api/chat")

    assert (unknown.status, unknown.body) == (404, b"404 page not found")
    assert (wrong.status, wrong.headers["allow"]) == (405, "POST")
    assert wrong.body == b"405 method not allowed"


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_conformance_066_067_lines_are_streamed_unless_told_otherwise(
    served: GatewayProcess, path: str
) -> None:
    asked = {"model": MODEL, "messages": HI, "prompt": "Say hello.", "options": GREEDY}

    streamed = ask(served.port, asked, path)
    whole = ask(served.port, asked | {"stream": False}, path)

    assert streamed.headers["content-type"] == "application/x-ndjson"
    assert whole.headers["content-type"].startswith("application/json")
    *pieces, rest = streamed.body.decode("ascii").split("\n")
    assert rest == ""
    lines: list[dict[str, Any]] = [json.loads(piece) for piece in pieces]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    last = lines[-1]
    assert last["done_reason"] == "length"
    for name in ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"):
        assert type(last[name]) is int
        assert last[name] >= 0
    assert last["eval_count"] == 8
    assert last["prompt_eval_count"] > 0
    text = "".join(_text(line) for line in lines)
    assert text
    assert text == _text(whole.json)


def _text(line: dict[str, Any]) -> str:
    text: str = line["message"]["content"] if "message" in line else line["response"]
    return text


def test_conformance_066_the_client_chats_streamed_and_not(client: ollama.Client) -> None:
    whole = client.chat(model=MODEL, messages=HI, options=GREEDY)
    chunks = list(client.chat(model=MODEL, messages=HI, options=GREEDY, stream=True))

    assert whole.message.content
    assert "".join(c.message.content or "" for c in chunks) == whole.message.content
    assert chunks[-1].done_reason == "length"
    assert whole.eval_count == chunks[-1].eval_count == 8


def test_conformance_066_the_client_generates_with_template_and_raw(client: ollama.Client) -> None:
    made = client.generate(model=MODEL, prompt="Say hello.", system="Be brief.", options=GREEDY)
    raw = client.generate(model=MODEL, prompt="One, two, three,", raw=True, options=GREEDY)
    streamed = client.generate(
        model=MODEL, prompt="One, two, three,", raw=True, options=GREEDY, stream=True
    )

    assert made.response
    assert "four" in raw.response
    assert "".join(c.response for c in streamed) == raw.response


def test_conformance_070_models_are_listed_with_all_that_strict_parsers_want(
    client: ollama.Client, served: GatewayProcess
) -> None:
    (model,) = client.list().models
    (raw,) = get(served.port, "/api/tags").json["models"]

    assert model.model == MODEL
    assert model.size == 98870528
    assert model.details is not None
    assert model.details.parameter_size == "134.52M"
    assert {"name", "model", "modified_at", "size", "digest", "details"} <= raw.keys()
    assert len(raw["digest"]) == 64
    wanted = ("parent_model", "format", "family", "parameter_size", "quantization_level")
    assert all(isinstance(raw["details"][name], str) for name in wanted)
    assert get(served.port, "/api/tags", "HEAD").status == 200


def test_conformance_071_a_model_is_shown_by_either_field(
    client: ollama.Client, served: GatewayProcess
) -> None:
    shown = client.show(MODEL)
    old = ask(served.port, {"name": "SmolLM2:135M"}, "/api/show").json
    times = [_timed(served.port) for _ in range(5)]

    lengths = {k: v for k, v in old["model_info"].items() if k.endswith("context_length")}
    assert lengths == {"llama.context_length": 1024}
    assert shown.modelinfo == old["model_info"]
    assert shown.capabilities == ["completion", "tools", "embedding"]
    assert shown.details is not None
    assert shown.details.quantization_level == "Q4_1"
    assert "tools" in old["template"]
    assert sorted(times)[2] < 0.05
    with pytest.raises(ollama.ResponseError, match="model 'nope' not found") as error:
        client.show("nope")
    assert error.value.status_code == 404
    assert ask(served.port, {}, "/api/show").json == {"error": "model is required"}


def _timed(port: int) -> float:
    begin = datetime.now(UTC)
    assert ask(port, {"model": MODEL}, "/api/show").status == 200
    return (datetime.now(UTC) - begin).total_seconds()


@pytest.mark.parametrize(
    "name",
    [
        "mistral",
        "mistral:latest",
        "Mistral:LATEST",
        "library/mistral",
        "registry.ollama.ai/library/mistral:latest",
        "my-model:q4_k_m",
        "/models/My Model-Q4_K_M.gguf",
    ],
)
def test_conformance_072_names_mean_the_same_model_and_are_echoed(
    served: GatewayProcess, client: ollama.Client, name: str
) -> None:
    options = {"num_predict": 1}
    answer = client.chat(model=name, messages=HI, options=options)
    chunks = list(client.chat(model=name, messages=HI, options=options, stream=True))
    with OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as openai:
        other = openai.chat.completions.create(model=name, messages=HI, max_tokens=1)  # type: ignore[arg-type]

    assert answer.model == name
    assert {c.model for c in chunks} == {name}
    assert other.model == name


@pytest.mark.parametrize("name", ["a//b", ":tag", "m:", "-x", "m" * 81])
def test_conformance_073_impossible_names_are_refused(served: GatewayProcess, name: str) -> None:
    for path in ("/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/show"):
        answer = ask(served.port, {"model": name, "messages": HI, "prompt": "x"}, path)
        assert (answer.status, answer.json) == (400, {"error": "invalid model name"}), path


def test_conformance_073_a_model_without_a_name_or_unknown(served: GatewayProcess) -> None:
    def said(path: str, model: str) -> tuple[int, dict[str, Any]]:
        answer = ask(served.port, {"model": model, "messages": HI, "prompt": "x"}, path)
        return answer.status, answer.json

    for path in ("/api/generate", "/api/embed"):
        assert said(path, "") == (404, {"error": "model '' not found"})
    for path in ("/api/chat", "/api/embeddings"):
        assert said(path, "") == (400, {"error": "model is required"})
    for path in ("/api/chat", "/api/generate"):
        assert said(path, "nope") == (404, {"error": "model 'nope' not found"})
    for path in ("/api/embed", "/api/embeddings"):
        text = 'model "nope" not found, try pulling it first'
        assert said(path, "nope") == (404, {"error": text})


def test_conformance_074_an_empty_request_loads_a_model_or_unloads_it(
    served: GatewayProcess, client: ollama.Client
) -> None:
    loaded = [client.generate(model=MODEL), client.chat(model=MODEL)]
    assert [answer.done_reason for answer in loaded] == ["load", "load"]
    raw = ask(served.port, {"model": MODEL, "messages": []}, "/api/chat")
    assert raw.headers["content-type"].startswith("application/json")
    assert raw.json["message"] == {"role": "assistant", "content": ""}
    assert [m.model for m in client.ps().models] == [MODEL]

    gone = client.generate(model=MODEL, prompt="", keep_alive=0)

    assert gone.done_reason == "unload"
    assert client.ps().models == []
    client.generate(model=MODEL)
    assert [m.model for m in client.ps().models] == [MODEL]


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(1800, 1800), ("5m", 300), ("1h30m", 5400), (-1, None), ("-1m", None), (100.5, 100.5)],
)
def test_conformance_075_086_the_wish_to_stay_is_visible(
    client: ollama.Client, given: float | str, seconds: float | None
) -> None:
    client.generate(model=MODEL, keep_alive=given)

    (model,) = client.ps().models

    assert model.expires_at is not None
    left = model.expires_at - datetime.now(UTC)
    if seconds is None:
        assert left > timedelta(days=365)
    else:
        assert abs(left - timedelta(seconds=seconds)) < timedelta(seconds=5)
    assert (model.context_length, model.size_vram) == (1024, 0)
    client.generate(model=MODEL, keep_alive=-1)


@pytest.mark.parametrize("given", [0, 0.5, "0", "300ms"])
def test_conformance_075_a_short_wish_is_accepted(client: ollama.Client, given: float) -> None:
    answer = client.chat(model=MODEL, messages=HI, keep_alive=given, options={"num_predict": 1})

    assert answer.done
    client.generate(model=MODEL, keep_alive=-1)


@pytest.mark.parametrize("given", ["abc", "5", "", True, [1]])
def test_conformance_075_a_wish_that_is_no_duration_is_refused(
    served: GatewayProcess, given: object
) -> None:
    answer = ask(served.port, {"model": MODEL, "messages": [], "keep_alive": given}, "/api/chat")

    assert answer.status == 400
    assert isinstance(answer.json["error"], str)


def test_conformance_076_options_that_mean_the_default_are_no_error(client: ollama.Client) -> None:
    options = {
        "num_predict": 2,
        "repeat_penalty": 0,
        "repeat_last_n": -1,
        "seed": -1,
        "num_keep": 4,
        "top_k": 40,
        "min_p": 0.0,
        "typical_p": 1.0,
        "mirostat": 0,
        "numa": False,
        "f16_kv": True,
        "foo": {"bar": 1},
        "stop": [],
        "temperature": None,
    }
    # By chance an answer without an end could be one without that letter, as long as the context.
    endless = {"stop": ["e"], "temperature": 0}
    for changed in ({}, {"num_predict": -1, **endless}, {"num_predict": -2, **endless}):
        assert client.chat(model=MODEL, messages=HI, options=options | changed).done


@pytest.mark.parametrize(
    "options",
    [{"temperature": "hot"}, {"num_predict": 1.5}, {"stop": "x"}, {"top_k": True}, {"seed": "1"}],
)
def test_conformance_076_options_of_the_wrong_type_are_refused(
    served: GatewayProcess, options: dict[str, object]
) -> None:
    asked = {"model": MODEL, "messages": HI, "options": options}

    answer = ask(served.port, asked, "/api/chat")

    assert answer.status == 400
    assert answer.json["error"].startswith(f'option "{next(iter(options))}" must be of type')


def test_conformance_077_a_wish_for_context_reloads_nothing(
    client: ollama.Client, served: GatewayProcess
) -> None:
    for size in (512, 9000, 131072):
        options = {"num_ctx": size, "num_predict": 1}
        assert client.chat(model=MODEL, messages=HI, options=options).done

    long = [{"role": "user", "content": "word " * 3000}]
    with pytest.raises(ollama.ResponseError, match="This model's maximum context") as error:
        client.chat(model=MODEL, messages=long, options={"num_ctx": 131072})
    assert error.value.status_code == 400


def test_conformance_081_an_answer_keeps_to_a_form(client: ollama.Client) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    options = {"temperature": 0, "num_predict": 60}
    by_schema = client.chat(model=MODEL, messages=HI, format=schema, options=options)
    raw = client.generate(model=MODEL, prompt="A:", raw=True, format={"enum": ["yes"]})
    for free in ("", None):
        assert client.chat(model=MODEL, messages=HI, format=free, options=GREEDY).done  # type: ignore[call-overload]

    assert isinstance(json.loads(by_schema.message.content or "")["n"], int)
    assert json.loads(raw.response) == "yes"
    by_word = client.chat(model=MODEL, messages=HI, format="json", options=options)
    assert (by_word.message.content or "").lstrip().startswith(("{", "["))


@pytest.mark.parametrize("form", ["yaml", 5, ["json"]])
def test_conformance_081_no_other_form_is_known(served: GatewayProcess, form: object) -> None:
    answer = ask(served.port, {"model": MODEL, "messages": HI, "format": form}, "/api/chat")

    assert answer.status == 400
    assert isinstance(answer.json["error"], str)


@pytest.mark.parametrize(
    ("think", "text"),
    [(True, f'"{MODEL}" does not support thinking'), ("ultra", 'invalid think value: "ultra"')],
)
def test_conformance_082_what_cannot_think_says_so(
    client: ollama.Client, think: Any, text: str
) -> None:
    with pytest.raises(ollama.ResponseError, match=text) as error:
        client.chat(model=MODEL, messages=HI, think=think)

    assert error.value.status_code == 400
    assert client.chat(model=MODEL, messages=HI, think=False, options=GREEDY).message.content


def test_conformance_083_vectors_have_the_length_one_and_agree(
    client: ollama.Client, served: GatewayProcess
) -> None:
    texts = ["The cat sleeps.", "Bonds fell by 3 %."]
    both = client.embed(model=MODEL, input=texts)
    one = client.embed(model=MODEL, input=texts[0], dimensions=64)
    old = client.embeddings(model=MODEL, prompt=texts[0])
    none = client.embed(model=MODEL, input=[])
    with OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as openai:
        theirs = openai.embeddings.create(model=MODEL, input=texts)

    assert [len(v) for v in both.embeddings] == [576, 576]
    for vector in (*both.embeddings, *one.embeddings):
        assert sum(x * x for x in vector) == pytest.approx(1)
    assert [len(v) for v in one.embeddings] == [64]
    assert list(old.embedding) == pytest.approx(list(both.embeddings[0]), abs=1e-4)
    for ours, other in zip(both.embeddings, theirs.data, strict=True):
        assert list(ours) == pytest.approx(other.embedding, abs=1e-4)
    assert none.embeddings == []
    assert both.prompt_eval_count == theirs.usage.prompt_tokens


def test_conformance_119_the_same_prompt_gives_the_same_text_everywhere(
    client: ollama.Client, served: GatewayProcess
) -> None:
    with OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as openai:
        theirs = openai.chat.completions.create(
            model=MODEL,
            messages=HI,  # type: ignore[arg-type]
            max_tokens=16,
            temperature=0,
            seed=1,
        )
    options = {"temperature": 0, "seed": 1, "num_predict": 16}

    ours = client.chat(model=MODEL, messages=HI, options=options)
    generated = client.generate(model=MODEL, prompt="Say hello.", options=options)

    assert ours.message.content == theirs.choices[0].message.content == generated.response


def test_conformance_117_a_stream_is_closed_when_its_client_leaves(served: GatewayProcess) -> None:
    with RawClient(served.port) as leaving:
        leaving.post({"model": MODEL, "messages": HI}, "/api/chat", X_Request_Id="leaver")
        leaving.read_head()

    assert served.access_line("leaver")["status"] == 499
