"""`frontier validate` and `frontier doctor`, the real commands on real workspaces."""

import json
import os
import shutil
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pexpect
import psutil
import pytest
import xmlschema

from frontier_cli import Frontier
from waiting import until

SCHEMA = Path(__file__).parents[1] / "fixtures/junit/junit-10.xsd"


def junit(cli: Frontier, exit_code: int, *args: str) -> dict[str, Xml.Element]:
    """Run ``validate --ci --format junit``, check it against the schema, return its cases."""
    done = cli.run("validate", "--ci", "--format", "junit", *args)
    assert done.returncode == exit_code, done.stdout + done.stderr
    assert done.stderr == ""
    xmlschema.XMLSchema(str(SCHEMA)).validate(done.stdout)
    return {str(c.get("name")): c for c in Xml.fromstring(done.stdout).iter("testcase")}


def states(cli: Frontier, *args: str) -> dict[str, str]:
    done = cli.run("validate", "--json", *args)
    report: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (1 if report["failed"] else 0)
    return {check["id"]: check["state"] for check in report["checks"]}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Frontier]:
    """A healthy workspace in which the real engine runs."""
    cli = Frontier(tmp_path_factory.mktemp("checks") / "workspace")
    cli.ok("up", "--quiet")
    yield cli
    cli.ok("down")


def test_a_running_workspace_is_sound_and_its_report_valid(running: Frontier) -> None:
    cases = junit(running, 0, "--running")

    passed = {name for name, case in cases.items() if case.find("skipped") is None}
    assert {
        *("workspace.present", "settings.values", "models.present", "models.intact"),
        *("project.current", "running.stack", "service.llamacpp", "service.gateway"),
        *("api.gateway", "api.models"),
    } <= passed
    assert cases["docker.daemon"].find("skipped") is not None


def test_every_api_of_the_running_stack_gives_text(running: Frontier) -> None:
    done = running.run("test", "--skip", "aider", "--json")

    report: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, report["failed"]) == (0, 0), report
    passed = {check["id"] for check in report["checks"] if check["state"] == "pass"}
    apis = ("openai.chat", "openai.completions", "openai.responses", "ollama.chat")
    apis += ("ollama.generate", "anthropic.messages")
    assert {f"{api}{how}" for api in apis for how in ("", "-stream")} <= passed
    assert {"api.health", "api.ready", "api.metrics", "models.openai", "models.ollama"} <= passed


def test_where_nothing_runs_one_check_fails(tmp_path: Path) -> None:
    done = Frontier(tmp_path / "workspace").run("test", "--json")

    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert [c["id"] for c in report["checks"] if c["state"] == "fail"] == ["api.health"]


AIDER = """#!/bin/sh
printf '%s\n' "$*" "$OPENAI_API_BASE" > "$RECORD"
{body}
"""


@pytest.mark.parametrize(
    ("body", "state", "seen"),
    [
        ("echo \"print('frontier')\" > hello.py", "pass", "edited a file"),
        ("echo 'Tokens: 300 sent, 20 received.'", "warn", "was no edit"),
        ("echo 'Model x has hit a token limit!'", "warn", "longer than it let it be"),
        ("echo 'litellm.AuthenticationError: wrong key'", "fail", "litellm.AuthenticationError"),
        ("echo oops; exit 3", "fail", "exit code 3: oops"),
    ],
)
def test_aider_is_judged_by_what_it_did(
    running: Frontier, tmp_path: Path, body: str, state: str, seen: str
) -> None:
    program = tmp_path / "aider"
    program.write_text(AIDER.format(body=body))
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    env = {**running.env, "PATH": path, "RECORD": str(tmp_path / "record")}
    cli = Frontier(running.workspace, env=env)

    done = cli.run("test", "--only", "aider", "--only", "api.health", "--json")

    found = next(c for c in json.loads(done.stdout)["checks"] if c["id"] == "aider.edit")
    assert (found["state"], seen in found["seen"]) == (state, True), found
    flags, url = (tmp_path / "record").read_text().splitlines()
    assert "--model openai/smollm2:135m" in flags
    assert url == f"{running.url}/v1"


