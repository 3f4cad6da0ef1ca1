"""Ctrl-C: where nothing was changed yet, the command says so."""

import contextlib
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

from frontier_cli import Frontier
from waiting import until


def interrupt(process: "subprocess.Popen[str]") -> str:
    """Press Ctrl-C until *process* ends; return what it wrote on standard error.

    Between a question and the read of its answer Python notes a signal and goes on to read: a
    person presses again.
    """
    for _ in range(12):
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=10)[1]
    process.kill()
    raise AssertionError(process.communicate()[1])


def test_at_a_question_nothing_was_changed(tmp_path: Path) -> None:
    frontier = Frontier(tmp_path / "ws")
    frontier.ok("config", "set", "CACHE_SIZE", "7")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        frontier.argv("rollback", "--reset"),
        env=frontier.environ,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    deadline = time.monotonic() + 60
    while b"Go on?" not in said and time.monotonic() < deadline:
        said += os.read(ours, 4096)
    errors = interrupt(process)
    os.close(ours)

    assert process.returncode == 130, errors
    assert errors.splitlines()[-1].strip() == "interrupted: nothing was changed"
    assert frontier.ok("config", "get", "CACHE_SIZE") == "7\n"


def test_a_read_that_ctrl_c_ends_says_nothing(tmp_path: Path) -> None:
    frontier = Frontier(tmp_path / "ws")
    log = frontier.workspace / "logs" / "gateway.log"
    log.parent.mkdir(parents=True)
    log.write_text("a line\n")
    out = tmp_path / "out"
    process = frontier.start("logs", "-f", output=out)
    until(lambda: "a line" in out.read_text(), timeout_s=60)

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130
    assert "interrupted" not in out.read_text()
