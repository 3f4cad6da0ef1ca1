"""`frontier launch` in front of a real gateway, with programs that tell how they were started."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from frontier_cli import Frontier
from gateway_process import GatewayProcess
from scripted_upstream import Exchange, ScriptedUpstream, answer, completion
from waiting import until

ROUTES = """
version: 1
models:
  - name: big
    backend: vllm
    backend_url: "{url}"
  - name: small
    backend: vllm
    backend_url: "{url}"
"""
MODELS = {"big": 131072, "small": 4096}
TOLD = """#!/bin/sh
env | sort
printf 'argument: %s\\n' "$@"
"""
EDIT = "hello.py\n```\nprint('edited by aider')\n```\n"
EDITED = ("--message", "Say that it was edited.")
ADMIN_KEY = "an-admin-key-that-nobody-else-may-see"
PROGRAMS = ("aider", "claude", "codex", "opencode", "open-webui")


class Engine(ScriptedUpstream):
    """A vLLM that reads *reads* of the tokens of a prompt, and calls a tool where one is offered.

    Attributes:
        calls: Whether it calls tools.
        reads: The share of the prompt that it takes in.
        text: What it says.
    """

    calls = True
    reads = 1.0
    text = "I would rather not."

    def answer(self, exchange: Exchange) -> None:
        body = exchange.seen.body
        told = completion(body["model"], self.text)
        words = sum(len(str(m["content"]).split()) for m in body["messages"])
        told["usage"]["prompt_tokens"] = int(words * self.reads)
        if self.calls and (tools := body.get("tools")):
            name = tools[0]["function"]["name"]
            call = {"name": name, "arguments": '{"path": "README.md"}'}
            calls = [{"id": "call_1", "type": "function", "function": call}]
            told["choices"][0]["message"] |= {"content": None, "tool_calls": calls}
            told["choices"][0]["finish_reason"] = "tool_calls"
        answer(told)(exchange)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as server:
        models = [{"id": name, "max_model_len": length} for name, length in MODELS.items()]
        server.tell("/v1/models", {"object": "list", "data": models})
        server.at("POST /v1/chat/completions", server.answer)
        yield server


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("launch") / "ws" / "config" / "keys.yaml"


@pytest.fixture(scope="module")
def gateway(engine: Engine, keys: Path) -> Iterator[GatewayProcess]:
    routes = keys.parents[2] / "routes.yaml"
    routes.write_text(ROUTES.format(url=engine.url))
    admin = keys.parents[1] / ".frontier" / "secrets" / "admin-key-1"
    admin.parent.mkdir(parents=True)
    admin.write_text(ADMIN_KEY)
    arguments = ("--config", routes, "--keys", keys, "--admin-key-file", admin)
    with GatewayProcess(*arguments) as process:
        yield process


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with all programs in its bin."""
    for name in PROGRAMS:
        path = tmp_path / "home" / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(TOLD)
        path.chmod(0o755)
    return tmp_path / "home"


@pytest.fixture
def frontier(gateway: GatewayProcess, keys: Path, home: Path, engine: Engine) -> Frontier:
    keys.unlink(missing_ok=True)
    engine.calls, engine.reads, engine.text = True, 1.0, Engine.text
    path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = {"API_PORT": str(gateway.port), "HOME": str(home), "PATH": path}
    return Frontier(keys.parents[1], env)


def started(out: str) -> tuple[dict[str, str], list[str]]:
    """Return environment and arguments that the program told."""
    lines = [line for line in out.splitlines() if "=" in line or line.startswith("argument: ")]
    arguments = [s.removeprefix("argument: ") for s in lines if s.startswith("argument: ")]
    pairs = [line.partition("=") for line in lines if not line.startswith("argument: ")]
    return {name: value for name, _, value in pairs}, arguments


