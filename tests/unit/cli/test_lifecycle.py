"""`frontier up`, `logs` and `stop`, as far as nothing needs to run."""

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fake_index import gguf
from frontier.adapters.folders import packaged
from frontier.bootstrap import Services
from frontier.cli.app import app
from frontier.cli.session import Session
from frontier.domain.errors import (
    ConfigError,
    FrontierError,
    NotFoundError,
    StackNotFoundError,
    StalePlanError,
    StorageError,
)

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


def test_what_another_command_changed_after_the_plan_is_planned_again(tmp_path: Path) -> None:
    session = Session(Services(chosen=tmp_path / "w"), quiet=True)
    read = list[str]()

    def ask() -> Services:
        return session.services.asking({})

    def work(services: Services) -> str:
        read.append(services.settings.default_model)
        if len(read) == 1:
            other = Services(chosen=tmp_path / "w")
            with other.changing("config set"):
                other.configuration.set("DEFAULT_MODEL", "other:1b")
        with services.changing("up"):
            return services.settings.default_model

    assert session.planned(ask, work) == "other:1b"
    assert len(read) == 2


def test_a_plan_that_is_always_too_late_ends_with_an_error(tmp_path: Path) -> None:
    session = Session(Services(chosen=tmp_path / "w"), quiet=True)

    def work(services: Services) -> None:
        with Services(chosen=tmp_path / "w").changing("stop"):
            pass
        with services.changing("up"):
            raise AssertionError("it must not get here")

    with pytest.raises(StalePlanError) as caught:
        session.planned(lambda: session.services.asking({}), work)

    assert caught.value.hint == "frontier up"


def test_a_broken_stack_is_told_when_it_is_selected_and_nothing_changes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(packaged("stacks") / "vllm", tmp_path / "w" / "stacks" / "mine")
    template = tmp_path / "w" / "stacks" / "mine" / "compose.yaml.j2"
    template.write_text(template.read_text() + "{{ nonsense }}\n")
    before = sorted((tmp_path / "w").rglob("*"))

    with pytest.raises(ConfigError, match="nonsense") as caught:
        run("stack", "select", "mine")

    assert "mine/compose.yaml.j2" in caught.value.message
    assert sorted((tmp_path / "w").rglob("*")) == before


def test_a_stack_can_be_selected_before_its_model_and_docker_are_there(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    for name in ("vllm", "ollama", "mistral", "llamacpp"):
        assert run("stack", "select", name).exit_code == 0
    assert (tmp_path / "w" / ".env").read_text() == "CURRENT_STACK=llamacpp\n"


def test_a_selected_stack_that_is_gone_is_told_with_both_ways_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "w" / "stacks" / "mine"
    shutil.copytree(packaged("stacks") / "llamacpp", folder)
    variable = "variables:\n  OWN_NUMBER: {type: integer, default: 4, help: A number.}\n"
    (folder / "stack.yaml").write_text((folder / "stack.yaml").read_text() + variable)
    run("stack", "select", "mine")
    run("config", "set", "OWN_NUMBER", "5")
    shutil.rmtree(folder)

    with pytest.raises(ConfigError) as caught:
        run("start")
    assert "frontier config unset OWN_NUMBER" in caught.value.hint
    assert run("stop").stdout == "nothing was running\n"
    run("config", "unset", "OWN_NUMBER")
    with pytest.raises(StackNotFoundError, match="its folder stacks/mine is gone") as gone:
        run("start")

    back = gone.value.hint.partition(";")[0].rpartition(" ")[2]
    assert "frontier stack select llamacpp" in gone.value.hint
    assert run("rollback", back).exit_code == 0
    assert (folder / "stack.yaml").exists()
    assert run("stack", "current", "--json").exit_code == 0


def test_a_full_disk_keeps_nobody_from_stopping(full_disk: Path) -> None:
    def run(*words: str) -> Result:
        argv = ["--workspace", str(full_disk / "w"), *words]
        return CliRunner().invoke(app, argv, catch_exceptions=False)

    run("config", "set", "CACHE_SIZE", "7")
    (full_disk / "w" / ".env").write_text("CACHE_SIZE=8\n")
    (full_disk / "w" / ".frontier" / "lock").unlink()
    with contextlib.suppress(OSError), (full_disk / "filled").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))

    assert run("stop").stdout == "nothing was running\n"
    with pytest.raises(StorageError, match="the disk is full"):
        run("config", "set", "CACHE_SIZE", "9")
