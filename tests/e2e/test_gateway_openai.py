"""The published clients against the gateway against the real llama.cpp with a real model."""

import base64
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion

from frontier.adapters.llama_server import find_engine
from frontier.adapters.ports_free import free_port
from frontier.renderers.native import EngineSpec, GatewaySpec, render
from gateway_process import GatewayProcess, get
from waiting import until


@pytest.fixture(scope="module")
def engine(smollm2: Path) -> Iterator[int]:
    """The port of the llama.cpp server that `up` starts, with the small model."""
    argv = find_engine(sys.executable, path="").argv
    spec = EngineSpec(argv=argv, model="smollm2:135m", path=smollm2, context=512, parallel=2)
    gateway = GatewaySpec(python="", bind="127.0.0.1", ports=(1,), config=())
    port = free_port()
    process = subprocess.Popen(
        render("llamacpp", spec, gateway).services[0].command(port),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield port
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def served(engine: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    routes = tmp_path_factory.mktemp("openai") / "routes.yaml"
    routes.write_text(
        "version: 1\nmodels:\n  - name: smollm2:135m\n    aliases: [gpt-4o-mini]\n"
        f"    backend: llamacpp\n    backend_url: http://127.0.0.1:{engine}\n"
    )
    with GatewayProcess("--config", routes) as gateway:
        until(lambda: get(gateway.port, "/readyz").status == 200, timeout_s=60, what="the engine")
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


def test_an_answer_ends_at_the_end_of_the_context_and_forgets_nothing(client: OpenAI) -> None:
    def ask(words: int, **fields: int) -> ChatCompletion:
        return client.chat.completions.create(
            model="smollm2:135m",
            messages=[{"role": "user", "content": "Count. " * words}],
            extra_body={"ignore_eos": True, **fields},
        )

    one = ask(100, max_tokens=1).usage
    assert one is not None
    words = int(940 / one.prompt_tokens * 100)  # what is left is generated quickly
    answer = ask(words)

    assert answer.usage is not None
    assert answer.choices[0].finish_reason == "length"
    assert 1000 < answer.usage.total_tokens <= 1024


def test_conformance_051_a_real_overflow_is_the_typed_error(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model="smollm2:135m", messages=[{"role": "user", "content": "Count. " * 1000}]
        )

    assert caught.value.code == "context_length_exceeded"
    assert "This model's maximum context length is 1024 tokens" in str(caught.value)