@pytest.mark.parametrize(
    ("tool", "path", "expected"),
    [
        ("aider", "/v1/chat/completions", ["--model", "openai/big", "--model-metadata-file"]),
        ("claude", "/v1/messages", []),
        ("codex", "/v1/responses", ["--model", "big", "-c"]),
        ("opencode", "/v1/chat/completions", ["--model", "frontier/big"]),
        ("openwebui", "/v1/chat/completions", ["serve", "--host", "127.0.0.1"]),
    ],
)
def test_a_tool_is_started_after_a_real_request_in_its_own_api(
    frontier: Frontier, gateway: GatewayProcess, tool: str, path: str, expected: list[str]
) -> None:
    begun = len(gateway.lines)

    done = frontier.run("launch", tool, "--", "--resume", "a b")

    env, arguments = started(done.stdout)
    assert done.returncode == 0, done.stderr
    assert arguments[: len(expected)] == expected
    assert arguments[-2:] == ["--resume", "a b"]
    assert any(gateway.url in value for value in [*env.values(), *arguments]) or tool == "opencode"
    asked = lambda: [x["route"] for x in gateway.lines[begun:] if "route" in x]  # noqa: E731
    assert until(lambda: len(asked()) == 2 and asked(), what="the log") == ["/v1/models", path]
    assert "131,072 tokens of context; read" in done.stderr


def test_what_is_printed_is_what_the_program_gets(frontier: Frontier, home: Path) -> None:
    shown = json.loads(frontier.ok("launch", "claude", "--print", "--json", "--", "-c"))

    env, arguments = started(frontier.run("launch", "claude", "--", "-c").stdout)

    assert shown["command"] == [str(home / "bin" / "claude"), *arguments]
    assert {name: env.get(name) for name in shown["env"]} == shown["env"]
    assert not shown["applied"]
    assert (shown["model"], shown["context"], shown["trial"]) == ("big", 131072, None)


def test_a_context_too_small_is_refused_before_anything_is_asked(
    frontier: Frontier, engine: Engine
) -> None:
    asked = len(engine.seen)

    said = frontier.fails(5, "launch", "claude", "--model", "small")

    assert "small has a context of 4,096 tokens; Claude Code needs 65,536" in said
    assert "frontier config set MAX_CONTEXT_LENGTH 65536" in said
    assert len(engine.seen) == asked


def test_a_model_that_calls_no_tool_is_refused_where_tools_are_needed(
    frontier: Frontier, engine: Engine, home: Path
) -> None:
    engine.calls = False

    said = frontier.fails(5, "launch", "opencode")
    assert "did not call the tool" in said
    assert "it said: I would rather not." in said
    assert not (home / ".config").exists()

    assert started(frontier.run("launch", "claude", "--no-check").stdout)[0]["ANTHROPIC_MODEL"]
    assert "only chat will work" in frontier.ok("launch", "continue")


def test_an_engine_that_cuts_prompts_off_is_found_out(frontier: Frontier, engine: Engine) -> None:
    engine.reads = 0.4

    assert "its engine cuts prompts off" in frontier.fails(5, "launch", "aider")


def test_a_file_is_written_shown_and_put_back(frontier: Frontier, home: Path) -> None:
    path = home / ".continue" / "config.yaml"
    path.parent.mkdir()
    path.write_bytes(before := b"name: x\nversion: 1\nschema: v1\n# mine\n")

    shown = frontier.json("launch", "continue", "--print")
    assert path.read_bytes() == before
    written = frontier.json("launch", "continue")
    assert (written["text"], written["applied"]) == (shown["text"], True)
    assert path.read_text() == written["text"]
    assert written["trial"]["calls_tool"]

    undone = frontier.ok("launch", "continue", "--undo")
    assert undone == f"{path} is again what it was\n"
    assert path.read_bytes() == before
    assert "no file was changed" in frontier.fails(3, "launch", "continue", "--undo")
    assert "changes no file" in frontier.fails(3, "launch", "claude", "--undo")


