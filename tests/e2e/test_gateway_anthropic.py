"""Anthropic's client against the gateway: answers, streams, counts and errors.

``test_gateway_anthropic_old.py`` runs this file once more, with the client of before 2026-10-21.
"""

import warnings
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic

from anthropic_requests import IMAGE, ROUTES, TOOL, chunk_of, image_at, request, sent, user
from gateway_process import GatewayProcess, RawClient, ask, get
from scripted_upstream import (
    DONE,
    Exchange,
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

# 89, 90: a request and its answer


def test_conformance_089_a_message_is_answered(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    name = upstream.on("a89", answer(completion("m", "Hello")))

    got = anthropic_client.messages.create(**request(name))

    assert [block.to_dict() for block in got.content] == [{"type": "text", "text": "Hello"}]
    assert (got.type, got.role, got.model, got.stop_reason) == (
        "message",
        "assistant",
        "m",
        "end_turn",
    )
    assert (got.usage.input_tokens, got.usage.output_tokens) == (7, 3)
    assert got.id.startswith("msg_")
    assert got._request_id
    assert sent(upstream, name)["max_tokens"] == 64


def test_conformance_089_the_version_may_be_missing(anthropic_gateway: GatewayProcess) -> None:
    got = ask(anthropic_gateway.port, request("none"), "/v1/messages")

    assert got.status == 200
    assert got.headers["request-id"] == got.headers["x-request-id"]


@pytest.mark.parametrize(
    "path", ["/v1/v1/messages", "/messages", "//v1/messages/", "/v1/messages?beta=true"]
)
def test_conformance_002_003_other_spellings_of_the_path_mean_the_same(
    anthropic_gateway: GatewayProcess, path: str
) -> None:
    assert ask(anthropic_gateway.port, request("none"), path).json["type"] == "message"


def test_conformance_003_a_base_url_that_ends_in_v1_works(
    anthropic_gateway: GatewayProcess,
) -> None:
    with Anthropic(base_url=f"{anthropic_gateway.url}/v1", api_key="k", max_retries=0) as client:
        assert client.messages.create(**request("none")).content


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"max_tokens": ...}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"model": ...}, "model"),
        ({"model": ""}, "model"),
        ({"model": 3}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": ...}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [user(3)]}, "messages[0].content"),
        ({"messages": [user([{"type": "text"}])]}, "messages[0].content.text"),
        ({"messages": [user([])]}, "messages"),
        ({"messages": [user([{"type": "document", "source": {"type": "base64"}}])]}, "document"),
        ({"messages": [user([{"type": "image", "source": {"type": "file"}}])]}, "image"),
        ({"messages": [user([image_at("file:///etc/passwd")])]}, "image"),
        ({"messages": [user([image_at("http://169.254.169.254/")])]}, "image"),
        ({"messages": [user([{"type": "image", "source": {"type": "base64", "data": "?"}}])]},
         "base64"),
        ({"tool_choice": {"type": "tool", "name": "nope"}}, "tool_choice"),
        ({"tools": [{"input_schema": {}}]}, "tools"),
        ({"stream": "yes"}, "stream"),
        ({"output_config": {"format": {"type": "json_schema", "schema": 1}}}, "output_config"),
    ],
)  # fmt: skip
def test_conformance_090_what_is_wrong_is_a_bad_request(
    anthropic_gateway: GatewayProcess, change: dict[str, Any], word: str
) -> None:
    body = {k: v for k, v in {**request("none"), **change}.items() if v is not ...}

    got = ask(anthropic_gateway.port, body, "/v1/messages")

    assert got.status == 400
    assert got.json["type"] == "error"
    assert got.error["type"] == "invalid_request_error"
    assert word in got.error["message"]
    assert got.json["request_id"] == got.headers["request-id"] == got.headers["x-request-id"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b'{"model":"\\ud800"}', b"\xff", b"[" * 10000]
)
def test_conformance_008_011_no_json_object_is_a_bad_request(
    anthropic_gateway: GatewayProcess, body: bytes
) -> None:
    got = ask(anthropic_gateway.port, body, "/v1/messages")

    assert got.status == 400
    assert got.error["type"] == "invalid_request_error"


