"""A stack in Docker, while the runtime is left to Frontier: it stays where it runs."""

import contextlib
import os
import pty
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stack_workspace import Stacked, stacked


@pytest.fixture(scope="module")
def docked(
    docker_images: dict[str, str], smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stacked]:
    """llama.cpp, brought up in Docker by the command line; no setting names a runtime."""
    with stacked(tmp_path_factory.mktemp("docked"), docker_images, smollm2) as it:
        del it.cli.env["RUNTIME"]
        it.cli.ok("up", "--runtime", "docker")
        yield it


def in_terminal(docked: Stacked, *words: str) -> str:
    """Return all that the command writes to a terminal, control characters included."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        docked.cli.argv(*words), env=docked.cli.environ, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the last one has closed its end
        while more := os.read(ours, 4096):
            shown += more
    os.close(ours)
    assert process.wait(60) == 0, shown.decode()
    return shown.decode()


def test_what_runs_in_docker_stays_there_and_the_plan_says_why(docked: Stacked) -> None:
    before = docked.containers

    assert docked.cli.ok("stack", "diff") == "llamacpp: nothing would change\n"
    plan = docked.cli.ok("up", "--dry-run")
    done = docked.cli.json("up")

    assert "runtime: docker, because that is what runs (another: --runtime)" in plan
    assert (done["runtime"], done["steps"]) == ("docker", [])
    assert docked.containers == before
    docked.cli.ok("stop")
    assert docked.cli.json("start")["runtime"] == "docker"


def test_the_plan_and_the_difference_say_what_changes_in_the_same_words(docked: Stacked) -> None:
    docked.cli.env["CACHE_SIZE"] = "99"
    try:
        assert "restart llamacpp: command changed" in docked.cli.ok("stack", "diff")
        assert "restart llamacpp: command changed" in docked.cli.ok("up", "--dry-run")
    finally:
        del docked.cli.env["CACHE_SIZE"]


def test_the_proof_stays_readable_in_a_terminal_and_quiet_is_quiet(docked: Stacked) -> None:
    docked.cli.env["CACHE_SIZE"] = "98"

    shown = in_terminal(docked, "start")

    assert re.search(r"[a-z!.]\r\n\[\d+ tokens", shown), shown
    quiet = docked.cli.ok("start", "-q")
    assert quiet.startswith("smollm2:135m answers at http://127.0.0.1:")
    assert "tokens" not in quiet


def test_the_way_to_the_host_is_told_with_its_reason(docked: Stacked) -> None:
    plan = docked.cli.ok("up", "--runtime", "native", "--dry-run")

    assert "restart llamacpp: moves to the host" in plan


@pytest.mark.parametrize("command", [("stack", "diff"), ("up", "--dry-run")])
def test_docker_that_does_not_answer_is_no_change(
    docked: Stacked, command: tuple[str, ...]
) -> None:
    docked.cli.env["DOCKER_HOST"] = "unix:///nonexistent.sock"
    try:
        assert "Docker" in docked.cli.fails(4, *command)
    finally:
        del docked.cli.env["DOCKER_HOST"]
