import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from frontier.adapters.all_logs import AllLogs
from frontier.adapters.logs import Logs
from frontier.domain.errors import NotFoundError

INSIDE = {"gateway": ["in 1", "in 2"], "engine": ["e 1"]}


def read(service: str, *, tail: int | None, follow: bool = False) -> Iterator[str]:
    yield from INSIDE[service][len(INSIDE[service]) - (tail or 0) :]
    if follow:
        yield "new"


@pytest.fixture
def files(tmp_path: Path) -> Logs:
    (tmp_path / "daemon.log").write_text("d 1\nd 2\n")
    (tmp_path / "gateway.log").write_text("an older gateway on the host\n")
    return Logs(tmp_path)


def test_containers_hide_older_files_of_their_name(files: Logs) -> None:
    logs = AllLogs(files, lambda: INSIDE, read)

    assert logs.services == ("daemon", "engine", "gateway")
    assert [*logs.tail((), 1)] == [("daemon", "d 2"), ("engine", "e 1"), ("gateway", "in 2")]
    assert [*logs.tail(["gateway"], 2)] == [("gateway", "in 1"), ("gateway", "in 2")]


@pytest.mark.parametrize(
    "call", [lambda logs: logs.tail(["nobody"], 1), lambda logs: logs.follow(["nobody"])]
)
def test_a_name_without_a_log_is_told_with_those_of_files_and_containers(
    files: Logs, call: Callable[[AllLogs], Iterator[object]]
) -> None:
    with pytest.raises(NotFoundError, match="'nobody' has no log") as caught:
        [*call(AllLogs(files, lambda: INSIDE, read))]

    assert caught.value.hint == "Known: daemon, engine, gateway."


def test_nothing_logged_yet_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nothing was logged"):
        [*AllLogs(Logs(tmp_path), tuple, read).tail((), 1)]


def test_past_and_present_of_a_container_are_asked_for_at_once(files: Logs) -> None:
    lines = AllLogs(files, lambda: INSIDE, read).follow(["gateway"], tail=1)

    assert [*lines] == [("gateway", "in 2"), ("gateway", "new")]


def test_containers_are_followed_until_they_end(files: Logs) -> None:
    lines = AllLogs(files, lambda: INSIDE, read).follow(["gateway", "engine"])

    assert sorted(lines) == [("engine", "new"), ("gateway", "new")]


def followed(logs: AllLogs, names: list[str], wanted: int, act: Callable[[], object]) -> list[str]:
    """Return the first *wanted* lines that come while *act* is done again and again."""
    found: list[str] = []

    def collect() -> None:
        found.extend(f"{name}: {line}" for name, line in islice(logs.follow(names), wanted))

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    while thread.is_alive():
        act()
        thread.join(0.1)
    return found


def test_files_and_containers_are_followed_side_by_side(files: Logs, tmp_path: Path) -> None:
    def write() -> None:
        with (tmp_path / "daemon.log").open("a") as log:
            log.write("d 3\n")

    found = followed(AllLogs(files, lambda: INSIDE, read), ["gateway", "daemon"], 2, write)

    assert sorted(found) == ["daemon: d 3", "gateway: new"]


def test_without_containers_files_are_followed(files: Logs, tmp_path: Path) -> None:
    def write() -> None:
        with (tmp_path / "daemon.log").open("a") as log:
            log.write("d 3\n")

    assert followed(AllLogs(files, tuple, read), ["daemon"], 1, write) == ["daemon: d 3"]
