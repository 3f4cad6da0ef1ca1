"""What every command promises: output, exit codes, help, completion, undo."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from frontier_cli import Frontier
from refusals import commands, exists, typed


@pytest.fixture
def frontier(tmp_path: Path) -> Frontier:
    return Frontier(tmp_path / "ws")


def test_the_version_is_the_packages_own(frontier: Frontier) -> None:
    from frontier import __version__

    assert frontier.ok("--version") == f"frontier {__version__}\n"


ASCII_LOCALE = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


@pytest.mark.parametrize(
    ("env", "encoding", "shown"),
    [
        ({"PYTHONIOENCODING": "utf-8"}, "utf-8", "50 °C ▁ 😀"),
        ({"PYTHONIOENCODING": "latin-1"}, "latin-1", r"50 °C \u2581 \ud83d\ude00"),
        ({"PYTHONIOENCODING": "ascii"}, "ascii", r"50 \u00b0C \u2581 \ud83d\ude00"),
        ({"PYTHONIOENCODING": "ascii:replace"}, "ascii", "50 ?C ? ?"),
        (ASCII_LOCALE, "ascii", r"50 \u00b0C \u2581 \ud83d\ude00"),
    ],
)
def test_what_the_terminal_has_no_code_for_is_escaped(
    frontier: Frontier, env: dict[str, str], encoding: str, shown: str
) -> None:
    log = frontier.workspace / "logs" / "engine.log"
    log.parent.mkdir(parents=True)
    log.write_text("50 °C ▁ 😀\n", "utf-8")
    environ = {**frontier.environ, **env}

    text = subprocess.check_output(frontier.argv("logs"), env=environ).decode(encoding)
    document = subprocess.check_output(frontier.argv("logs", "--json"), env=environ)

    assert text.endswith(f"| {shown}\n")
    line = json.loads(document.decode(encoding))["line"]
    assert line == (shown if "?" in shown else "50 °C ▁ 😀")


@pytest.mark.parametrize("command", ["up", "stack select", "stack build", "rollback"])
def test_a_command_prints_help_with_its_example(frontier: Frontier, command: str) -> None:
    out = frontier.ok(*command.split(), "--help")

    assert "Example" in out
    assert f"  frontier {command}" in out.partition("Example")[2]


@pytest.mark.parametrize("path", sorted(commands()))
def test_every_command_has_an_example_that_can_be_typed(path: str) -> None:
    _, _, examples = commands()[path].help.partition("Example")

    assert f"frontier {path}" in examples
    for words in typed(examples):
        assert exists(words), words


def test_no_command_prints_the_help_and_is_a_usage_error(frontier: Frontier) -> None:
    done = frontier.run()

    assert done.returncode == 2
    assert "Commands:" in done.stdout + done.stderr


def test_an_unknown_command_is_a_usage_error(frontier: Frontier) -> None:
    assert "No such command" in frontier.fails(2, "upp")


def test_reading_creates_nothing(frontier: Frontier) -> None:
    frontier.ok("status")
    frontier.ok("config", "show", "--all")
    frontier.ok("models", "list")
    frontier.ok("rollback", "--list")
    frontier.ok("doctor")

    assert not frontier.workspace.exists()


def test_a_setting_is_set_shown_and_taken_back(frontier: Frontier) -> None:
    assert frontier.ok("config", "set", "grafana_port", "3001").startswith("set GRAFANA_PORT=3001")
    shown = frontier.json("config", "show")
    assert {s["name"]: (s["value"], s["origin"]) for s in shown["settings"]} == {
        **{name: (value, "environment") for name, value in frontier.env.items()},
        "GRAFANA_PORT": ("3001", ".env"),
    }
    assert "Port of Grafana" in frontier.ok("config", "show")

    assert "before `frontier config set`" in frontier.ok("rollback")

    assert frontier.ok("config", "get", "GRAFANA_PORT") == "3000\n"
    assert not (frontier.workspace / ".env").exists()


def test_a_rollback_can_be_rolled_back(frontier: Frontier) -> None:
    frontier.ok("config", "set", "GRAFANA_PORT", "3001")
    frontier.ok("rollback")
    newest = frontier.json("rollback", "--list")["snapshots"][0]
    assert newest["before"] == "rollback"

    frontier.ok("rollback", newest["id"])

    assert frontier.ok("config", "get", "GRAFANA_PORT") == "3001\n"
    assert "no earlier configuration" not in frontier.ok("rollback", "--dry-run")


def test_a_value_that_does_nothing_says_why(frontier: Frontier) -> None:
    assert "note: no effect: engines batch continuously" in frontier.ok(
        "config", "set", "BATCH_TIMEOUT", "5"
    )
    assert "no effect: engines batch continuously" in frontier.ok("config", "show")
    assert "note: the environment's API_PORT wins" in frontier.ok(
        "config", "set", "API_PORT", "12000"
    )


def test_a_setting_is_unset(frontier: Frontier) -> None:
    frontier.ok("config", "set", "GRAFANA_PORT", "3001")

    assert frontier.ok("config", "unset", "GRAFANA_PORT") == "unset GRAFANA_PORT\n"

    assert frontier.ok("config", "get", "GRAFANA_PORT") == "3000\n"
    assert frontier.ok("config", "unset", "GRAFANA_PORT") == "GRAFANA_PORT is not set in .env\n"


def test_unset_tells_what_was_there_and_takes_a_snapshot_only_of_a_change(
    frontier: Frontier,
) -> None:
    frontier.ok("config", "set", "API_KEY", "sesame")
    before = len(frontier.json("rollback", "--list")["snapshots"])
    was = {"name": "API_KEY", "before": "**********", "after": "", "note": ""}

    assert frontier.json("config", "unset", "API_KEY", "--dry-run") == {**was, "applied": False}
    assert frontier.json("config", "unset", "API_KEY") == {**was, "applied": True}
    nothing = {**was, "before": "", "applied": False}
    assert frontier.json("config", "unset", "API_KEY") == nothing
    assert "'NOSUCH'" in frontier.fails(3, "config", "unset", "NOSUCH")
    assert "'NOSUCH'" in frontier.fails(3, "config", "unset", "NOSUCH", "--dry-run")
    assert len(frontier.json("rollback", "--list")["snapshots"]) == before + 1


def test_a_wrong_line_can_be_replaced_or_removed(frontier: Frontier) -> None:
    frontier.workspace.mkdir()
    (frontier.workspace / ".env").write_text("CACHE_SIZE=x\nAPIKEY=sesame\nNUM_WORKERS=y\n")

    assert frontier.ok("config", "set", "CACHE_SIZE", "1") == "set CACHE_SIZE=1 (was x)\n"
    assert frontier.json("config", "unset", "APIKEY")["before"] == "**********"
    frontier.ok("config", "unset", "NUM_WORKERS")

    assert (frontier.workspace / ".env").read_text() == "CACHE_SIZE=1\n"


def test_a_variable_without_effect_never_stops_a_command(frontier: Frontier) -> None:
    frontier.env |= {"BATCH_TIMEOUT": "0", "BACKUP_SCHEDULE": "many"}

    frontier.ok("status")
    assert "many" in frontier.ok("config", "show")


def test_a_refused_key_is_not_repeated(frontier: Frontier) -> None:
    error = frontier.fails(1, "config", "set", "API_KEY", "clé sesame")

    assert "printable ASCII without spaces" in error
    assert "sesame" not in error


def test_a_dry_run_of_a_setting_writes_nothing(frontier: Frontier) -> None:
    out = frontier.ok("config", "set", "API_KEY", "sesame", "--dry-run")

    assert out == "would set API_KEY=********** (was unset)\n"
    assert frontier.ok("config", "unset", "API_KEY", "--dry-run") == "API_KEY is not set in .env\n"
    assert not frontier.workspace.exists()


def test_a_wrong_setting_is_refused_with_the_nearest_names(frontier: Frontier) -> None:
    assert "GRAFANA_PORT" in frontier.fails(3, "config", "set", "GRAFNA_PORT", "1")
    assert "valid integer" in frontier.fails(1, "config", "set", "CACHE_SIZE", "x")


def test_an_error_for_machines_is_json_on_standard_output(frontier: Frontier) -> None:
    done = frontier.run("config", "get", "NOPE", "--json")

    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["code"] == "not_found"
    assert done.stderr == ""


def test_nothing_is_coloured_outside_a_terminal(frontier: Frontier) -> None:
    frontier.env.pop("NO_COLOR", None)

    done = frontier.run("config", "get", "NOPE")

    assert "\033" not in done.stdout + done.stderr


def test_a_reader_that_leaves_early_hears_no_traceback(frontier: Frontier) -> None:
    shell = f"{' '.join(frontier.argv('config', 'show', '--all'))} | head -1"

    done = subprocess.run(
        shell, shell=True, env=frontier.environ, capture_output=True, text=True, check=False
    )

    assert done.stdout.startswith("NAME")
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("frontier config get GRAFANA_P", "GRAFANA_PORT"),
        ("frontier up lla", "llamacpp"),
        ("frontier models pull smollm2", "135m"),
        ("frontier ro", "rollback"),
    ],
)
def test_the_shell_completes_commands_and_values(
    frontier: Frontier, typed: str, offered: str
) -> None:
    frontier.env |= {"_FRONTIER_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": typed}

    done = subprocess.run(
        ["frontier"],
        executable=str(Path(sys.executable).with_name("frontier")),
        env=frontier.environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert offered in done.stdout, done


def test_a_user_stack_of_the_same_name_wins_and_a_wrong_one_is_named(frontier: Frontier) -> None:
    own = frontier.workspace / "stacks" / "llamacpp"
    own.mkdir(parents=True)
    (own / "stack.yaml").write_text("schema: 1\nengine: llamacpp\nruntimes: [docker]\n")
    assert "cannot run natively" in frontier.fails(2, "up", "--runtime", "native")

    (own / "stack.yaml").write_text("schema: 1\nengine: llamacpp\ntitel: mine\n")
    assert "stack.yaml:3: titel: unknown" in frontier.fails(1, "up")

    (own / "stack.yaml").write_text("schema: 1\ntitle: [mine\n")
    assert f"{own}/stack.yaml:3:" in frontier.fails(1, "up")

    (own / "stack.yaml").write_text("- a list\n")
    assert "schema: 1" in frontier.fails(1, "up")


def test_a_second_command_waits_and_then_names_the_first(frontier: Frontier) -> None:
    import fcntl

    lock = frontier.workspace / ".frontier" / "lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{os.getpid()} frontier up\n")
        file.flush()

        error = frontier.fails(1, "config", "set", "GRAFANA_PORT", "1")

    assert f"frontier up (process {os.getpid()})" in error


def test_the_machine_is_shown(frontier: Frontier) -> None:
    assert frontier.json("doctor")["cpu"]["usable"] >= 1


def test_gateway_serve_runs_the_gateway_alone(frontier: Frontier) -> None:
    import httpx2

    from waiting import until

    routes = frontier.workspace.parent / "routes.yaml"
    routes.write_text(
        "version: 1\nmodels:\n  - name: far\n    backend: vllm\n"
        "    backend_url: http://127.0.0.1:9\n"
    )
    process = frontier.start("gateway", "serve", "--config", str(routes))

    def served() -> list[str]:
        try:
            return [m["id"] for m in httpx2.get(f"{frontier.url}/v1/models").json()["data"]]
        except httpx2.ConnectError:
            return []

    assert until(served) == ["far"]
    process.terminate()
    assert process.wait(10) == 0
