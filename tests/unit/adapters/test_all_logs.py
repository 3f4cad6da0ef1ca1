import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from frontier.adapters.all_logs import AllLogs
from frontier.adapters.container_logs import ContainerLogs
from frontier.adapters.logs import Logs, rotate
from frontier.domain.errors import NotFoundError
from frontier.domain.log_line import LogLine, Wanted


@pytest.fixture
def logs(tmp_path: Path) -> AllLogs:
    return AllLogs(Logs(tmp_path), ContainerLogs("w", lambda: False))


def write(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def at(second: int, text: str) -> str:
    return f"2026-11-21T09:12:{second:02}.000Z {text}"


def told(lines: Iterator[LogLine]) -> list[str]:
    return [f"{line.service}: {line.line}" for line in lines]


class Steps:
    """Runs one step before each look of a follower, and ends it after the last."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = list(steps)

    def __call__(self) -> bool:
        if self._steps:
            self._steps.pop(0)()
        return not self._steps


@pytest.mark.parametrize("call", [AllLogs.past, AllLogs.follow])
def test_a_name_without_a_log_is_told_with_those_that_have_one(
    logs: AllLogs, tmp_path: Path, call: Callable[..., Iterator[object]]
) -> None:
    with pytest.raises(NotFoundError, match="nothing was logged"):
        next(call(logs, (), 1))
    write(tmp_path / "daemon.log", "a")
    write(tmp_path / "gateway.log", "a")

    with pytest.raises(NotFoundError, match="'nobody' has no log") as caught:
        next(call(logs, ["nobody"], 1))

    assert caught.value.hint == "Known: daemon, gateway."


def test_services_are_merged_in_order_of_time(logs: AllLogs, tmp_path: Path) -> None:
    write(tmp_path / "a.log.1", at(1, "a1"))
    write(tmp_path / "a.log", at(3, "a3"), "  more of it", at(5, "a5"))
    write(tmp_path / "b.log", at(2, "b2"), at(4, "b4"))

    assert told(logs.past((), None)) == [
        "a: a1",
        "b: b2",
        "a: a3",
        "a:   more of it",
        "b: b4",
        "a: a5",
    ]
    assert told(logs.past((), 1)) == ["b: b4", "a: a5"]
    assert told(logs.past(["b"], 9)) == ["b: b2", "b: b4"]


def test_the_last_lines_are_the_last_that_are_wanted(logs: AllLogs, tmp_path: Path) -> None:
    write(tmp_path / "a.log", *(at(n, f"error: {n}" if n < 4 else f"{n}") for n in range(20)))

    errors = Wanted(level="error")
    late = Wanted(since="2026-11-21T09:12:17.000Z")
    nine = Wanted(pattern=re.compile("9$"))

    assert told(logs.past((), 2, errors)) == ["a: error: 2", "a: error: 3"]
    assert told(logs.past((), None, late)) == ["a: 17", "a: 18", "a: 19"]
    assert told(logs.past((), 2, nine)) == ["a: 9", "a: 19"]
    assert told(logs.past((), 0)) == []


def test_past_and_present_are_told_once_through_rotations(logs: AllLogs, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    write(tmp_path / "a.log.1", "1")
    write(path, "2", "3")
    lines = logs.follow(
        (),
        3,
        until=Steps(
            lambda: (write(path, "5"), rotate(path), write(path, "6")), lambda: write(path, "7")
        ),
    )

    first = next(lines)
    write(path, "4")

    assert told(iter([first, *lines])) == [f"a: {n}" for n in range(1, 8)]


def test_a_service_that_starts_later_is_followed_from_its_first_line(
    logs: AllLogs, tmp_path: Path
) -> None:
    write(tmp_path / "daemon.log", "d")
    until = Steps(
        lambda: None,
        lambda: (write(tmp_path / "b.log", at(2, "b")), write(tmp_path / "daemon.log", at(1, "d"))),
    )

    assert told(logs.follow((), 0, until=until)) == ["daemon: d", "b: b"]
    assert (
        told(logs.follow(["daemon"], 0, until=Steps(lambda: write(tmp_path / "c.log", "c")))) == []
    )


def test_what_comes_is_filtered_too(logs: AllLogs, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    write(path, "error: 1", "fine")
    until = Steps(lambda: write(path, "fine", "error: 2", "\twhy"))

    found = logs.follow((), None, Wanted(level="error"), until=until)

    assert told(found) == ["a: error: 1", "a: error: 2", "a: \twhy"]
