import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from frontier.cli.app import app
from frontier.domain.errors import RuntimeFailedError

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in a workspace of its own, where there is no Docker."""
    empty = tmp_path / "bin"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))

    def frontier(*words: str) -> Result:
        return CliRunner().invoke(
            app, ["--workspace", str(tmp_path / "w"), "stack", *words], catch_exceptions=False
        )

    return frontier


def test_the_list_marks_the_current_stack(run: Run) -> None:
    done = run("list")

    assert done.exit_code == 0
    assert "* llamacpp  native, docker  cpu, cuda, rocm  Frontier" in done.stdout
    names = [line["name"] for line in json.loads(run("list", "--json").stdout)["stacks"]]
    assert names == ["llamacpp", "mistral", "ollama", "vllm"]


def test_a_stack_is_explained(run: Run) -> None:
    text = run("show", "vllm").stdout

    assert "vllm: vLLM" in text
    assert "a repository of the Hugging Face hub" in text
    assert "VLLM_MODEL_ID names another one" in text
    assert "VLLM_TENSOR_PARALLEL_SIZE" in text
    assert json.loads(run("show", "vllm", "--json").stdout)["port"] == 8000


def test_what_would_run_is_printed_as_compose_takes_it(run: Run) -> None:
    document = yaml.safe_load(run("render", "vllm", "--accelerator", "cuda").stdout)

    assert {"gateway", "vllm", "prometheus", "dcgm-exporter"} <= set(document["services"])
    again = json.loads(run("render", "vllm", "--accelerator", "cuda", "--json").stdout)
    assert yaml.safe_load(again["compose"]) == document


def test_the_current_stack_is_meant_where_none_is_named(run: Run) -> None:
    services = yaml.safe_load(run("render").stdout)["services"]

    assert "llamacpp" not in services  # its model is not here
    assert "gateway" in services


def test_a_difference_tells_what_would_start(run: Run) -> None:
    text = run("diff", "ollama", "--accelerator", "cpu").stdout

    assert text.startswith("start gateway: not running\n")
    assert "+++ compose.yaml" in text
    changes = json.loads(run("diff", "ollama", "--accelerator", "cpu", "--json").stdout)["changes"]
    assert {"action": "start", "service": "ollama", "reasons": ["not running"]} in changes


def test_a_difference_is_of_what_up_would_run(run: Run) -> None:
    assert run("diff", "llamacpp").stdout.splitlines()[:2] == [
        "start llamacpp: not running",
        "start gateway: not running",
    ]
    with pytest.raises(RuntimeFailedError, match="needs Docker, which does not work here") as told:
        run("diff", "vllm")
    assert told.value.exit_code == 4


def test_a_preview_writes_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "opensesame-opensesame")
    monkeypatch.setenv("ENABLE_SSL", "true")
    monkeypatch.setenv("ENABLE_NGINX", "true")

    for words in (
        ("render", "vllm"),
        ("diff", "ollama", "--accelerator", "cpu"),
        ("show", "ollama"),
    ):
        assert run(*words).exit_code == 0

    assert not (tmp_path / "w").exists()


def test_an_unknown_stack_ends_with_exit_code_3(run: Run) -> None:
    from frontier.domain.errors import StackNotFoundError

    with pytest.raises(StackNotFoundError) as caught:
        run("show", "vlm")

    assert caught.value.exit_code == 3
    assert caught.value.hint == "Known: llamacpp, mistral, ollama, vllm."


def test_an_ejected_folder_is_a_project_of_its_own(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "My Stack"

    said = run("render", "ollama", "--output", str(out)).stdout

    text = (out / "compose.yaml").read_text()
    document = yaml.safe_load(text)
    assert "project my-stack\n" in said
    assert document["name"] == "my-stack"
    assert {n["name"] for n in document["networks"].values()} >= {"my-stack-llm-network"}
    assert "edits are lost" not in text
    run("render", "ollama", "--output", str(out), "--force", "--name", "other")
    assert yaml.safe_load((out / "compose.yaml").read_text())["name"] == "other"


def test_a_broken_stack_is_listed_with_its_reason_and_breaks_nothing_else(
    run: Run, tmp_path: Path
) -> None:
    own = tmp_path / "w" / "stacks" / "mine" / "stack.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("schema: 1\nengine: [\n")

    lines = run("list").stdout.splitlines()

    (mine,) = [line for line in lines if line.startswith("  mine")]
    assert f"broken: {own}:" in mine
    assert any(line.startswith("* llamacpp") for line in lines)
    problems = {s["name"]: s["problem"] for s in json.loads(run("list", "--json").stdout)["stacks"]}
    assert problems["llamacpp"] == ""
    shown = CliRunner().invoke(
        app, ["--workspace", str(tmp_path / "w"), "config", "show"], catch_exceptions=False
    )
    assert shown.exit_code == 0


def test_a_prometheus_of_ones_own_gets_its_files_and_what_starts_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_RETENTION", "7d")
    monkeypatch.setenv("NODE_EXPORTER_PORT", "9100")
    folder = tmp_path / "w" / ".frontier" / "monitoring"

    planned = json.loads(run("monitoring", "--dry-run", "--json").stdout)
    assert not folder.exists()
    done = json.loads(run("monitoring", "--json").stdout)

    assert (planned["applied"], done["applied"]) == (False, True)
    assert planned["files"] == done["files"]
    found = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert found == set(done["files"])
    config = yaml.safe_load((folder / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert jobs["frontier-machine"]["static_configs"] == [{"targets": ["127.0.0.1:9100"]}]
    key = Path(jobs["frontier-gateway"]["authorization"]["credentials_file"])
    assert key.read_text()
    [command] = done["commands"]
    assert command.startswith(f"prometheus --config.file={folder}/prometheus/prometheus.yml ")
    assert "--storage.tsdb.retention.time=7d" in command
    assert "alertmanager" not in str(done["files"])


def test_alertmanager_gets_its_file_where_alerts_have_somewhere_to_go(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "https://chat.example.org/hooks/3f9a")

    text = run("monitoring").stdout

    folder = tmp_path / "w" / ".frontier" / "monitoring"
    written = (folder / "alertmanager" / "alertmanager.yml").read_text()
    [receiver] = [r for r in yaml.safe_load(written)["receivers"] if r["name"] == "webhook"]
    file = Path(receiver["webhook_configs"][0]["url_file"])
    assert file.read_text() == "https://chat.example.org/hooks/3f9a"
    assert file.stat().st_mode & 0o077 == 0
    assert "3f9a" not in written
    assert f"alertmanager --config.file={folder}/alertmanager/alertmanager.yml" in text


def test_a_dead_mans_address_alone_runs_alertmanager(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_DEADMAN_URL", "https://hc.example.org/3f9a")

    text = run("monitoring").stdout

    folder = tmp_path / "w" / ".frontier" / "monitoring"
    assert f"alertmanager --config.file={folder}/alertmanager/alertmanager.yml" in text
    assert "alertmanagers:" in (folder / "prometheus" / "prometheus.yml").read_text()