def test_ctrl_c_leaves_nothing_running(running: Frontier, tmp_path: Path) -> None:
    program, pid_file = tmp_path / "aider", tmp_path / "pid"
    program.write_text('#!/bin/sh\necho $$ > "$RECORD.new"; mv "$RECORD.new" "$RECORD"; sleep 99\n')
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    env = {**running.env, "PATH": path, "RECORD": str(pid_file)}
    process = Frontier(running.workspace, env=env).start("test", "--only", "aider")
    until(pid_file.exists, timeout_s=60, what="aider")

    process.send_signal(signal.SIGINT)

    assert process.wait(30) == 130
    until(lambda: not psutil.pid_exists(int(pid_file.read_text())), what="aider's end")


@pytest.mark.skipif(not shutil.which("aider"), reason="needs aider: uv tool install aider-chat")
def test_the_real_aider_gets_its_answer(running: Frontier) -> None:
    done = running.run("test", "--only", "aider", "--json", timeout_s=280)

    (found,) = json.loads(done.stdout)["checks"]
    assert found["state"] in ("pass", "warn"), found  # so small a model may make no edit


def test_a_change_of_the_settings_is_told_as_drift(running: Frontier) -> None:
    changed = Frontier(running.workspace, env={**running.env, "MAX_CONTEXT_LENGTH": "512"})

    done = changed.run("validate", "--only", "project.current")

    assert done.returncode == 0
    assert "warn" in done.stdout
    assert "llamacpp" in done.stdout
    assert "frontier stack diff" in done.stdout


def test_an_empty_workspace_is_told_to_be_none(tmp_path: Path) -> None:
    cli = Frontier(tmp_path / "workspace")

    cases = junit(cli, 1)

    failed = [name for name, case in cases.items() if case.find("failure") is not None]
    assert failed == ["workspace.present"]
    assert "frontier" in str(cases["workspace.present"][0].text)
    assert not cli.workspace.exists()


def test_a_half_broken_workspace_tells_every_cause_once(running: Frontier, tmp_path: Path) -> None:
    cli = Frontier(tmp_path / "workspace")
    for part in (".env", ".frontier/declared", "data/models"):
        if (running.workspace / part).is_dir():
            shutil.copytree(running.workspace / part, cli.workspace / part)
    (cli.workspace / ".env").write_text("NO_SUCH=1\n")
    (cli.workspace / ".env").chmod(0o644)
    (cli.workspace / "config").mkdir()
    (cli.workspace / "config/models.yaml").write_text("version: 1\nmodels: [{name: a}]\n")
    (cli.workspace / "config/keys.yaml").write_text("keys: [\n")
    (cli.workspace / "stacks").write_text("a file")
    blob = next((cli.workspace / "data/models/blobs").iterdir())
    blob.chmod(0o644)
    blob.write_bytes(b"GGUF")

    cases = junit(cli, 1)

    assert {name for name, case in cases.items() if case.find("failure") is not None} == {
        *("settings.values", "gateway.routes", "gateway.keys", "models.intact"),
        "workspace.structure",
    }
    assert "NO_SUCH" in str(cases["settings.values"][0].get("message"))
    assert "models[0]" in str(cases["gateway.routes"][0].get("message"))
    assert str(cases["workspace.secrets"][0].text).startswith("warning")


def test_only_what_is_safe_is_mended_and_a_dry_run_mends_nothing(tmp_path: Path) -> None:
    cli = Frontier(tmp_path / "workspace")
    cli.ok("config", "set", "LOG_LEVEL", "debug")
    env = cli.workspace / ".env"
    env.chmod(0o644)

    planned = cli.ok("validate", "--fix", "--dry-run", "--only", "workspace")
    assert stat.S_IMODE(env.stat().st_mode) == 0o644
    mended = cli.ok("validate", "--fix", "--only", "workspace")

    assert "--fix would: let nobody but you read" in planned
    assert "(mended)" in mended
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert env.read_text() == "LOG_LEVEL=debug\n"


