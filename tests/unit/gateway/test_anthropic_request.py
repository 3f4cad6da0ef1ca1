"""Requests of Anthropic's API: anything is understood or refused, nothing breaks the gateway."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.gateway.apis.anthropic import COUNT_PATH, Anthropic
from frontier.gateway.apis.api import BadRequestError, Outgoing, Reply
from frontier.gateway.routes import Address, Backend, Route, Target, Timeouts

API = Anthropic()
BACKENDS = ["llamacpp", "vllm", "mistral", "ollama", "openai"]
PATHS = ["/v1/messages", COUNT_PATH]

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
)
WORDS = st.sampled_from(
    "text image document tool_result tool_use thinking base64 url content x user any tool".split()
)
KEYS = st.sampled_from(
    "type text source data media_type url content tool_use_id is_error id name input thinking"
    " title role signature cache_control".split()
)
ANYTHING = st.recursive(
    LEAVES | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
TURNS = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system"]), "content": ANYTHING}
    ),
    max_size=4,
)
FIELDS = {
    "model": st.just("m") | LEAVES,
    "max_tokens": st.just(5) | LEAVES,
    "messages": TURNS | ANYTHING,
}
MORE = (
    "system stream tools tool_choice thinking output_config metadata stop_sequences top_k".split()
)
REQUESTS = st.fixed_dictionaries(FIELDS, optional=dict.fromkeys(MORE, ANYTHING))


def route(backend: str, *, is_placed: bool = True) -> Route:
    address = Address("h", 1) if is_placed else None
    engine = Backend(name=backend, address=address, upstream_model="its-own")
    target = Target(
        name="m",
        aliases=(),
        backend=backend,
        backends=(engine,),
        timeouts=Timeouts(),
        label=backend,
    )
    return Route(asked="m", target=target, backend=engine, splice=True, echo=b"")


def spoken(body: bytes, path: str, backend: str) -> None:
    """Read *body* and say it to an engine: a typed refusal or a JSON object."""
    said = b""
    try:
        said = API.read(path, body).outgoing(route(backend)).body
    except BadRequestError as error:
        said = API.problem(error.problem, "req_1")
        kind = json.loads(said)["error"]["type"]
        assert (error.problem.status, kind) == (400, "invalid_request_error")  # noqa: PT017
    assert isinstance(msgspec.json.decode(said), dict)


@given(REQUESTS, st.sampled_from(PATHS), st.sampled_from(BACKENDS))
def test_any_json_is_understood_or_refused(
    request: dict[str, Any], path: str, backend: str
) -> None:
    spoken(json.dumps(request).encode(), path, backend)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.sampled_from(PATHS))
def test_any_bytes_are_understood_or_refused(body: bytes, path: str) -> None:
    spoken(body, path, "vllm")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.sampled_from(BACKENDS))
def test_text_reaches_the_engine_as_it_is(text: str, backend: str) -> None:
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": text}]}

    out = API.read("/v1/messages", json.dumps(body).encode()).outgoing(route(backend))

    assert json.loads(out.body)["messages"] == [{"role": "user", "content": text}]


@given(st.dictionaries(st.text(max_size=5), LEAVES, max_size=5))
def test_a_schema_reaches_the_engine_untouched(properties: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": properties}
    body = {
        "model": "m",
        "max_tokens": 1,
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"name": "f", "input_schema": schema}],
    }

    out = API.read("/v1/messages", json.dumps(body).encode()).outgoing(route("vllm"))

    assert json.loads(out.body)["tools"][0]["function"]["parameters"] == schema


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_that_does_not_run_is_estimated(backend: str) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "word " * 400}]}

    out = API.read(COUNT_PATH, json.dumps(body).encode()).outgoing(route(backend, is_placed=False))

    assert out == Reply(b'{"input_tokens":500}')


@pytest.mark.parametrize(("backend", "is_asked"), [("mistral", False), ("vllm", True)])
def test_usage_is_asked_for_where_that_is_known(backend: str, is_asked: bool) -> None:
    body = b'{"model":"m","max_tokens":1,"stream":true,"messages":[{"role":"user","content":"x"}]}'

    out = API.read("/v1/messages", body).outgoing(route(backend))

    assert isinstance(out, Outgoing)
    assert ("stream_options" in json.loads(out.body)) is is_asked


def test_calls_whose_results_are_missing_are_refused() -> None:
    use = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": [use]}]
    body = json.dumps({"model": "m", "max_tokens": 1, "messages": turns}).encode()

    with pytest.raises(BadRequestError, match="results are missing"):
        API.read("/v1/messages", body)