def test_conformance_026_null_for_whatever_is_optional_means_absent(
    anthropic_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    name = upstream.on("a26", answer(completion("m")))
    optional = "system stream stop_sequences temperature top_p top_k tools tool_choice thinking"
    nulls = dict.fromkeys([*optional.split(), "output_config", "metadata", "service_tier"])

    got = ask(anthropic_gateway.port, request(name, **nulls), "/v1/messages")

    assert got.status == 200
    assert set(sent(upstream, name)) == {"model", "messages", "max_tokens"}


# 91: streams


def test_conformance_091_a_stream_has_its_events_in_order(
    anthropic_client: Anthropic, anthropic_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    parts = [chunk_of(role="assistant", content=None), delta("m", "Hel"), delta("m", "lo")]
    name = upstream.on("a91", stream(*parts, finish("m"), usage_event("m", 9, 2), DONE))

    raw = ask(anthropic_gateway.port, request(name, stream=True), "/v1/messages")
    with anthropic_client.messages.stream(**request(name)) as helper:
        text = "".join(helper.text_stream)
        message = helper.get_final_message()

    kinds = [e["type"] for e in events(raw.body)]
    assert kinds == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 2,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start, end = events(raw.body)[0]["message"], events(raw.body)[-2]
    assert start["usage"]["input_tokens"] > 0
    assert (start["content"], start["stop_reason"], start["model"]) == ([], None, "m")
    assert end["usage"]["input_tokens"] == 9
    assert text == "Hello"
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 2)
    assert sent(upstream, name)["stream_options"] == {"include_usage": True}


def test_conformance_091_two_scripts_of_one_line_each_stay_one_line(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    odd = 'a\u2028b\u2029c\u0085d"\\\x00\N{SNOWMAN}\N{GRINNING FACE}\n'
    name = upstream.on("a68", stream(delta("m", odd), finish("m"), DONE))

    with anthropic_client.messages.stream(**request(name)) as helper:
        assert helper.get_final_text() == odd


@pytest.mark.parametrize(
    ("reason", "fields", "expected"),
    [
        ("stop", {}, ("end_turn", None)),
        ("stop", {"stop_reason": "END"}, ("stop_sequence", "END")),
        ("stop", {"stop_reason": 128009}, ("end_turn", None)),
        ("length", {}, ("max_tokens", None)),
        ("content_filter", {}, ("refusal", None)),
    ],
)
def test_conformance_091_why_it_stopped(
    anthropic_client: Anthropic, upstream: ScriptedUpstream, reason: str, fields: Any, expected: Any
) -> None:
    whole = completion("m", "Hi")
    whole["choices"][0] |= {"finish_reason": reason, **fields}
    name = upstream.on(f"stop {reason} {len(fields)}", answer(whole))

    got = anthropic_client.messages.create(**request(name, stop_sequences=["END"]))

    assert (got.stop_reason, got.stop_sequence) == expected
    assert sent(upstream, name)["stop"] == ["END"]


def test_conformance_091_an_answer_that_was_given_up_is_an_error(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    name = upstream.on("abort", stream(delta("m", "Hel"), finish("m", "abort"), DONE))

    with (
        pytest.raises(anthropic.APIStatusError) as caught,
        anthropic_client.messages.stream(**request(name)) as helper,
    ):
        helper.get_final_message()

    assert "gave up" in str(caught.value)


# 97: counting


def test_conformance_097_engines_count_in_their_ways(
    anthropic_gateway: GatewayProcess, anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    counts = {
        "cpp": ("/v1/chat/completions/input_tokens", {"input_tokens": 11}),
        "m": ("/tokenize", {"count": 12, "max_model_len": 99, "tokens": []}),
        "rust": ("/v1/messages/count_tokens", {"input_tokens": 13}),
    }
    for model, (path, document) in counts.items():
        name = upstream.on(f"count {model}", answer(document))

        got = anthropic_client.messages.count_tokens(
            model=model, messages=[user(scripted(name))], tools=[TOOL]
        )

        assert got.input_tokens in (11, 12, 13)
        seen = upstream.requests(name)[-1]
        assert seen.path == path
        assert seen.body["model"] == ("its-own" if model == "rust" else model)


def test_conformance_097_a_cold_model_is_not_waited_for(anthropic_client: Anthropic) -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 20

    got = anthropic_client.messages.count_tokens(model="unplaced", messages=[user(text)])

    assert 150 < got.input_tokens < 250  # of some 200


def test_conformance_097_an_image_is_estimated_too(anthropic_client: Anthropic) -> None:
    got = anthropic_client.messages.count_tokens(model="whale", messages=[user([IMAGE])])

    assert got.input_tokens > 1000


# 98 to 100: models and errors


def test_conformance_098_models_are_listed_and_a_probe_is_answered(
    anthropic_client: Anthropic, anthropic_gateway: GatewayProcess
) -> None:
    listed = anthropic_client.models.list(limit=1000)
    one = anthropic_client.models.retrieve("m")
    probe = get(anthropic_gateway.port, "/api/hello", "HEAD")

    assert {"m", "cpp"} <= {model.id for model in listed.data}
    assert (one.id, one.type, one.display_name) == ("m", "model", "m")
    assert not listed.has_more
    assert probe.status == 200


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        ("400 Bad Request", "invalid_request_error", "BadRequestError"),
        ("401 Unauthorized", "authentication_error", "AuthenticationError"),
        ("403 Forbidden", "permission_error", "PermissionDeniedError"),
        ("404 Not Found", "not_found_error", "NotFoundError"),
        ("422 Unprocessable Entity", "invalid_request_error", "BadRequestError"),
        ("429 Too Many Requests", "rate_limit_error", "RateLimitError"),
        ("500 Internal Server Error", "api_error", "InternalServerError"),
        ("501 Not Implemented", "invalid_request_error", "BadRequestError"),
        ("503 Service Unavailable", "overloaded_error", "APIStatusError"),
    ],
)  # fmt: skip
def test_conformance_099_errors_become_the_clients_exceptions(
    anthropic_client: Anthropic, upstream: ScriptedUpstream, status: str, kind: str, error: str
) -> None:
    whole = answer({"error": {"message": "because", "type": "x"}}, status, Retry_After="86400")
    name = upstream.on(f"failing {status[:3]}", whole)

    with pytest.raises(anthropic.APIStatusError, match="because") as caught:
        anthropic_client.messages.create(**request(name))

    assert isinstance(caught.value, getattr(anthropic, error))
    body: Any = caught.value.body
    assert body["error"]["type"] == kind
    assert caught.value.request_id == body["request_id"]
    if status[:3] in ("429", "503"):
        assert caught.value.response.headers["retry-after"] == "60"


def test_conformance_051_a_prompt_that_is_too_long_is_told_in_the_vendors_words(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    said = (
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens "
        "(4000 in the messages, 1000 in the completion)."
    )
    name = upstream.on(
        "long", answer({"error": {"message": said, "type": "BadRequestError"}}, "400 Bad Request")
    )

    with pytest.raises(
        anthropic.BadRequestError, match="prompt is too long: 4000 tokens > 4096 maximum"
    ):
        anthropic_client.messages.create(**request(name))


@pytest.mark.parametrize(
    ("asked", "engine"),
    [("claude-opus-4-9", "m"), ("claude-haiku-9", "small"), ("claude-9-haiku-20300101", "small")],
)
def test_conformance_100_a_name_of_claude_leads_where_a_pattern_says(
    anthropic_client: Anthropic, upstream: ScriptedUpstream, asked: str, engine: str
) -> None:
    name = upstream.on(f"as {asked}", answer(completion("its-own")))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the client knows which models are old
        got = anthropic_client.messages.create(**request(name, model=asked))

    assert got.model == asked
    assert sent(upstream, name)["model"] == engine


def test_conformance_100_without_a_pattern_it_is_not_found(anthropic_client: Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match="model: gpt-claude-x") as caught:
        anthropic_client.messages.create(**request("none", model="gpt-claude-x"))

    body: Any = caught.value.body
    assert body["error"]["type"] == "not_found_error"


def test_conformance_005_012_errors_before_the_body_have_the_same_shape(
    anthropic_gateway: GatewayProcess,
) -> None:
    with RawClient(anthropic_gateway.port) as client:
        client.send(b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n")
        large = client.read()
    found = {
        413: (large, "request_too_large"),
        405: (get(anthropic_gateway.port, "/v1/messages"), "invalid_request_error"),
        404: (get(anthropic_gateway.port, "/v1/messages/batches"), "not_found_error"),
        415: (
            ask(anthropic_gateway.port, b"{}", "/v1/messages", Content_Encoding="br"),
            "invalid_request_error",
        ),
    }

    for status, (got, kind) in found.items():
        assert got.status == status
        assert got.error["type"] == kind
        assert got.json["request_id"] == got.headers["request-id"]


def test_conformance_021_a_missing_key_is_told_in_the_same_shape(
    upstream: ScriptedUpstream, tmp_path: Any
) -> None:
    (tmp_path / "routes.yaml").write_text(ROUTES.format(url=upstream.url))
    (tmp_path / "key").write_text("secret-key")
    files = "--config", tmp_path / "routes.yaml", "--api-key-file", tmp_path / "key"
    with GatewayProcess(*files) as gateway:
        refused = ask(gateway.port, request("none"), "/v1/messages")
        by_header = ask(gateway.port, request("none"), "/v1/messages", X_Api_Key="secret-key")
        with Anthropic(base_url=gateway.url, api_key="secret-key", max_retries=0) as client:
            by_client = client.messages.create(**request("none"))
        with Anthropic(base_url=gateway.url, auth_token="secret-key", max_retries=0) as client:
            by_token = client.messages.create(**request("none"))

    assert (refused.status, refused.error["type"]) == (401, "authentication_error")
    assert refused.json["request_id"] == refused.headers["request-id"]
    assert by_header.status == 200
    assert by_client.content
    assert by_token.content


def test_conformance_107_an_error_in_the_stream_is_raised(
    anthropic_client: Anthropic, upstream: ScriptedUpstream
) -> None:
    def run(exchange: Exchange) -> None:
        stream(delta("m", "Hel"), end=b"")(exchange)
        exchange.close()

    name = upstream.on("dies", run)

    with (
        pytest.raises(anthropic.APIStatusError, match="died in the middle") as caught,
        anthropic_client.messages.stream(**request(name)) as helper,
    ):
        helper.get_final_message()

    body: Any = caught.value.body
    assert body["error"]["type"] == "api_error"
