"""`frontier models pull` into the stores of engines, and `show` of what the catalog tells."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

import model_stores
from fake_index import Server, gguf
from frontier.bootstrap import Services
from frontier.cli import models as command
from frontier.cli import models_catalog, models_disk
from frontier.cli.session import Session
from frontier.domain.errors import (
    DoesNotFitError,
    ModelNotFoundError,
    NotRunningError,
    RefusedError,
    UsageError,
)

WEIGHTS = b"w" * 9000
Run = Callable[..., str]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("CURRENT_STACK", "OLLAMA_MODELS", "HF_HOME", "HF_HUB_CACHE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "workspace/config/catalog"
    folder.mkdir(parents=True)
    (folder / "own.yaml").write_text(
        "schema: 1\nmodels:\n  house:1b:\n    safetensors: [{repo: maker/Full, about: 9000}]\n"
        "    ollama: {tag: 'theirs:1b', about: 5000}\n"
    )
    return tmp_path / "workspace"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as server:
        server.add_hub("maker/Full", {"config.json": b"{}", "model.safetensors": WEIGHTS})
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def test_with_vllm_a_catalog_name_is_its_repository(
    cli: Run, hub: Server, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURRENT_STACK", "vllm")
    place = workspace / "data/huggingface/hub"

    planned = cli("pull", "house:1b", "--dry-run")
    pulled = json.loads(cli("pull", "house:1b", "--json"))

    assert "download   9,002 bytes" in planned
    assert (pulled["name"], pulled["keeper"], pulled["applied"]) == ("maker/Full", "hub", True)
    assert (pulled["size_bytes"], pulled["download_bytes"]) == (9002, 9002)
    assert cli("pull", "maker/Full").startswith("already here: maker/Full  9,002 bytes")
    assert "maker/Full" in cli("list")
    assert cli("rm", "maker/Full").startswith("removed maker/Full: 9,002 bytes")
    assert not list(place.glob("models--*"))


def test_a_repository_goes_into_the_hubs_cache_where_it_is_said(cli: Run, hub: Server) -> None:
    assert cli("pull", "hf:maker/Full", "--to", "hub").startswith("pulled maker/Full  9,002 bytes")
    with pytest.raises(UsageError, match="--name"):
        cli("pull", "maker/Full", "--to", "hub", "--name", "mine")


@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_repository_that_does_not_fit_is_refused(
    cli: Run, hub: Server, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    monkeypatch.setattr("frontier.adapters.blobs.BlobStore.free_bytes", lambda self: 9001)

    with pytest.raises(DoesNotFitError, match="9,002 bytes"):
        cli("pull", "maker/Full", "--to", "hub", *more)


def test_with_ollama_its_server_has_to_run(
    cli: Run, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CURRENT_STACK", "ollama")
    monkeypatch.setenv("API_PORT", "1")

    planned = json.loads(cli("pull", "house:1b", "--dry-run", "--json"))
    with pytest.raises(NotRunningError, match="no gateway answers") as caught:
        cli("pull", "house:1b")

    assert (planned["name"], planned["size_bytes"]) == ("theirs:1b", 5000)
    assert planned["place"] == str(workspace / "data/ollama")
    assert "models pull ollama:theirs:1b --to store" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "why", "way"),
    [
        ("gpt-oss:120b", "in several files", "the stack ollama pulls gpt-oss:120b"),
        ("bge-m3", "no GGUF file", "the stack vllm reads BAAI/bge-m3"),
    ],
)
def test_what_the_store_cannot_hold_is_refused_with_the_other_ways(
    cli: Run, name: str, why: str, way: str
) -> None:
    with pytest.raises(RefusedError, match=why) as caught:
        cli("pull", name)

    assert way in caught.value.hint


def test_show_tells_what_the_catalog_knows(cli: Run, workspace: Path) -> None:
    dense, large, own = cli("show", "qwen3.5:9b"), cli("show", "gpt-oss:120b"), cli("show", "house")
    fields = json.loads(cli("show", "qwen3.5:9b", "--json"))

    assert "Q8_0        qwen3.5:9b-q8_0, 8.9 GiB  hf:unsloth/" in dense
    assert dense.endswith("not stored yet: frontier models pull qwen3.5:9b\n")
    assert "117B, 5.1B compute a token" in large
    assert ", in several files" in large
    assert "frontier stack select ollama; frontier models pull gpt-oss:120b" in large
    assert str(workspace / "config/catalog/own.yaml") in own
    assert "frontier stack select vllm" in cli("show", "nemotron-3-super")
    assert fields["kv_bytes_per_token"] == 32768
    with pytest.raises(ModelNotFoundError):
        cli("show", "hf:o/r/x.gguf")


def test_every_name_is_completed(workspace: Path, tmp_path: Path) -> None:
    model_stores.ollama(workspace / "data/ollama", "tiny:1b", gguf(9000))
    model_stores.lmstudio(tmp_path / "home/.lmstudio/models", "p/r/m.gguf", gguf(9000))
    session = Session(Services(chosen=workspace))
    ctx = typer.Context(typer.main.get_command(command.app), obj=session)

    assert command._listed(ctx, "ti") == ["tiny:1b"]
    assert command._known(ctx, "qwen3.5:9b") == [
        "qwen3.5:9b", "qwen3.5:9b-q4_k_m", "qwen3.5:9b-q8_0",
    ]  # fmt: skip
    assert command._stored_or_known(ctx, "house") == ["house:1b"]
    assert models_disk._theirs(ctx, "p/") == ["p/r/m.gguf"]
    assert models_catalog._engines("v") == ["vllm"]
    assert models_catalog._abilities("re") == ["reasoning"]
