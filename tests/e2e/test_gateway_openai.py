"""The published clients against the gateway against the real llama.cpp with a real model."""

import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from openai import OpenAI

from gateway_process import GatewayProcess, get
from waiting import until

_ENGINE = textwrap.dedent(
    """
    import sys, threading
    import xllamacpp
    params = xllamacpp.CommonParams()
    params.model.path, params.port = sys.argv[1], int(sys.argv[2])
    params.hostnames, params.n_ctx, params.n_parallel = ["127.0.0.1"], 1024, 2
    server = xllamacpp.Server(params)
    threading.Event().wait()
    """
)


@pytest.fixture(scope="module")
def engine(smollm2: Path) -> Iterator[int]:
    """The port of a llama.cpp server with the small model."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", _ENGINE, str(smollm2), str(port)],
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


def test_conformance_053_missing_embeddings_are_a_bad_request_and_asked_for_once(
    served: GatewayProcess,
) -> None:
    with (
        OpenAI(base_url=f"{served.url}/v1", api_key="none") as client,
        pytest.raises(openai.BadRequestError, match="does not support embeddings") as caught,
    ):
        client.embeddings.create(model="smollm2:135m", input="Hi")

    assert caught.value.request_id is not None
    assert caught.value.response.request.headers["x-stainless-retry-count"] == "0"


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
