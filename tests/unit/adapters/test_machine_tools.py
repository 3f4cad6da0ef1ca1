"""Tools of vendors that break in every way we could think of."""

import os
import sys
import time
from pathlib import Path

import pytest

from frontier.adapters.machine.tools import ToolError, ToolMissingError, one_line, runner
from waiting import until

Script = str


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a tool named ``smi`` that every test writes for itself."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path / "smi"


def write(tool: Path, script: str, mode: int = 0o755) -> None:
    tool.write_text(script)
    tool.chmod(mode)


def test_stdout_is_returned_and_stderr_is_not(tool: Path) -> None:
    write(tool, '#!/bin/sh\necho "$1 $LC_ALL"; echo warning >&2\n')

    assert runner(5)(["smi", "--x"]) == "--x C\n"


def test_a_missing_tool_is_told_apart_from_a_broken_one(tool: Path) -> None:
    with pytest.raises(ToolMissingError, match="smi: not installed"):
        runner(5)(["smi"])


def test_a_file_that_is_not_executable_is_no_tool(tool: Path) -> None:
    write(tool, "#!/bin/sh\n", mode=0o644)

    with pytest.raises(ToolMissingError):
        runner(5)(["smi"])


def test_an_executable_of_another_machine_is_reported(tool: Path) -> None:
    write(tool, "\x7fELF, but for a different processor")

    with pytest.raises(ToolError, match="smi: cannot be run: Exec format error"):
        runner(5)(["smi"])


def test_an_exit_code_comes_with_the_tools_own_words(tool: Path) -> None:
    write(tool, "#!/bin/sh\necho partial\necho 'driver is \\033[1mgone' >&2\nexit 9\n")

    with pytest.raises(ToolError, match=r"^smi: exit code 9: driver is .*gone$") as caught:
        runner(5)(["smi"])
    assert caught.value.stdout == "partial\n"


@pytest.mark.parametrize(
    ("script", "words"), [("echo no driver; exit 3", "no driver"), ("exit 3", "no message")]
)
def test_an_exit_code_without_stderr_is_explained_too(tool: Path, script: str, words: str) -> None:
    write(tool, f"#!/bin/sh\n{script}\n")

    with pytest.raises(ToolError, match=f"exit code 3: {words}"):
        runner(5)(["smi"])


def test_a_tool_that_hangs_and_ignores_sigterm_ends_with_its_children(
    tool: Path, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    write(tool, f"#!/bin/sh\ntrap '' TERM\nsleep 300 &\necho $$ $! > {pids}\nwait\n")
    begun = time.monotonic()

    with pytest.raises(ToolError, match=r"^smi: timed out after 0.5 s$"):
        runner(0.5)(["smi"])

    assert time.monotonic() - begun < 1.5
    for pid in pids.read_text().split():
        until(lambda pid=pid: is_gone(int(pid)), what=f"the end of process {pid}")


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().split()[2] == "Z"


def test_a_tool_that_closes_its_output_and_stays_times_out(tool: Path) -> None:
    write(tool, "#!/bin/sh\nexec >&- 2>&-\nsleep 300\n")

    with pytest.raises(ToolError, match="timed out"):
        runner(0.3)(["smi"])


def test_a_grandchild_that_keeps_the_pipe_open_delays_nothing(tool: Path) -> None:
    write(tool, "#!/bin/sh\nsleep 3 &\necho good\n")
    begun = time.monotonic()

    assert runner(30)(["smi"]) == "good\n"
    assert time.monotonic() - begun < 2


def test_endless_output_is_cut_off(tool: Path) -> None:
    write(tool, "#!/bin/sh\nexec yes garbage\n")

    with pytest.raises(ToolError, match="smi: printed more than 1 MiB"):
        runner(10)(["smi"])


def test_output_that_is_no_text_is_read_anyway(tool: Path) -> None:
    write(tool, f"#!{sys.executable}\nimport sys\nsys.stdout.buffer.write(b'\\xff\\x00ok')\n")

    assert runner(10)(["smi"]).endswith("ok")


def test_later_calls_share_one_time_limit(tool: Path) -> None:
    write(tool, "#!/bin/sh\nsleep 300\n")
    run = runner(0.3)

    for _ in range(3):
        with pytest.raises(ToolError, match="timed out"):
            run(["smi"])


def test_a_message_becomes_one_short_printable_line() -> None:
    assert one_line("a\n\tb\x1b[1m c") == "a b [1m c"
    assert one_line("x" * 500, limit=10) == "xxxxxxxxx…"
