"""Route files that change under a running gateway; the clock is the test's."""

import os
from pathlib import Path

import pytest

from frontier.gateway.clock import Clock
from frontier.gateway.core import Core
from frontier.gateway.json_log import JsonLog
from frontier.gateway.reload import Reloader
from frontier.gateway.route_table import build, load_sources


def one(name: str) -> str:
    return f"version: 1\nmodels: [{{name: {name}, backend: vllm}}]\n"


class Files:
    """A generated and a user's file, and the gateway's part that reads them."""

    def __init__(self, folder: Path) -> None:
        self.generated, self.users = folder / "routes.yaml", folder / "models.yaml"
        self.generated.write_text(one("a"))
        self.users.write_text(one("b"))
        self.clock = Clock()
        sources = load_sources([self.generated, self.users])
        log = JsonLog(os.open(os.devnull, os.O_WRONLY))
        table = build(sources)
        self.core = Core(table=table, max_body_bytes=1, log=log, clock=self.clock)
        self.events: list[str] = []
        self.core.event = lambda event, **_: self.events.append(event)  # type: ignore[method-assign]
        self.reloader = Reloader(self.core, sources)

    @property
    def models(self) -> list[str]:
        return [target.name for target in self.core.table.targets]

    def write(self, path: Path, text: str) -> None:
        beside = path.with_suffix(".new")
        beside.write_text(text)
        beside.replace(path)

    def check(self, count: int = 1) -> None:
        for _ in range(count):
            self.reloader.check()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_changed_file_is_in_force_at_the_next_look(files: Files) -> None:
    files.check()
    files.write(files.generated, one("c"))
    files.check(3)

    assert files.models == ["c", "b"]
    assert files.events == ["config_loaded"]


def test_a_change_between_loading_and_the_first_look_is_seen(files: Files) -> None:
    files.write(files.users, one("c"))
    files.check()

    assert files.models == ["a", "c"]


def test_a_wrong_file_stays_as_it_was_and_keeps_no_other_out(files: Files) -> None:
    files.check()
    files.write(files.users, "version: 1\nmodels: [{")
    files.check(3)
    files.write(files.generated, one("c"))
    files.check(3)

    assert files.models == ["c", "b"]
    assert files.core.config_error.startswith(f"{files.users}:3: not YAML")
    assert list(files.core.rejected) == [str(files.users)]
    assert files.events == ["config_rejected", "config_loaded"]
    assert files.core.metrics.reload_failures == 1

    files.write(files.users, one("d"))
    files.check()
    assert files.models == ["c", "d"]
    assert (files.core.config_error, files.core.rejected) == ("", {})


def test_going_back_to_what_was_in_force_clears_the_complaint(files: Files) -> None:
    files.check()
    files.write(files.users, "nonsense")
    files.check()
    files.write(files.users, one("b"))
    files.check()

    assert files.core.config_error == ""
    assert files.events == ["config_rejected", "config_loaded"]


def test_two_wrong_files_are_both_told(files: Files) -> None:
    files.write(files.users, "x")
    files.write(files.generated, "y")
    files.check()

    assert str(files.users) in files.core.config_error
    assert str(files.generated) in files.core.config_error
    assert files.models == ["a", "b"]


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_file_that_is_empty_for_a_moment_is_not_believed(files: Files, is_gone: bool) -> None:
    """As editors leave it between two steps of saving."""
    files.check()
    if is_gone:
        files.users.unlink()
    else:
        files.users.write_text("")
    files.check()
    during = files.models
    files.users.write_text(one("d"))
    files.check()

    assert during == ["a", "b"]
    assert files.models == ["a", "d"]
    assert files.events == ["config_loaded"]


def test_a_file_that_stays_away_is_believed(files: Files) -> None:
    files.check()
    files.users.unlink()
    files.check(2)

    assert files.models == ["a"]


def test_a_change_that_the_time_stamps_do_not_show_is_seen_in_seconds(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frontier.gateway.reload.marks", lambda paths: ())
    files.check()
    files.users.write_text(one("c"))
    files.check()
    before = files.models
    files.clock.now += 3
    files.check()

    assert before == ["a", "b"]
    assert files.models == ["a", "c"]


def test_a_file_that_cannot_be_read_is_told_once_and_read_when_it_can(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.check()
    files.users.unlink()
    files.users.mkdir()
    files.check()
    files.clock.now += 3
    files.check(2)
    files.users.rmdir()
    files.users.write_text(one("c"))
    files.check()

    assert files.events == ["config_rejected", "config_loaded"]
    assert files.models == ["a", "c"]


def test_an_unchanged_file_that_is_touched_changes_nothing(files: Files) -> None:
    files.check()
    os.utime(files.users)
    files.check()

    assert files.events == []
