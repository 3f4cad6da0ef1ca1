"""`frontier setup` in a real terminal, to a streamed token, and interrupted at every question."""

import hashlib
import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pexpect
import pytest

from frontier_cli import Frontier
from stack_workspace import stacked

QUESTIONS = (
    "Which engine?",
    "Which model?",
    "How many tokens of context?",
    "Who may reach it?",
    "Make an API key?",
    "Do it?",
)
NOWHERE = "http://127.0.0.1:9"
CATALOG = """
schema: 1
models:
  ours:1b:
    title: Ours
    family: ours
    parameters: 900000000000
    context: 8192
    licence: Apache-2.0
    abilities: [tools]
    architecture: {{layers: 30, kv_layers: 30, kv_heads: 3, key_length: 64, value_length: 64}}
    gguf:
      - {{quantisation: Q4_K_M, sources: ["file:{path}"], size: {size}}}
"""
"""A model that is better than all others, and as large as the smallest."""
DONE = r"\[\d+ tokens, first after \d+\.\d+ s, \d+\.\d+ tokens/s\]"
UP = "\x1b[A"
DOWN = "\x1b[B"
ENTER = "\r"
CTRL_C = "\x03"
CTRL_U = "\x15"
MODEL = "smollm2:135m"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Frontier]:
    """A workspace with a model and nothing that runs."""
    env = {"PROMPT_TOOLKIT_NO_CPR": "1", "RUNTIME": "native", "HF_ENDPOINT": NOWHERE}
    cli = Frontier(tmp_path_factory.mktemp("setup") / "ws", env)
    cli.ok("models", "pull", f"file:{smollm2}", "--name", MODEL)
    yield cli
    cli.run("down")


@pytest.fixture
def frontier(shared: Frontier) -> Frontier:
    if (shared.workspace / ".frontier/declared/project.json").exists():
        shared.ok("down")
    for name in (".env", "config/keys.yaml"):
        (shared.workspace / name).unlink(missing_ok=True)
    return shared


def terminal(
    cli: Frontier, *flags: str, term: str = "xterm", columns: int = 100
) -> "pexpect.spawn[str]":
    return pexpect.spawn(
        sys.executable,
        ["-m", "frontier", "setup", *flags],
        env={**cli.environ, "TERM": term},
        cwd=str(cli.workspace.parent),
        encoding="utf-8",
        timeout=60,
        dimensions=(40, columns),
    )


def ended(child: "pexpect.spawn[str]") -> int:
    child.expect(pexpect.EOF)
    child.wait()
    assert child.exitstatus is not None
    return child.exitstatus


