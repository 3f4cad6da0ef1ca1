from dataclasses import replace
from pathlib import Path

import pytest

from frontier.domain.errors import UsageError
from frontier.domain.project import Route
from frontier.domain.supervision import check
from frontier.renderers.native import GatewaySpec
from frontier.renderers.native_mistral import MistralSpec, render, require_gguf

SPEC = MistralSpec(
    binary=Path("/b/mistralrs"),
    model="smollm2:135m",
    path=Path("/m/blobs/sha256-ab"),
    accelerator="cpu",
    cache=Path("/w/data/huggingface"),
    aliases=("smollm2",),
)
GATEWAY = GatewaySpec(python="/py", bind="127.0.0.1", ports=(11434,), config=())


def test_a_model_becomes_mistral_rs_and_a_gateway_that_knows_its_name_there() -> None:
    project = render("mistral", SPEC, GATEWAY)

    check(project.services)
    engine, gateway = project.services
    assert project.name == "frontier-mistral"
    assert (engine.name, gateway.needs) == ("mistral", ("mistral",))
    assert " ".join(engine.argv) == (
        "/b/mistralrs serve --model-id /m/blobs --format gguf --quantized-file sha256-ab "
        "--host 127.0.0.1 --port {port} --max-seqs 1 --token-source none --cpu"
    )
    assert (engine.health_path, engine.proof_model) == ("/health", "default")
    assert project.routes == (
        Route(
            model="smollm2:135m",
            service="mistral",
            backend="mistral",
            aliases=("smollm2",),
            upstream_model="default",
            context=4096,
        ),
    )


def test_it_writes_to_the_workspace_and_asks_no_hub() -> None:
    env = render("mistral", replace(SPEC, threads=6, log_level="warn"), GATEWAY).services[0].env

    assert env == {
        "RUST_LOG": "warn",
        "NO_COLOR": "1",
        "HF_HOME": "/w/data/huggingface",
        "HF_HUB_OFFLINE": "1",
        "RAYON_NUM_THREADS": "6",
    }


def test_cuda_reserves_the_context_of_all_sequences() -> None:
    spec = replace(SPEC, accelerator="cuda", context=2048, parallel=4)

    words = " ".join(render("mistral", spec, GATEWAY).services[0].argv)

    assert "--max-seqs 4" in words
    assert words.endswith("--pa-context-len 8192")


def test_metal_is_left_to_mistral_rs() -> None:
    words = render("mistral", replace(SPEC, accelerator="metal"), GATEWAY).services[0].argv

    assert words[-2:] == ("--token-source", "none")


@pytest.mark.parametrize(
    ("quantization", "tokenizer", "name"),
    [("4", "", "MISTRAL_QUANTIZATION"), ("", "/t.json", "MISTRAL_TOKENIZER_JSON")],
)
def test_a_setting_that_a_gguf_file_makes_void_is_refused(
    quantization: str, tokenizer: str, name: str
) -> None:
    with pytest.raises(UsageError, match=f"{name} is for models of the hub") as caught:
        require_gguf(quantization, tokenizer)

    assert caught.value.hint == f"frontier config unset {name}"


def test_a_gguf_file_needs_neither() -> None:
    require_gguf("", "")