def test_the_doctor_tells_a_wrong_setting_once(tmp_path: Path) -> None:
    cli = Frontier(tmp_path / "workspace", env={"MAX_CONTEXT_LENGTH": "few"})

    done = cli.run("doctor", "--ci", "--json", "--only", "port", "--only", "machine.placement")

    found = {c["id"]: c["state"] for c in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1
    assert [name for name, state in found.items() if state == "fail"] == ["machine.placement"]


def test_variables_without_effect_are_told(tmp_path: Path) -> None:
    cli = Frontier(tmp_path / "workspace")
    cli.ok("config", "set", "LOG_LEVEL", "debug")

    said = cli.ok("validate", "--only", "settings.effect")

    assert "warn" in said
    assert "config unset LOG_LEVEL" in said


def test_nothing_that_runs_fails_only_where_it_must_run(tmp_path: Path) -> None:
    cli = Frontier(tmp_path / "workspace")
    cli.ok("config", "set", "RATE_LIMIT", "5")

    assert states(cli)["running.stack"] == "skipped"
    assert states(cli, "--running")["running.stack"] == "fail"


def test_a_name_that_is_no_check_and_options_that_contradict_are_refused(tmp_path: Path) -> None:
    cli = Frontier(tmp_path / "workspace")

    assert "no group named 'nothing'" in cli.fails(2, "validate", "--only", "nothing")
    assert "--dry-run is for --fix" in cli.fails(2, "validate", "--dry-run")
    assert "contradict" in cli.run("validate", "--json", "--format", "junit").stdout


def test_a_report_goes_to_a_file_beside_annotations(tmp_path: Path) -> None:
    cli = Frontier(tmp_path / "workspace")
    report = tmp_path / "new/report.xml"

    done = cli.run("validate", "--ci", "--format", "github", "--junit", str(report))

    assert done.returncode == 1
    assert done.stdout.startswith("::error title=workspace.present%3A ")
    xmlschema.XMLSchema(str(SCHEMA)).validate(str(report))
    assert "error: /proc/x/y: " in cli.fails(1, "validate", "--junit", "/proc/x/y")


def test_ci_prints_no_colours_into_a_terminal(tmp_path: Path) -> None:
    cli = Frontier(tmp_path / "workspace")
    environ = {k: v for k, v in cli.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"}

    def shown(*args: str) -> str:
        argv = cli.argv("validate", *args)
        child = pexpect.spawn(argv[0], argv[1:], env=environ, encoding="utf-8", timeout=60)
        child.expect(pexpect.EOF)
        return str(child.before)

    assert "\x1b[31mFAIL" in shown()
    assert "\x1b" not in shown("--ci")


HANGING = '#!/bin/sh\ncase "$*" in --version|-v) echo Docker version 28;; *) exec sleep 60;; esac\n'


def test_a_docker_that_hangs_is_one_cause_and_told_once(running: Frontier, tmp_path: Path) -> None:
    (tmp_path / "docker").write_text(HANGING)
    (tmp_path / "docker").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    cli = Frontier(tmp_path / "workspace", env={"PATH": path, "RUNTIME": "docker"})
    shutil.copytree(running.workspace / ".frontier/declared", cli.workspace / ".frontier/declared")
    (cli.workspace / ".frontier/project").mkdir()
    (cli.workspace / ".frontier/project/compose.yaml").write_text("services: {}\n")

    done = cli.run("validate", "--json", "--skip", "models", timeout_s=45)

    found = {check["id"]: check["state"] for check in json.loads(done.stdout)["checks"]}
    assert {name for name, state in found.items() if state == "fail"} == {
        *("docker.daemon", "docker.compose"),
    }
    assert found["running.stack"] == found["project.current"] == "skipped"
