"""An ordinary user: everything works in a folder of theirs, and one clear error tells elsewhere."""

import json
import os
from pathlib import Path

import pytest

from frontier_cli import Frontier
from other_user import NOBODY, give_away, run_as

WRITING = (
    ("up", "--runtime", "native"),
    ("models", "pull", "smollm2:135m"),
    ("config", "set", "CACHE_SIZE", "7"),
    ("stack", "select", "mistral"),
    ("backup", "create"),
    ("rollback", "--reset", "--yes"),
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def test_an_ordinary_user_starts_asks_and_stops(home: Path, smollm2: Path) -> None:
    identity = give_away(home)
    frontier = Frontier(home / "w", env={"HOME": str(home)})

    def ok(*args: str) -> str:
        done = run_as(identity, frontier, *args)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    up = json.loads(ok("up", "--runtime", "native", "--json"))
    status = json.loads(ok("status", "--json"))
    ok("logs")
    stopped = ok("stop", "--quiet")

    assert up["answer"]["completion_tokens"] > 0
    assert status["state"] == "running"
    assert stopped == "stopped\n"
    owners = {path.stat().st_uid for path in home.rglob("*")}
    assert owners == {NOBODY.pw_uid if identity else os.getuid()}


@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_a_workspace_that_may_not_be_written_is_one_clear_error(
    tmp_path: Path, home: Path, command: tuple[str, ...]
) -> None:
    identity = give_away(home)
    if not identity and os.getuid() == 0:
        pytest.skip("only another user than root can be refused")
    (tmp_path / "theirs").mkdir(mode=0o555)
    frontier = Frontier(tmp_path / "theirs", env={"HOME": str(home)})

    done = run_as(identity, frontier, *command)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") == 1
    assert f"cannot write {tmp_path}/theirs/" in done.stderr
    assert "hint: Choose a folder you own" in done.stderr
    assert not [*(tmp_path / "theirs").iterdir()]


@pytest.mark.parametrize("command", ["status", "stop", "down", "stack list"])
def test_what_writes_nothing_works_where_nothing_may_be_written(
    tmp_path: Path, home: Path, command: str
) -> None:
    identity = give_away(home)
    (tmp_path / "theirs").mkdir(mode=0o555)
    frontier = Frontier(tmp_path / "theirs", env={"HOME": str(home)})

    assert run_as(identity, frontier, *command.split()).returncode == 0


def test_the_doctor_tells_that_nothing_may_be_written(tmp_path: Path, home: Path) -> None:
    identity = give_away(home)
    (tmp_path / "theirs").mkdir(mode=0o555)
    frontier = Frontier(tmp_path / "theirs", env={"HOME": str(home)})

    done = run_as(identity, frontier, "doctor", "--ci", "--only", "workspace.writable")

    assert done.returncode == 1
    assert f"{tmp_path}/theirs: Permission denied" in done.stdout