def test_where_keys_are_asked_for_a_tool_gets_its_own(frontier: Frontier, keys: Path) -> None:
    frontier.ok("keys", "create", "me")

    preview = frontier.ok("launch", "claude", "--print")  # makes none, and shows nobody else's
    assert [k["name"] for k in frontier.json("keys", "list")["keys"]] == ["me"]
    assert ADMIN_KEY not in preview
    assert "ANTHROPIC_AUTH_TOKEN=made-when-it-is-launched" in preview
    env, _ = started(frontier.ok("launch", "claude"))
    again, _ = started(frontier.ok("launch", "claude"))

    assert env["ANTHROPIC_AUTH_TOKEN"].startswith("sk-frontier-")
    assert again["ANTHROPIC_AUTH_TOKEN"] == env["ANTHROPIC_AUTH_TOKEN"]
    assert [k["name"] for k in frontier.json("keys", "list")["keys"]] == ["me", "launch-claude"]
    frontier.ok("keys", "revoke", "launch-claude")
    renewed, _ = started(frontier.ok("launch", "claude"))
    assert renewed["ANTHROPIC_AUTH_TOKEN"] != env["ANTHROPIC_AUTH_TOKEN"]


def test_what_is_wrong_is_told_with_the_next_command(
    frontier: Frontier, home: Path, tmp_path: Path
) -> None:
    (home / "bin" / "codex").unlink()

    assert "hint: Install it: npm install -g @openai/codex" in frontier.fails(3, "launch", "codex")
    assert "Known: aider, claude" in frontier.fails(3, "launch", "cursor")
    assert "Known: big, small" in frontier.fails(3, "launch", "aider", "--model", "nope")
    refused = frontier.run("launch", "aider", "--json")
    assert (refused.returncode, "--print --json" in refused.stdout) == (2, True)
    elsewhere = Frontier(tmp_path / "empty", {"HOME": str(home)})
    assert "nothing answers at" in elsewhere.fails(4, "launch", "continue")
    assert not (tmp_path / "empty").exists()


def test_the_list_tells_what_is_installed(frontier: Frontier, home: Path) -> None:
    (home / "bin" / "codex").unlink()

    tools: dict[str, Any] = {t["name"]: t for t in frontier.json("launch")["tools"]}

    assert tools["aider"]["program"] == str(home / "bin" / "aider")
    assert tools["codex"]["program"] == ""
    assert "install: npm install -g @openai/codex" in frontier.ok("launch")


def test_the_record_of_a_file_holds_no_key_for_others_to_read(
    frontier: Frontier, keys: Path
) -> None:
    frontier.ok("keys", "create", "me")
    frontier.ok("launch", "opencode")

    record = keys.parents[1] / ".frontier" / "launch" / "opencode.json"
    assert record.stat().st_mode & 0o077 == 0
    assert "sk-frontier-" not in json.dumps(json.loads(record.read_text()))
    frontier.ok("launch", "opencode", "--undo")


def test_aider_itself_is_started_and_edits_a_file(
    frontier: Frontier, engine: Engine, tmp_path: Path
) -> None:
    """Where it is on PATH: it needs versions of its own, `uv tool install aider-chat`."""
    found = shutil.which("aider")
    if found is None:
        pytest.skip("aider is not on PATH: uv tool install aider-chat")
    program = Path(frontier.env["HOME"]) / "bin" / "aider"
    program.unlink()
    program.symlink_to(Path(found).resolve())
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "hello.py").write_text("print(1)\n")
    git = "git init -q && git add . && git -c user.name=a -c user.email=a@b commit -qm begin"
    subprocess.run(git, shell=True, cwd=repository, check=True)
    engine.text = EDIT
    flags = "--yes-always --no-check-update --analytics-disable --no-gitignore --no-stream"

    done = subprocess.run(
        [*frontier.argv("launch", "aider", "--"), *flags.split(), *EDITED, "hello.py"],
        env={**frontier.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert (repository / "hello.py").read_text() == "print('edited by aider')\n", done.stdout
    assert "Unknown context window" not in done.stdout
