import os
import subprocess
import sys
from pathlib import Path

import pytest

from frontier.adapters.files import is_locked, last_holder, locked, write_atomic
from frontier.domain.errors import BusyError, StorageError
from waiting import until


def test_a_write_replaces_the_whole_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    write_atomic(target, "old")

    write_atomic(target, b"new", mode=0o600)

    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(target.parent.iterdir()) == [target]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.mkdir()

    with pytest.raises(StorageError, match="cannot write"):
        write_atomic(target, "new")

    assert target.is_dir()
    assert list(tmp_path.iterdir()) == [target]


def test_a_write_below_a_file_says_what_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StorageError, match="file/below"):
        write_atomic(tmp_path / "file" / "below", "x")


def test_a_read_only_folder_is_refused_with_the_way_out(read_only: Path) -> None:
    with pytest.raises(StorageError) as caught:
        write_atomic(read_only / "file", "x")

    assert "--workspace" in caught.value.hint


def test_a_full_disk_is_named_and_the_old_file_kept(full_disk: Path) -> None:
    write_atomic(full_disk / "file", "old")

    with pytest.raises(StorageError, match="disk is full"):
        write_atomic(full_disk / "file", b"x" * 4_000_000)

    assert (full_disk / "file").read_text() == "old"


def test_a_held_lock_tells_who_holds_it_and_for_what(tmp_path: Path) -> None:
    lock = tmp_path / "lock"

    with (
        locked(lock, doing="frontier up"),
        pytest.raises(BusyError) as caught,
        locked(lock, doing="frontier down", wait_s=0.1),
    ):
        pass

    assert f"frontier up (process {os.getpid()})" in caught.value.message
    assert not is_locked(lock)


def test_a_lock_dies_with_its_holder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    script = f"""
from pathlib import Path
from frontier.adapters.files import locked
with locked(Path({str(lock)!r}), doing="x"):
    input()
"""
    holder = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE)
    until(lambda: is_locked(lock), what="the lock to be held")

    holder.kill()
    holder.communicate()

    with locked(lock, doing="y"):
        assert is_locked(lock)


def test_an_absent_lock_is_not_held_and_not_created(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / "lock")
    assert not list(tmp_path.iterdir())


def test_a_lock_tells_whether_somebody_else_has_held_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    assert last_holder(lock) == ""
    with locked(lock, doing="frontier up") as before:
        assert before == ""
    seen = last_holder(lock)

    with locked(lock, doing="frontier up") as before:
        assert before == seen

    assert last_holder(lock) != seen
