from collections.abc import Callable
from pathlib import Path

import pytest

from frontier.adapters.logs import Logs, last_lines
from frontier.domain.errors import NotFoundError


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


def write(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_every_service_with_a_log_is_known(logs: Logs, tmp_path: Path) -> None:
    write(tmp_path / "gateway.log", "a")
    write(tmp_path / "gateway.log.1", "a")
    write(tmp_path / "daemon.log", "a")

    assert logs.services == ("daemon", "gateway")


def test_the_tail_reaches_back_into_rotated_files(logs: Logs, tmp_path: Path) -> None:
    write(tmp_path / "s.log.2", "1", "2")
    write(tmp_path / "s.log.1", "3", "4")
    write(tmp_path / "s.log", "5")

    assert logs.tail("s", 4) == ["2", "3", "4", "5"]
    assert logs.tail("s", 1) == ["5"]
    assert logs.tail("s", 99) == ["1", "2", "3", "4", "5"]
    assert logs.tail("s", 0) == []


@pytest.mark.parametrize(
    "call", [lambda logs: logs.tail("x", 1), lambda logs: [*logs.follow(["x"])]]
)
def test_a_service_without_a_log_is_not_found(
    logs: Logs, tmp_path: Path, call: Callable[[Logs], object]
) -> None:
    write(tmp_path / "gateway.log", "a")

    with pytest.raises(NotFoundError, match="'x' has no log") as caught:
        call(logs)

    assert caught.value.hint == "Known: gateway."


def test_a_missing_folder_has_no_logs(tmp_path: Path) -> None:
    assert Logs(tmp_path / "gone").services == ()


def test_the_last_lines_of_a_long_file_are_found_without_reading_it_all(tmp_path: Path) -> None:
    path = tmp_path / "s.log"
    path.write_bytes(b"".join(b"%0999d\n" % n for n in range(500)) + b"no newline \xff")

    assert [line.lstrip("0") for line in last_lines(path, 3)] == ["498", "499", "no newline \ufffd"]
    assert last_lines(tmp_path / "gone", 3) == []
    assert len(last_lines(path, 10_000)) == 501


class Steps:
    """Runs one step before each look of a follower, and ends it after the last."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = list(steps)

    def __call__(self) -> bool:
        if self._steps:
            self._steps.pop(0)()
        return not self._steps


def rotate(path: Path) -> None:
    for number in (2, 1):
        older = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number}"))
    path.touch()


def test_following_merges_services_and_begins_at_the_end(logs: Logs, tmp_path: Path) -> None:
    write(tmp_path / "a.log", "old")
    write(tmp_path / "b.log", "old")
    until = Steps(
        lambda: write(tmp_path / "a.log", "one"),
        lambda: write(tmp_path / "b.log", "two"),
        lambda: write(tmp_path / "a.log", "three"),
    )

    assert list(logs.follow(["a", "b"], until=until)) == [
        ("a", "one"),
        ("b", "two"),
        ("a", "three"),
    ]


def test_a_line_is_yielded_once_it_is_complete(logs: Logs, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    write(path, "old")

    def begin() -> None:
        path.write_bytes(path.read_bytes() + b"hal")

    def end() -> None:
        with path.open("ab") as file:
            file.write(b"f\n")

    assert list(logs.follow(["a"], until=Steps(begin, end))) == [("a", "half")]


def test_following_loses_nothing_when_files_rotate(logs: Logs, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    write(path, "old")

    def twice() -> None:
        write(path, "1")
        rotate(path)
        write(path, "2")
        rotate(path)
        write(path, "3")

    until = Steps(twice, lambda: (write(path, "4"), rotate(path)), lambda: write(path, "5"))

    assert [line for _, line in logs.follow(["a"], until=until)] == ["1", "2", "3", "4", "5"]


def test_following_goes_on_when_the_file_was_removed(logs: Logs, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    write(path, "old")

    until = Steps(path.unlink, lambda: write(path, "new"), lambda: None)

    assert [line for _, line in logs.follow(["a"], until=until)] == ["new"]


def test_following_goes_on_when_the_file_was_emptied(logs: Logs, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    write(path, "a long old line")

    until = Steps(lambda: path.write_text(""), lambda: write(path, "new"), lambda: None)

    assert [line for _, line in logs.follow(["a"], until=until)] == ["new"]


def test_a_line_without_end_is_cut_instead_of_kept_in_memory(logs: Logs, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    write(path, "old")

    def endless() -> None:
        with path.open("ab") as file:
            file.write(b"x" * 200_000)

    lines = [line for _, line in logs.follow(["a"], until=Steps(endless, lambda: None))]

    assert sum(map(len, lines)) >= 190_000


def test_what_is_written_between_the_past_and_the_present_comes_once(
    logs: Logs, tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    write(tmp_path / "a.log.1", "1")
    write(path, "2", "3")
    lines = logs.follow(["a"], tail=3, until=Steps(lambda: write(path, "5"), lambda: None))

    first = [next(lines)]
    write(path, "4")

    assert [line for _, line in [*first, *lines]] == ["1", "2", "3", "4", "5"]


def test_a_line_that_was_half_written_at_the_beginning_comes_whole(
    logs: Logs, tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    path.write_text("old\nhal")

    def end() -> None:
        with path.open("ab") as file:
            file.write(b"f\n")

    found = logs.follow(["a"], tail=9, until=Steps(end, lambda: None))

    assert [line for _, line in found] == ["old", "half"]
