"""`frontier up`, `logs` and `stop`, as far as nothing needs to run."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fake_index import gguf
from frontier.cli.app import app
from frontier.domain.errors import FrontierError, NotFoundError

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command line in a workspace of its own."""

    def frontier(*words: str) -> Result:
        argv = ["--workspace", str(tmp_path / "w"), *words]
        return CliRunner().invoke(app, argv, catch_exceptions=False)

    return frontier


def test_a_dry_run_writes_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.gguf").write_bytes(gguf(50_000))
    monkeypatch.setenv("API_KEY", "opensesame-opensesame")

    up = run("up", "--dry-run", "--runtime", "native", "--model", f"file:{tmp_path}/own.gguf")

    assert "dry run: nothing was changed" in up.stdout
    assert not (tmp_path / "w").exists()


def test_logs_are_printed_as_text_and_line_by_line_as_json(run: Run, tmp_path: Path) -> None:
    logs = tmp_path / "w" / "logs"
    logs.mkdir(parents=True)
    (logs / "daemon.log").write_text("one\n")
    (logs / "gateway.log").write_text('{"status": 200}\n')

    assert run("logs").stdout == 'daemon  | one\ngateway | {"status": 200}\n'
    assert [*map(json.loads, run("logs", "--json").stdout.splitlines())] == [
        {"service": "daemon", "line": "one"},
        {"service": "gateway", "line": '{"status": 200}'},
    ]


def test_logs_of_an_unknown_service_name_the_known(run: Run, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing was logged"):
        run("logs")
    (tmp_path / "w" / "logs").mkdir(parents=True)
    (tmp_path / "w" / "logs" / "daemon.log").touch()

    with pytest.raises(FrontierError) as caught:
        run("logs", "nosuch")

    assert (caught.value.exit_code, caught.value.hint) == (3, "Known: daemon.")
