"""What `up` meets in a workspace that somebody or something has damaged."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from frontier_cli import Frontier
from waiting import until

ALIAS = """\
version: 1
models:
  - name: gpt-4o-mini
    backend: llamacpp
    upstream_model: smollm2:135m
"""
WRONG = """\
version: 1
models:
  - name: gpt-4o-mini
    backend: llamacp
"""


@pytest.fixture
def frontier(tmp_path: Path, smollm2: Path) -> Iterator[Frontier]:
    cli = Frontier(tmp_path / "ws")
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    yield cli
    cli.run("down")


def blob(cli: Frontier) -> Path:
    return next((cli.workspace / "data/models/blobs").glob("sha256-*"))


def models(cli: Frontier) -> set[str]:
    return {m["id"] for m in httpx2.get(f"{cli.url}/v1/models").json()["data"]}


def test_a_flipped_byte_is_found_and_the_model_pulled_again(frontier: Frontier) -> None:
    path = blob(frontier)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.seek(50_000_000)
        file.write(b"\x00\x01\x02\x03")

    frontier.ok("up")

    assert frontier.json("models", "check")["models"][0]["health"] == "ok"


def test_a_truncated_blob_is_found_and_the_model_pulled_again(frontier: Frontier) -> None:
    path = blob(frontier)
    path.chmod(0o600)
    with path.open("r+b") as file:
        file.truncate(1000)
    assert "truncated" in frontier.run("models", "check").stdout

    frontier.ok("up")

    assert frontier.json("models", "check")["models"][0]["health"] == "ok"


def test_models_yaml_adds_names_and_a_wrong_one_is_named_and_kept_out(frontier: Frontier) -> None:
    config = frontier.workspace / "config" / "models.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(ALIAS)
    frontier.ok("up")
    assert models(frontier) == {"smollm2:135m", "gpt-4o-mini"}
    assert frontier.ok("chat", "gpt-4o-mini", "-m", "hi", "--max-tokens", "4").strip()

    config.write_text(WRONG)

    until(lambda: "models.yaml:4" in frontier.ok("logs", "gateway"), what="the reason in the log")
    assert models(frontier) == {"smollm2:135m", "gpt-4o-mini"}


def test_a_wrong_models_yaml_stops_up_with_file_line_and_field(frontier: Frontier) -> None:
    config = frontier.workspace / "config" / "models.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(WRONG)

    error = frontier.fails(4, "up")

    assert "models.yaml:4" in error
    assert "backend" in error
    assert frontier.json("status")["state"] == "stopped"


@pytest.mark.parametrize("command", ["up", "start"])
def test_a_damaged_project_file_is_rendered_anew(frontier: Frontier, command: str) -> None:
    project = frontier.workspace / ".frontier" / "declared" / "project.json"
    project.parent.mkdir(parents=True)
    project.write_text('{"name": "x"')

    frontier.ok(command)

    assert frontier.json("status")["state"] == "running"


def test_a_restore_that_was_killed_is_finished_before_anything_else(frontier: Frontier) -> None:
    frontier.ok("config", "set", "GRAFANA_PORT", "3001")
    newest = frontier.json("rollback", "--list")["snapshots"][0]["id"]
    (frontier.workspace / ".frontier" / "restoring").write_text(newest)

    assert frontier.ok("config", "get", "GRAFANA_PORT") == "3000\n"


def interrupt(cli: Frontier, command: str) -> None:
    """Leave the note of *command*, whose process was killed."""
    note = {"command": command, "pid": 2**22 + 1, "started": 1.0, "from": "", "to": ""}
    (cli.workspace / ".frontier" / "changing").write_text(json.dumps(note))


@pytest.mark.parametrize("command", ["up", "start", "restart", "rollback", "stop", "down"])
def test_a_killed_command_is_told_until_one_that_puts_all_in_order(
    frontier: Frontier, command: str
) -> None:
    frontier.ok("up")
    frontier.ok("config", "set", "GRAFANA_PORT", "3001")
    interrupt(frontier, "up")
    said = "`frontier up` was interrupted; declared is llamacpp"
    for reading in (("status",), ("stack", "current"), ("logs", "gateway")):
        assert said in frontier.run(*reading).stderr

    done = frontier.run(command)

    assert done.returncode == 0, done.stderr
    assert said in done.stderr
    assert "interrupted" not in frontier.run("status").stderr
    is_up = command not in ("stop", "down")
    assert frontier.json("status")["state"] == ("running" if is_up else "stopped")


def test_a_rollback_proves_what_it_goes_back_to_even_from_a_wrong_setting(
    frontier: Frontier,
) -> None:
    frontier.ok("up")
    (frontier.workspace / ".env").write_text("CACHE_SIZE=much\n")
    assert "CACHE_SIZE" in frontier.fails(1, "up")

    result = frontier.json("rollback")

    assert result["answer"]["completion_tokens"] > 0
    assert not (frontier.workspace / ".env").exists()
    assert frontier.json("status")["state"] == "running"
