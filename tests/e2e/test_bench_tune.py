"""`frontier bench tune` with the real llama.cpp, and with an engine of known speed."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from frontier_cli import Frontier
from waiting import until

KNOWN = Path(__file__).parents[1] / "known_engine.py"
SHORT = ("--requests", "1", "--prompt-tokens", "32", "--output-tokens", "2")


@pytest.fixture(scope="module")
def frontier(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Frontier]:
    # what the environment holds is not tuned: here all but the batch and the type of the KV cache
    fixed = {"MAX_CONTEXT_LENGTH": "512", "CACHE_SIZE": "0", "ENABLE_FLASH_ATTENTION": "false"}
    cli = Frontier(tmp_path_factory.mktemp("tune") / "ws", fixed)
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    yield cli
    assert engines(cli) == []


def engines(cli: Frontier) -> list[int]:
    """The processes that serve a model of this workspace."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if str(cli.workspace / "data") in words and "bench tune" not in words:
            found.append(process.pid)
    return found


def test_what_is_faster_is_proved_written_with_evidence_and_taken_back(
    frontier: Frontier, tmp_path: Path
) -> None:
    program = tmp_path / "llama-server"
    program.write_text(f"#!{sys.executable}\n{KNOWN.read_text()}")
    program.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    env = {k: v for k, v in frontier.env.items() if k != "ENABLE_FLASH_ATTENTION"}
    cli = Frontier(frontier.workspace, {**env, "PATH": path})
    cli.ok("config", "set", "CACHE_SIZE", "9")

    found = cli.json("bench", "tune", *SHORT)

    assert (found["applied"], found["changes"]) == (True, {"BATCH_SIZE": "1024"})
    assert found["before"] == {"BATCH_SIZE": "512"}
    assert found["proof"]["speedup"]["low"] > 1.0
    assert cli.ok("config", "get", "BATCH_SIZE") == "1024\n"
    evidence = json.loads(Path(found["evidence"]).read_text())
    assert evidence["schema"] == 1
    assert len(evidence["trials"]) == len(found["trials"])
    assert evidence["model_digest"]
    assert evidence["machine"]["cores"]
    assert "NUM_WORKERS" not in evidence["start"], "the environment holds it"
    (lost,) = (trial for trial in evidence["trials"] if trial["lost"])
    assert lost["settings"]["ENABLE_FLASH_ATTENTION"] == "true"
    assert "out of memory" in lost["lost"]
    cli.ok("rollback")
    assert cli.ok("config", "get", "BATCH_SIZE") == "512\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_killed_while_tuning_it_leaves_the_settings_and_no_process(
    frontier: Frontier, tmp_path: Path, number: int
) -> None:
    frontier.ok("config", "set", "CACHE_SIZE", "8")
    before = (frontier.workspace / ".env").read_bytes()
    out = tmp_path / "out"
    log = frontier.workspace / "logs" / "tune.log"
    log.unlink(missing_ok=True)
    evidence = list((frontier.workspace / "data").glob("bench/*"))
    words = ("--prompt-tokens", "64", "--output-tokens", "200")
    process = frontier.start("bench", "tune", *words, output=out)
    until(lambda: log.exists() and "print_timing" in log.read_text(), timeout_s=90)

    process.send_signal(number)

    process.wait(30)
    until(lambda: not engines(frontier), timeout_s=30, what="the engine's end")
    assert (frontier.workspace / ".env").read_bytes() == before
    assert "Traceback" not in out.read_text()
    assert list((frontier.workspace / "data").glob("bench/*")) == evidence


def test_a_dry_run_starts_nothing(frontier: Frontier) -> None:
    log = frontier.workspace / "logs" / "tune.log"
    before = log.exists() and log.stat()

    plan = frontier.json("bench", "tune", "--dry-run", "--for", "throughput", "-c", "4")

    assert {knob["name"]: knob["values"] for knob in plan["knobs"]} == {
        "NUM_PARALLEL": ["2", "4"],
        "BATCH_SIZE": ["1024", "2048"],
    }
    assert (log.exists() and log.stat()) == before


@pytest.mark.parametrize(
    ("env", "words", "code", "reason"),
    [
        ({"CURRENT_STACK": "vllm"}, (), 5, "bench tune knows the settings of llama.cpp"),
        ({"DEFAULT_MODEL": "qwen3:0.6b"}, (), 3, "is not on this machine"),
        ({"NUM_PARALLEL": "900000"}, (), 5, "does not fit into memory"),
        ({}, ("--prompt-tokens", "9999"), 5, "do not fit into a context of 512"),
        ({}, ("--budget", "soon"), 2, "no time"),
    ],
)
def test_what_cannot_be_tuned_is_refused_with_the_reason(
    frontier: Frontier, env: dict[str, str], words: tuple[str, ...], code: int, reason: str
) -> None:
    cli = Frontier(frontier.workspace, {**frontier.env, **env})

    assert reason in cli.fails(code, "bench", "tune", *words)
