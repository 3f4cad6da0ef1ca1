"""The published clients against the gateway against the real llama.cpp with a real model."""

import base64
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from gateway_process import GatewayProcess, RawClient, ask, get
from real_engine import gateway_of, llama_cpp
from scripted_upstream import Exchange, ScriptedUpstream, delta, scripted, stream
from waiting import until


@pytest.fixture(scope="module")
def engine(smollm2: Path) -> Iterator[int]:
    with llama_cpp(smollm2, context=512) as port:
        yield port


@pytest.fixture(scope="module")
def served(engine: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    routes = (
        "version: 1\nmodels:\n  - name: smollm2:135m\n    aliases: [gpt-4o-mini]\n"
        f"    backend: llamacpp\n    backend_url: http://127.0.0.1:{engine}\n"
    )
    with gateway_of(routes, tmp_path_factory.mktemp("openai")) as gateway:
        yield gateway


@pytest.fixture
def client(served: GatewayProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
        yield client


HI = [{"role": "user", "content": "Say hello."}]


def test_conformance_031_models_are_listed_and_retrieved(client: OpenAI) -> None:
    listed = client.models.list().data
    by_alias = client.models.retrieve("gpt-4o-mini")

    assert [m.id for m in listed] == ["smollm2:135m"]
    assert isinstance(listed[0].created, int)
    assert (by_alias.id, by_alias.object, by_alias.owned_by) == ("gpt-4o-mini", "model", "frontier")


@pytest.mark.parametrize("model", ["smollm2:135m", "gpt-4o-mini"])
def test_conformance_035_036_a_chat_is_answered(client: OpenAI, model: str) -> None:
    got = client.chat.completions.create(model=model, messages=HI, max_tokens=8)  # type: ignore[arg-type]

    assert got.choices[0].message.content
    assert got.choices[0].finish_reason
    assert got.model == model
    assert got.usage is not None
    assert got.usage.total_tokens == got.usage.prompt_tokens + got.usage.completion_tokens
    assert got._request_id


@pytest.mark.parametrize("model", ["smollm2:135m", "gpt-4o-mini"])
def test_conformance_037_038_a_chat_is_streamed_with_its_usage(client: OpenAI, model: str) -> None:
    chunks = list(
        client.chat.completions.create(
            model=model,
            messages=HI,  # type: ignore[arg-type]
            max_tokens=8,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert {c.model for c in chunks} == {model}
    assert len({c.id for c in chunks}) == 1
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert [c.usage for c in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_conformance_038_tokens_are_counted_though_the_client_does_not_ask(
    client: OpenAI, served: GatewayProcess
) -> None:
    sent: Any = {"model": "smollm2:135m", "messages": HI, "max_tokens": 8, "temperature": 0}
    whole = client.chat.completions.create(**sent)
    streamed = client.chat.completions.create(
        **sent, stream=True, extra_headers={"x-request-id": "nobody-asks"}
    )

    assert [c.usage for c in streamed if c.usage] == []
    line = served.access_line("nobody-asks")
    assert whole.usage is not None
    expected = (whole.usage.prompt_tokens, whole.usage.completion_tokens)
    assert (line["tokens_in"], line["tokens_out"]) == expected


def test_conformance_045_a_schema_is_kept_to(client: OpenAI) -> None:
    schema = {"type": "object", "properties": {"n": {"enum": [7]}}, "required": ["n"]}
    wished: Any = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}

    got = client.chat.completions.create(
        model="smollm2:135m",
        messages=HI,  # type: ignore[arg-type]
        response_format=wished,
        max_tokens=32,
    )

    assert json.loads(got.choices[0].message.content or "")["n"] == 7


@pytest.mark.parametrize("stop", [",", [",", "\n"]])
def test_conformance_046_stop_texts_are_not_in_the_answer(client: OpenAI, stop: Any) -> None:
    got = client.completions.create(
        model="smollm2:135m", prompt="One, two, three,", max_tokens=16, temperature=0, stop=stop
    )

    assert got.choices[0].finish_reason == "stop"
    assert "," not in got.choices[0].text


def test_conformance_047_two_choices_are_two(client: OpenAI) -> None:
    got = client.chat.completions.create(model="smollm2:135m", messages=HI, n=2, max_tokens=4)  # type: ignore[arg-type]

    assert [c.index for c in got.choices] == [0, 1]


def test_conformance_048_max_completion_tokens_are_kept_to(client: OpenAI) -> None:
    got = client.chat.completions.create(
        model="smollm2:135m",
        messages=HI,  # type: ignore[arg-type]
        max_completion_tokens=3,
        extra_body={"ignore_eos": True},
    )

    assert got.usage is not None
    assert got.usage.completion_tokens <= 3
    assert got.choices[0].finish_reason == "length"


def test_conformance_049_log_probabilities_have_their_tops(client: OpenAI) -> None:
    got = client.chat.completions.create(
        model="smollm2:135m",
        messages=HI,  # type: ignore[arg-type]
        max_tokens=2,
        logprobs=True,
        top_logprobs=2,
    )

    found = got.choices[0].logprobs
    assert found is not None
    assert found.content is not None
    first = found.content[0]
    assert (len(first.top_logprobs), first.logprob <= 0) == (2, True)
    assert bytes(first.bytes or []).decode() == first.token


def test_conformance_054_each_prompt_is_completed(client: OpenAI) -> None:
    got = client.completions.create(model="smollm2:135m", prompt=["One,", "A, b,"], max_tokens=3)

    assert [c.index for c in got.choices] == [0, 1]
    assert all(c.text for c in got.choices)


def test_conformance_053_what_the_engine_does_not_do_is_a_bad_request(
    served: GatewayProcess,
) -> None:
    got = ask(
        served.port, {"model": "smollm2:135m", "query": "x", "documents": ["y"]}, "/v1/rerank"
    )

    assert (got.status, got.error["type"]) == (400, "invalid_request_error")


def test_conformance_106_the_client_raises_when_a_stream_breaks(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def die(exchange: Exchange) -> None:
        stream(delta("m", "Hel"), end=b"")(exchange)
        exchange.close()

    name = upstream.on("breaks for openai", die)
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0) as client:
        for model in ("m", "m-alias", "v"):
            messages: Any = [{"role": "user", "content": scripted(name)}]
            chunks = client.chat.completions.create(model=model, messages=messages, stream=True)
            with pytest.raises(openai.APIError, match="The engine"):
                list(chunks)


def test_conformance_054_a_text_is_completed(client: OpenAI) -> None:
    got = client.completions.create(model="smollm2:135m", prompt="One, two,", max_tokens=4)

    assert got.choices[0].text
    assert got.model == "smollm2:135m"


def test_conformance_053_embeddings_come_in_order_as_numbers_or_base64(client: OpenAI) -> None:
    texts = ["The cat sleeps.", "Bonds fell by 3 %."]
    alone = [client.embeddings.create(model="gpt-4o-mini", input=t).data[0] for t in texts]

    plain = client.embeddings.create(model="gpt-4o-mini", input=texts, encoding_format="float")
    coded = client.embeddings.create(model="gpt-4o-mini", input=texts, encoding_format="base64")

    assert plain.model == "gpt-4o-mini"
    assert plain.usage.prompt_tokens > len(texts)
    for index, one in enumerate(alone):
        numbers, text = plain.data[index], coded.data[index]
        raw = base64.b64decode(text.embedding)  # type: ignore[arg-type] asked for, so undecoded
        assert (numbers.index, text.index) == (index, index)
        assert numbers.embedding == pytest.approx(struct.unpack(f"<{len(raw) // 4}f", raw))
        assert numbers.embedding == pytest.approx(one.embedding, abs=1e-3)


def test_conformance_032_an_unknown_model_is_not_found_in_one_request(
    served: GatewayProcess,
) -> None:
    with (
        OpenAI(base_url=f"{served.url}/v1", api_key="none") as client,
        pytest.raises(openai.NotFoundError) as caught,
    ):
        client.chat.completions.create(model="nope", messages=HI)  # type: ignore[arg-type]

    assert caught.value.code == "model_not_found"
    assert caught.value.response.request.headers["x-stainless-retry-count"] == "0"


def test_conformance_051_a_prompt_over_the_context_is_named_so(client: OpenAI) -> None:
    long = [{"role": "user", "content": "hello " * 2000}]

    with pytest.raises(
        openai.BadRequestError, match="This model's maximum context length"
    ) as caught:
        client.chat.completions.create(model="smollm2:135m", messages=long)  # type: ignore[arg-type]

    assert caught.value.code == "context_length_exceeded"


def test_conformance_045_an_invalid_schema_is_a_bad_request(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(
            model="smollm2:135m",
            messages=HI,  # type: ignore[arg-type]
            response_format={"type": "xml"},  # type: ignore[arg-type]
        )


def test_conformance_101_leaving_a_stream_frees_the_engine(
    client: OpenAI, served: GatewayProcess
) -> None:
    for _ in range(4):  # more than the engine has slots
        stream = client.chat.completions.create(
            model="smollm2:135m",
            messages=HI,  # type: ignore[arg-type]
            max_tokens=100_000,
            stream=True,
            extra_body={"ignore_eos": True},
        )
        next(iter(stream))
        stream.close()

    got = client.chat.completions.create(model="smollm2:135m", messages=HI, max_tokens=2)  # type: ignore[arg-type]
    assert got.usage is not None
    left = lambda: [line for line in served.lines if line.get("status") == 499]  # noqa: E731
    until(lambda: len(left()) == 4, what="four log lines of clients that left")


def test_the_context_that_the_engine_really_has_is_published(served: GatewayProcess) -> None:
    """Two slots of 512 tokens share one store, so a request alone may have all of it."""
    published = lambda: get(served.port, "/v1/models").json["data"][0].get("max_model_len")  # noqa: E731

    assert until(published, timeout_s=15, what="the engine's context") == 1024


def test_an_answer_ends_at_the_end_of_the_context_and_forgets_nothing(
    smollm2: Path, tmp_path: Path
) -> None:
    routes = tmp_path / "routes.yaml"
    with llama_cpp(smollm2, context=256, parallel=1) as port:
        routes.write_text(
            "version: 1\nmodels: "
            f"[{{name: m, backend: llamacpp, backend_url: 'http://127.0.0.1:{port}'}}]"
        )
        with GatewayProcess("--config", routes) as gateway:
            until(lambda: get(gateway.port, "/readyz").status == 200, timeout_s=60, what="it")
            body = {"model": "m", "prompt": "1 2 3 4 5 6 7 8 9 " * 10, "max_tokens": 400}
            body["ignore_eos"] = True
            with RawClient(gateway.port, timeout_s=120) as client:
                client.post(body, "/v1/completions")
                answer = client.read().json

    assert answer["choices"][0]["finish_reason"] == "length"
    assert 250 <= answer["usage"]["total_tokens"] <= 256
