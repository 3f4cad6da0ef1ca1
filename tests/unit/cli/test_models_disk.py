"""`frontier models list`, `rm`, `import` and `df` with stores of engines and other programs."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import model_stores
from fake_index import digest, gguf
from frontier.bootstrap import Services
from frontier.cli import models as command
from frontier.cli.output import text
from frontier.cli.session import Session
from frontier.domain.errors import UsageError
from frontier.domain.kept import KeptModel
from frontier.usecases.model_import import Imported, ImportedModel

MODEL, OTHER = gguf(50_000), gguf(60_000, name="Other")

Run = Callable[..., str]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("OLLAMA_MODELS", "OLLAMA_MODELS_PATH", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "workspace"


def test_list_shows_the_models_of_every_engine_and_where_they_lie(
    cli: Run, workspace: Path
) -> None:
    model_stores.ollama(workspace / "data/ollama", "tiny:1b", MODEL)
    hub = workspace / "data/huggingface/hub"
    model_stores.hub(hub, "maker/Full", {"model.safetensors": bytes(900)})

    rows = {row.split()[0]: row for row in cli("list").splitlines()}
    listed = json.loads(cli("list", "--json"))

    assert "ollama:tiny:1b" in rows["tiny:1b"]
    assert rows["tiny:1b"].endswith(str(workspace / "data/ollama"))
    assert rows["maker/Full"].endswith(str(hub))
    assert "vllm, mistral" in rows["maker/Full"]
    assert [kept["keeper"] for kept in listed["kept"]] == ["ollama", "hub"]


def test_the_command_that_copies_can_be_pasted_whatever_the_file_is_called() -> None:
    place = Path("/lm")
    model = KeptModel(
        keeper="lmstudio", name="m", size_bytes=7, place=place, path=place / "m;$(x) y.gguf"
    )
    left_out = ImportedModel(name="m:latest", model=model, how="", reason="other disk")

    shown = text(Imported((left_out,), applied=True))

    assert shown.endswith(": frontier models pull 'file:/lm/m;$(x) y.gguf' --name m:latest")


def test_rm_frees_what_an_engine_keeps(cli: Run, workspace: Path) -> None:
    model_stores.ollama(workspace / "data/ollama", "tiny:1b", MODEL)
    model_stores.ollama(workspace / "data/ollama", "tiny:2b", MODEL, params=b"other")

    assert cli("rm", "tiny:2b", "--dry-run").startswith("would remove tiny:2b: 5 bytes")
    assert "50,0" in cli("rm", "tiny:2b").partition("freed; ")[2]
    assert json.loads(cli("rm", "tiny:1b", "--json"))["freed_bytes"] > len(MODEL)
    assert cli("list").startswith("no models yet")


def test_check_reads_what_engines_keep_and_tells_how_to_mend_it(cli: Run, workspace: Path) -> None:
    model_stores.ollama(workspace / "data/ollama", "good:1b", OTHER)
    blob = model_stores.ollama(workspace / "data/ollama", "tiny:1b", MODEL)
    hub = workspace / "data/huggingface/hub"
    snapshot = model_stores.hub(hub, "maker/Full", {"model.safetensors": bytes(900)})
    assert "corrupt" not in cli("check")
    blob.write_bytes(MODEL[:-1] + b"!")
    (snapshot / "model.safetensors").resolve().unlink()

    result = CliRunner().invoke(
        command.app, ["check"], obj=Session(Services(chosen=workspace), quiet=True)
    )
    one = CliRunner().invoke(
        command.app, ["check", "good"], obj=Session(Services(chosen=workspace), quiet=True)
    )

    assert (result.exit_code, one.exit_code) == (1, 0)
    assert [row.split()[:2] for row in result.stdout.splitlines()[1:3]] == [
        ["good:1b", "ok"],
        ["tiny:1b", "corrupt"],
    ]
    assert "frontier models rm tiny:1b && frontier models pull tiny:1b --to ollama" in result.stdout
    assert one.stdout.splitlines()[1].split() == ["good:1b", "ok"]


def test_import_lists_takes_and_tells_what_it_left_out(cli: Run, workspace: Path) -> None:
    home = workspace.parent / "home"
    model_stores.ollama(home / ".ollama/models", "tiny:1b", MODEL)
    model_stores.lmstudio(home / ".lmstudio/models", "p/r/big-00001-of-00002.gguf", OTHER)

    assert "tiny:1b" in cli("import")
    assert "would import tiny:1b  48.9 KiB  hard link" in cli("import", "--all", "--dry-run")
    assert cli("import", "--all").splitlines() == [
        "imported tiny:1b  48.9 KiB  hard link",
        "left out p/r/big-00001-of-00002.gguf: not one GGUF file",
    ]
    assert cli("list").splitlines()[1].startswith(f"tiny:1b  48.8 KiB  {digest(MODEL)[:12]}")
    assert "50,000 bytes (48.8 KiB) stay, in use elsewhere" in cli("rm", "tiny:1b")


def test_import_takes_any_folder(cli: Run, workspace: Path) -> None:
    model_stores.lmstudio(workspace.parent / "files", "My-Q4_0.gguf", OTHER)
    folder = ["--folder", str(workspace.parent / "files")]

    assert "imported mine:latest" in cli("import", "My-Q4_0.gguf", "--name", "mine", *folder)
    assert "no other program" in cli("import")
    for wrong in (["--all", "x"], ["--all", "--name", "x"]):
        with pytest.raises(UsageError):
            cli("import", *wrong)


def test_df_counts_each_file_once_and_agrees_with_du(cli: Run, workspace: Path) -> None:
    home = workspace.parent / "home"
    model_stores.ollama(workspace / "data/ollama", "tiny:1b", OTHER)
    model_stores.lmstudio(home / ".lmstudio/models", "p/r/m-Q4_0.gguf", MODEL)
    cli("import", "tiny:1b")
    cli("import", "p/r/m-Q4_0.gguf")
    (workspace / "data/models/blobs/sha256-unused").write_bytes(bytes(5000))
    part = workspace / "data/models/partial/x~1.part"
    part.parent.mkdir()
    part.write_bytes(bytes(8192))

    use = json.loads(cli("df", "--json"))
    text = cli("df")

    du = subprocess.run(["du", "-s", "-B1", str(workspace)], capture_output=True, check=True)
    found = {place["what"]: place for place in use["places"]}
    total = sum(place["size_bytes"] for place in use["places"])
    assert abs(total - int(du.stdout.split()[0])) < 100_000  # folders
    assert found["models"]["shared_bytes"] >= len(MODEL) + len(OTHER)
    assert found["models"]["files"] == 3
    assert found["other data"]["shared_bytes"] == 0
    assert found["Ollama's models"]["size_bytes"] < len(OTHER)
    assert found["interrupted downloads"]["size_bytes"] >= 8192
    assert use["unused_bytes"] == 5000
    assert "4.9 KiB of models mean no name" in text
    assert "have a second name elsewhere" in text
