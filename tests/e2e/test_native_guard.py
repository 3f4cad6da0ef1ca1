"""The guard alone, with real processes: it stops what it guards, and loses no line."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from frontier.adapters import guard
from frontier.domain.log_line import unstamped
from native_harness import TINY, GuardEnd, is_alive
from waiting import until

PYTHON = (sys.executable, "-I", "-S")
SLEEPER = (*PYTHON, str(TINY))

Start = Callable[..., GuardEnd]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    ends = list[GuardEnd]()

    def start(*command: str, log: Path = tmp_path / "s.log", **options: int) -> GuardEnd:
        ends.append(GuardEnd(log, *command, **options))  # type: ignore[arg-type]
        return ends[-1]

    yield start
    for end in ends:
        if not end.guard.stdout.closed:  # type: ignore[union-attr]
            end.kill_all()
    assert [end.pid for end in ends if end.pid and is_alive(end.pid)] == []


def python(code: str) -> tuple[str, ...]:
    return (*PYTHON, "-c", code)


def said(log: Path, text: str) -> None:
    until(lambda: log.exists() and text in log.read_text(), what=text)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(0)", 0),
        ("raise SystemExit(3)", 3),
        ("import os; os.kill(os.getpid(), 9)", 137),
        ("import os; os.abort()", 134),
    ],
)
def test_the_guard_ends_as_the_service_ended(start: Start, code: str, expected: int) -> None:
    assert start(*python(code)).end()[0] == expected


def unstamped_text(path: Path) -> str:
    """Return what a log has, of which every line must have its time."""
    rows = [unstamped(line) for line in path.read_text().splitlines()]
    assert all(stamp for stamp, _ in rows)
    return "".join(f"{line}\n" for _, line in rows)


def test_lines_of_json_are_left_as_they_are(start: Start, tmp_path: Path) -> None:
    code = "import os\nfor part in (b'{\"a\":', b'1}\\nplain', b' text\\n\\n'): os.write(1, part)"

    start(*python(code)).end()

    first, second, empty = (tmp_path / "s.log").read_text().splitlines()
    assert (first, empty) == ('{"a":1}', "")
    assert unstamped(second)[1] == "plain text"


def test_both_outputs_are_logged_and_the_last_of_it_is_told(start: Start, tmp_path: Path) -> None:
    end = start(*python("import os; os.write(1, b'out\\n'); os.write(2, b'no newline')"))

    assert end.end() == (0, "out\nno newline")
    assert unstamped_text(tmp_path / "s.log") == "out\nno newline\n"


def test_a_program_that_does_not_exist_is_told_by_name(start: Start, tmp_path: Path) -> None:
    end = start("/nowhere/engine", "--flag")

    assert end.end()[0] == 127
    assert end.error == "/nowhere/engine: No such file or directory"
    told = json.loads((tmp_path / "s.log").read_text())
    assert (told["level"], told["event"]) == ("error", "cannot_execute")
    assert told["reason"] == end.error


@pytest.mark.parametrize("deathsig", [1, 0])
def test_the_end_of_the_lifeline_stops_the_service_and_its_children(
    start: Start, tmp_path: Path, deathsig: int
) -> None:
    # deathsig 0 is macOS: the pipe alone must suffice
    end = start(*SLEEPER, "fork=group", deathsig=deathsig)
    said(tmp_path / "s.log", "child ")
    child = int((tmp_path / "s.log").read_text().split()[-1])
    assert is_alive(child)

    end.let_go()

    code, output = end.end()
    assert code == 0
    assert output.endswith("going\n")
    until(lambda: not is_alive(child))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_guard_stops_the_service_gently(
    start: Start, tmp_path: Path, number: int
) -> None:
    end = start(*SLEEPER, "slow_stop=0.2", "exit=7")
    said(tmp_path / "s.log", "hello")

    end.guard.send_signal(number)

    code, output = end.end()
    assert (code, output.splitlines()[-1]) == (7, "going")


def test_a_service_that_ignores_sigterm_is_killed_after_its_grace(
    start: Start, tmp_path: Path
) -> None:
    end = start(*SLEEPER, "term=ignore", grace_s=0.3)
    said(tmp_path / "s.log", "hello")

    end.let_go()

    code, output = end.end()
    assert (code, output.splitlines()[-1]) == (137, "I will not go")


def test_a_hangup_does_not_disturb_and_is_not_inherited(start: Start, tmp_path: Path) -> None:
    code = "import signal; print(repr(signal.getsignal(signal.SIGHUP)), flush=True); signal.pause()"
    end = start(*python(code))
    said(tmp_path / "s.log", "SIG_DFL")

    end.guard.send_signal(signal.SIGHUP)
    os.kill(end.pid, signal.SIGTERM)

    assert end.end()[0] == 143


def test_children_that_outlive_the_service_are_ended_with_it(start: Start, tmp_path: Path) -> None:
    end = start(*SLEEPER, "fork=group", "die_after=0", "exit=4")

    code, output = end.end()

    assert code == 4
    child = int(next(line for line in output.splitlines() if "child" in line).split()[1])
    until(lambda: not is_alive(child))


def test_a_child_that_left_the_group_and_holds_the_log_is_not_waited_for(
    start: Start, tmp_path: Path
) -> None:
    end = start(*SLEEPER, "fork=session", "die_after=0")

    code, output = end.end()

    child = int(next(line for line in output.splitlines() if "child" in line).split()[1])
    os.kill(child, signal.SIGKILL)  # the daemon's sweep finds it by its environment
    assert code == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the daemon does it")
def test_a_killed_guard_takes_the_service_with_it(start: Start, tmp_path: Path) -> None:
    end = start(*SLEEPER, "term=ignore")
    said(tmp_path / "s.log", "hello")

    end.guard.kill()

    assert end.end()[0] == -signal.SIGKILL
    until(lambda: not is_alive(end.pid))


def test_the_service_inherits_no_descriptor_but_its_three(start: Start) -> None:
    code = "import os; print(sorted(os.listdir('/dev/fd'))[:5])"

    _, output = start(*python(code)).end()

    # listing the folder opens one more
    assert output.strip() == "['0', '1', '2', '3']"


def test_rotation_under_load_loses_no_line(start: Start, tmp_path: Path) -> None:
    lines = 40_000
    code = f"import os\nfor n in range({lines}): os.write(1, b'line %06d\\n' % n)"
    end = start(*python(code), max_bytes=lines * 37 // 3 + 70_000)

    assert end.end()[0] == 0

    files = [
        tmp_path / name for name in ("s.log.2", "s.log.1", "s.log") if (tmp_path / name).exists()
    ]
    assert len(files) > 1
    text = "".join(unstamped_text(file) for file in files)
    assert text == "".join(f"line {n:06}\n" for n in range(lines))
    assert all(file.read_text().endswith("\n") for file in files)


def test_old_generations_are_dropped_so_that_a_log_never_fills_the_disk(
    start: Start, tmp_path: Path
) -> None:
    code = "import os\nfor n in range(400): os.write(1, (b'x' * 1023 + b'\\n'))"

    start(*python(code), max_bytes=20_000).end()

    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["s.log", "s.log.1", "s.log.2"]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 3 * (20_000 + 66_000)


def test_a_log_that_someone_removes_is_begun_anew(start: Start, tmp_path: Path) -> None:
    log, flag = tmp_path / "s.log", tmp_path / "go"
    code = (
        "import os, time\nos.write(1, b'one\\n')\n"
        f"while not os.path.exists({str(flag)!r}): time.sleep(0.01)\nos.write(1, b'two\\n')"
    )
    end = start(*python(code))
    said(log, "one")

    log.unlink()
    flag.touch()

    assert end.end()[0] == 0
    assert unstamped_text(log) == "two\n"


def test_a_full_disk_costs_log_lines_and_not_the_service(start: Start, full_disk: Path) -> None:
    ballast = full_disk / "ballast"
    ballast.write_bytes(b"x" * 1_500_000)
    go, spoken = full_disk.parent / "go", full_disk.parent / "spoken"
    code = (
        "import os, time\nfor n in range(2000): os.write(1, b'y' * 999 + b'\\n')\n"
        f"open({str(spoken)!r}, 'w').close()\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        "os.write(1, b'still here\\n'); raise SystemExit(5)"
    )
    end = start(*python(code), log=full_disk / "s.log")
    until(spoken.exists, what="the end of 2 MB of output")
    assert os.statvfs(full_disk).f_bavail == 0

    ballast.unlink()
    go.touch()

    code_, output = end.end()
    assert (code_, output.splitlines()[-1]) == (5, "still here")
    *_, told, last = (full_disk / "s.log").read_text().splitlines()
    confession = json.loads(told)
    assert (confession["level"], confession["event"]) == ("error", "log_lost")
    assert confession["bytes"] > 0
    assert last.endswith("Z still here")


def test_without_a_log_folder_the_service_goes_on(start: Start, tmp_path: Path) -> None:
    end = start(*python("print('hi')"), log=tmp_path / "gone" / "s.log")

    assert end.end() == (0, "hi\n")


def test_the_guard_runs_without_site_packages_and_stays_small(start: Start, tmp_path: Path) -> None:
    end = start(*SLEEPER, program=("-I", "-S", guard.__file__))
    said(tmp_path / "s.log", "hello")

    assert psutil.Process(end.guard.pid).memory_info().rss < 20 * 2**20
    end.let_go()
    assert end.end()[0] == 0
