"""`frontier up`, `logs` and `stop`, as far as nothing needs to run."""

import contextlib
import json
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from fake_index import gguf
from frontier.adapters.folders import packaged
from frontier.bootstrap import Services
from frontier.cli.app import app
from frontier.cli.logs import Shown
from frontier.cli.session import Session
from frontier.domain.errors import (
    ConfigError,
    FrontierError,
    NotFoundError,
    StackNotFoundError,
    StalePlanError,
    StorageError,
    UsageError,
)
from frontier.domain.log_line import Level, LogLine

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the command line in a workspace of its own."""

    def frontier(*words: str) -> Result:
        argv = ["--workspace", str(tmp_path / "w"), *words]
        return CliRunner().invoke(app, argv, catch_exceptions=False)

    return frontier


@pytest.mark.usefixtures("free_ports")
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
    access = '{"time":"2026-11-21T09:12:00.118Z","route":"/v1/models","status":404}'
    (logs / "gateway.log").write_text(f"{access}\n")
    (logs / "llamacpp.log").write_text("2026-11-21T09:11:00.118Z one\n")
    time = datetime(2026, 11, 21, 9, 12, tzinfo=UTC).astimezone()

    llamacpp, gateway = run("logs", "llamacpp", "gateway").stdout.splitlines()
    assert llamacpp.endswith(" llamacpp | one")
    assert gateway == f"{time:%m-%d %H:%M}:00.118 gateway  | /v1/models status=404"
    assert [*map(json.loads, run("logs", "--json").stdout.splitlines())] == [
        {
            "time": "2026-11-21T09:11:00.118Z",
            "service": "llamacpp",
            "level": None,
            "line": "one",
            "fields": {},
        },
        {
            "time": "2026-11-21T09:12:00.118Z",
            "service": "gateway",
            "level": "warning",
            "line": access,
            "fields": json.loads(access),
        },
    ]
    for words in (("--level", "warning"), ("--since", "2026-11-21T09:12Z"), ("--grep", "V1", "-i")):
        assert run("logs", *words, "gateway", "llamacpp").stdout.splitlines() == [gateway]


@pytest.mark.parametrize(
    "words",
    [("--grep", "["), ("--since", "soon"), ("--level", "loud"), ("-n", "-1"), ("--lines", "x")],
)
def test_a_filter_that_cannot_be_is_a_usage_error(run: Run, words: tuple[str, str]) -> None:
    try:
        code = run("logs", *words).exit_code
    except UsageError as error:
        code = error.exit_code

    assert code == 2


def test_a_service_has_a_colour_of_its_own_and_a_level_too_where_there_are_colours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def said() -> list[str]:
        shown = Shown(["daemon", "gateway"])
        levels: dict[str, Level | None] = {"daemon": None, "gateway": "error", "other": "warning"}
        lines = [LogLine(None, name, level, "said", {}) for name, level in levels.items()]
        return [shown.text(line).strip() for line in lines]

    assert said() == ["daemon  | said", "gateway | said", "other   | said"]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert said() == [
        "\033[36mdaemon  |\033[0m said",
        "\033[32mgateway |\033[0m \033[31msaid\033[0m",
        "\033[35mother   |\033[0m \033[33msaid\033[0m",
    ]
    monkeypatch.setenv("NO_COLOR", "1")
    assert said()[1] == "gateway | said"


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_odd_lines_end_no_logs(run: Run, tmp_path: Path, as_json: tuple[str, ...]) -> None:
    folder = tmp_path / "w" / "logs"
    folder.mkdir(parents=True)
    odd = ['{"time":"2026-13-45T09:12:00.118Z"}', '{"time":"0001-01-01T00:00:00.000Z"}']
    odd += ['{"a":' + "[" * depth + "]" * depth + "}" for depth in (400, 100_000)]
    odd += ['{"message":"\\ud800"}']
    (folder / "gateway.log").write_text("".join(f"{line}\n" for line in [*odd, "the last"]))

    found = run("logs", "gateway", "-n", "9", *as_json).stdout.splitlines()

    assert len(found) == len(odd) + 1
    assert "the last" in found[-1]


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
