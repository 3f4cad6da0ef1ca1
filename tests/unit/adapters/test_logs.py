import contextlib
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from frontier.adapters.logs import LogFile, Logs, last_lines, rotate
from frontier.domain.errors import NotFoundError


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


@pytest.fixture
def opened(logs: Logs) -> Iterator[Callable[..., LogFile]]:
    with contextlib.ExitStack() as stack:
        yield lambda *a, **k: stack.enter_context(contextlib.closing(logs.open(*a, **k)))


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


def test_the_tail_is_what_the_service_wrote_without_the_guards_time(
    logs: Logs, tmp_path: Path
) -> None:
    write(tmp_path / "s.log", "2026-11-21T09:12:00.118Z 0.01.045.134 I slot: 1", '{"a": 1}')

    assert logs.tail("s", 2) == ["0.01.045.134 I slot: 1", '{"a": 1}']


@pytest.mark.parametrize("call", [lambda logs: logs.tail("x", 1), lambda logs: logs.open("x")])
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


def test_the_whole_past_is_read_oldest_first_and_up_to_where_news_begins(
    opened: Callable[..., LogFile], tmp_path: Path
) -> None:
    write(tmp_path / "s.log.2", "1")
    write(tmp_path / "s.log.1", "2")
    write(tmp_path / "s.log", "3")
    log = opened("s")
    write(tmp_path / "s.log", "4")

    past = log.whole_past()
    first = next(past)
    rotate(tmp_path / "s.log")  # while it is read
    write(tmp_path / "s.log", "5")

    assert [first, *past] == ["1", "2", "3"]
    assert list(log.news()) == ["4", "5"]


def test_the_whole_past_takes_no_memory(opened: Callable[..., LogFile], tmp_path: Path) -> None:
    (tmp_path / "s.log").write_bytes(b"x" * 99 + b"\n" + b"y" * 99 + b"\n" * 1)
    with (tmp_path / "s.log").open("ab") as file:
        for _ in range(200):
            file.write((b"x" * 99 + b"\n") * 1000)
    log = opened("s")

    tracemalloc.start()
    count = sum(1 for _ in log.whole_past())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 200_002
    assert peak < 2_000_000, "of 20 MB"


def test_news_begin_at_the_end_and_a_line_comes_once_it_is_complete(
    opened: Callable[..., LogFile], tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    write(path, "old")
    log = opened("a")

    path.write_bytes(path.read_bytes() + b"hal")
    assert list(log.news()) == []

    path.write_bytes(path.read_bytes() + b"f\n")
    assert list(log.news()) == ["half"]


def test_a_line_that_was_half_written_at_the_beginning_comes_whole(
    opened: Callable[..., LogFile], tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    path.write_text("old\nhal")
    log = opened("a")

    assert log.past(9) == ["old"]
    write(path, "f")
    assert list(log.news()) == ["half"]
    assert opened("a", is_read_once=True).past(9) == ["old", "half"]


def test_nothing_is_lost_when_files_rotate(opened: Callable[..., LogFile], tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    write(path, "old")
    log = opened("a")
    found = list[str]()

    for step in (("1", "2"), ("3",), ("4",)):
        for line in step:
            write(path, line)
            rotate(path)
        found += log.news()
    write(path, "5")
    found += log.news()

    assert found == ["1", "2", "3", "4", "5"]


def test_nothing_is_lost_when_files_rotate_while_news_are_read(
    opened: Callable[..., LogFile], tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    write(path, "old")
    log = opened("a")
    for line in ("1", "2"):
        rotate(path)
        write(path, line)

    news = log.news()
    found = [next(news)]
    rotate(path)
    write(path, "3")

    assert [*found, *news] == ["1", "2", "3"]


def test_what_is_older_does_not_come_again_when_the_file_was_removed(
    opened: Callable[..., LogFile], tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    for line in ("1", "2"):
        write(path, line)
        rotate(path)
    write(path, "3")
    log = opened("a")

    path.unlink()
    assert list(log.news()) == []

    write(path, "4")
    assert list(log.news()) == ["4"]


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_text("")])
def test_it_goes_on_when_the_file_was_removed_or_emptied(
    opened: Callable[..., LogFile], tmp_path: Path, change: Callable[[Path], object]
) -> None:
    path = tmp_path / "a.log"
    write(path, "a long old line")
    log = opened("a")

    change(path)
    found = list(log.news())
    write(path, "new")

    assert [*found, *log.news()] == ["new"]


def test_a_line_without_end_is_cut_instead_of_kept_in_memory(
    opened: Callable[..., LogFile], tmp_path: Path
) -> None:
    path = tmp_path / "a.log"
    write(path, "old")
    log = opened("a")
    path.write_bytes(b"old\n" + b"x" * 200_000)

    assert sum(map(len, log.news())) >= 190_000


def test_all_of_a_new_log_is_new(opened: Callable[..., LogFile], tmp_path: Path) -> None:
    write(tmp_path / "a.log", "1", "2")

    log = opened("a", is_new=True)

    assert (log.past(5), list(log.news())) == ([], ["1", "2"])