def picture(workspace: Path) -> dict[str, str]:
    return {
        str(path.relative_to(workspace)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in workspace.rglob("*")
        if path.is_file()
    }


def answer(child: "pexpect.spawn[str]", question: str, keys: str) -> None:
    child.expect_exact(question)
    child.send(keys)


def test_arrow_keys_lead_to_a_streamed_token(frontier: Frontier) -> None:
    child = terminal(frontier, columns=60)
    answer(child, "Which engine?", ENTER)
    answer(child, "Which model?", ENTER)
    child.expect_exact("the hub does not answer")  # and it is asked again, all else kept
    answer(child, "Which model?", DOWN + UP + UP + ENTER)  # round the corner to the last one
    answer(child, "Its name or source?", f"no-such{ENTER}")
    child.expect_exact("there is no model")
    child.send(f"{CTRL_U}{MODEL}{ENTER}")
    answer(child, "How many tokens of context?", f"{CTRL_U}2k{ENTER}")
    answer(child, "Who may reach it?", ENTER)
    answer(child, "Make an API key?", "y")
    answer(child, "For whom is the API key?", f"{CTRL_U}alice{ENTER}")
    child.expect_exact("MAX_CONTEXT_LENGTH=2048")
    answer(child, "Do it?", ENTER)

    child.expect(DONE)
    child.expect(r"(sk-frontier-\S+)")
    assert ended(child) == 0

    assert (frontier.workspace / ".env").read_text() == "MAX_CONTEXT_LENGTH=2048\n"
    declared = json.loads((frontier.workspace / ".frontier/declared/project.json").read_text())
    assert declared["asked"] == {}
    assert [k["name"] for k in frontier.json("keys", "list")["keys"]] == ["alice"]
    assert frontier.json("status")["state"] == "running"


def test_a_terminal_that_can_do_nothing_is_answered_in_words(frontier: Frontier) -> None:
    child = terminal(frontier, "--model", MODEL, term="dumb")
    answer(child, "Which engine?", "9\n")
    child.expect_exact("one of 1, llamacpp")
    child.send("llamacpp\n")
    answer(child, "How many tokens of context?", "few\n")
    answer(child, "is no number of tokens", "\n")
    answer(child, "Who may reach it?", "1\n")
    answer(child, "Make an API key?", "perhaps\n")
    answer(child, "y or n, please", "n\n")
    child.expect_exact(".env stays.")  # all of it is the default
    answer(child, "Do it?", "n\n")

    assert ended(child) == 5


@pytest.mark.parametrize("at", range(len(QUESTIONS)))
def test_ctrl_c_at_a_question_leaves_the_workspace_byte_for_byte(
    frontier: Frontier, at: int
) -> None:
    (frontier.workspace / ".env").write_text(f"DEFAULT_MODEL={MODEL}\n# mine\n")
    before = picture(frontier.workspace)
    child = terminal(frontier)
    for question in QUESTIONS[:at]:
        answer(child, question, "n" if question.startswith("Make") else ENTER)

    answer(child, QUESTIONS[at], CTRL_C)

    child.expect_exact("interrupted: nothing was changed")
    assert ended(child) == 130
    assert picture(frontier.workspace) == before


def test_ctrl_c_while_it_starts_takes_everything_back(frontier: Frontier) -> None:
    flags = ("--model", MODEL, "--stack", "llamacpp", "--context", "2k", "--bind", "127.0.0.1")
    child = terminal(frontier, *flags, "--key", "dora")
    answer(child, "Do it?", ENTER)

    answer(child, "Starting", CTRL_C)

    child.expect_exact("interrupted")
    assert ended(child) == 130
    assert not (frontier.workspace / ".env").exists()
    assert not (frontier.workspace / "config/keys.yaml").exists()
    assert frontier.json("status")["state"] == "stopped"


def test_an_answer_of_no_changes_nothing(frontier: Frontier) -> None:
    before = picture(frontier.workspace)
    flags = ("--model", MODEL, "--stack", "llamacpp", "--context", "4k", "--bind", "::1")
    child = terminal(frontier, *flags, "--key", "")

    answer(child, "Do it?", "n")

    child.expect_exact("not confirmed; nothing was changed")
    assert ended(child) == 5
    assert picture(frontier.workspace) == before


def test_yes_takes_what_is_recommended_and_run_again_begins_from_what_is_set(
    frontier: Frontier, smollm2: Path
) -> None:
    catalog = frontier.workspace / "config" / "catalog" / "ours.yaml"
    catalog.parent.mkdir(parents=True)
    catalog.write_text(CATALOG.format(path=smollm2, size=smollm2.stat().st_size))

    first = frontier.json("setup", "--yes")
    written = (frontier.workspace / ".env").read_text()
    again = frontier.json("setup", "--yes")
    catalog.unlink()

    assert first["plan"]["answers"]["model"] == "ours:1b"
    assert first["plan"]["preview"]["pull"]["name"] == "ours:1b"
    assert first["up"]["answer"]["completion_tokens"] > 0
    assert written == "DEFAULT_MODEL=ours:1b\nMAX_CONTEXT_LENGTH=8192\n"
    assert again["plan"]["answers"] == first["plan"]["answers"]
    assert (again["plan"]["changes"], again["up"]["steps"]) == ([], [])
    shown = frontier.ok("setup", "--yes", "--model", MODEL, "--context", "4096", "--dry-run")
    assert "MAX_CONTEXT_LENGTH is removed: 8192 gives way to the default" in shown
    assert "dry run: nothing was changed" in shown
    assert (frontier.workspace / ".env").read_text() == written


def test_answers_are_saved_and_taken_from_a_file(frontier: Frontier, tmp_path: Path) -> None:
    file = tmp_path / "answers.yaml"
    saved = ("--save-answers", str(file), "--dry-run", "--yes")
    frontier.ok("setup", "--model", MODEL, "--context", "1k", "--key", "bob", *saved)
    assert not (frontier.workspace / ".env").exists()

    done = frontier.json("setup", "--answers", str(file), "--yes", "--context", "1536")

    assert done["plan"]["answers"] == {
        "stack": "llamacpp",
        "model": MODEL,
        "context": 1536,
        "monitoring": True,
        "bind": "127.0.0.1",
        "port": int(frontier.env["API_PORT"]),
        "key": "bob",
    }
    assert done["secret"].startswith("sk-frontier-")
    assert done["up"]["answer"]["text"]
    file.write_text("context: 2048\nmodle: x\n")
    assert f"{file}:2: modle: unknown key" in frontier.fails(
        1, "setup", "--answers", str(file), "--yes"
    )


def test_a_port_that_somebody_else_has_is_asked_for_anew(shared: Frontier, tmp_path: Path) -> None:
    env = {k: v for k, v in shared.env.items() if k != "API_PORT"}
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        cli = Frontier(tmp_path / "ws", env)
        cli.env.pop("API_PORT")
        cli.ok("config", "set", "API_PORT", str(port))
        child = terminal(cli, "--model", MODEL, "--stack", "llamacpp", "--context", "1k")
        answer(child, "Who may reach it?", ENTER)
        child.expect_exact(f"port {port} is taken by ")
        child.expect(r"another port\? \x1b\S*?m(\d+)\x1b")
        free = int(child.match[1])
        child.send(f"{ENTER}n")
        child.expect_exact(f"API_PORT={free} (was {port})")
        answer(child, "Do it?", "n")
        assert ended(child) == 5

    planned = cli.json("setup", "--yes", "--dry-run", "--model", MODEL, "--port", str(free))
    assert planned["plan"]["answers"]["port"] == free


def test_without_a_terminal_nothing_is_asked(frontier: Frontier) -> None:
    before = picture(frontier.workspace)

    said = frontier.fails(2, "setup")

    for flag in ("--yes", "--answers", "--stack", "--model", "--context", "--bind", "--key"):
        assert flag in said
    assert picture(frontier.workspace) == before


def test_what_fails_takes_its_key_back_and_writes_no_setting(
    frontier: Frontier, monkeypatch: pytest.MonkeyPatch
) -> None:
    (broken := frontier.workspace.parent / "broken.gguf").write_bytes(b"GGUF" + bytes(4096))
    flags = ("--yes", "--model", f"file:{broken}", "--key", "carol", "--context", "2048")

    done = frontier.run("setup", *flags)

    assert done.returncode != 0
    assert "error: " in done.stderr
    assert not (frontier.workspace / "config/keys.yaml").exists()
    assert not (frontier.workspace / ".env").exists()


def test_what_cannot_be_is_refused_before_anything_changes(frontier: Frontier) -> None:
    before = picture(frontier.workspace)

    assert "there is no key" in frontier.fails(
        2, "setup", "--yes", "--model", MODEL, "--bind", "0.0.0.0"
    )
    assert "is no address" in frontier.fails(2, "setup", "--yes", "--bind", "here")
    assert "there is no model" in frontier.fails(3, "setup", "--yes", "--model", "no-such")
    assert "no stack named" in frontier.fails(3, "setup", "--yes", "--stack", "vlm")
    assert "too few" in frontier.fails(2, "setup", "--yes", "--context", "12")
    assert picture(frontier.workspace) == before


def test_in_docker_it_asks_for_monitoring_and_opens_the_gateway_with_a_key(
    docker_images: dict[str, str], smollm2: Path, tmp_path: Path
) -> None:
    env = {"ENABLE_MONITORING": "", "BIND_ADDRESS": ""}
    with stacked(tmp_path, docker_images, smollm2, **env) as it:
        flags = ("--stack", "llamacpp", "--model", MODEL, "--context", "1k", "--bind", "0.0.0.0")
        child = terminal(it.cli, *flags)
        answer(child, "Watch it with Prometheus and Grafana?", "y")
        answer(child, "For whom is the API key?", f"{CTRL_U}team{ENTER}")
        child.expect_exact("runtime: docker")
        answer(child, "Do it?", ENTER)
        child.expect(DONE, timeout=240)
        child.expect(r"(sk-frontier-\S+)")
        key = child.match[1]
        assert ended(child) == 0

        refused = httpx2.get(f"{it.cli.url}/v1/models")
        listed = httpx2.get(f"{it.cli.url}/v1/models", headers={"Authorization": f"Bearer {key}"})
        assert (refused.status_code, listed.json()["data"][0]["id"]) == (401, MODEL)
        assert "prometheus" in it.containers
        assert (it.cli.workspace / ".env").read_text() == (
            "MAX_CONTEXT_LENGTH=1024\nBIND_ADDRESS=0.0.0.0\n"
        )
