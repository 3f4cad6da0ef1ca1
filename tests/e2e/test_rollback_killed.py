"""Rollback, reset, migration and the journal, killed by SIGKILL before every single write."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "killing_state.py"


pytestmark = pytest.mark.timeout(300)  # two hundred processes, each of which is killed


def kill(folder: Path, scenario: str) -> dict[str, Any]:
    """Return how often each state was found, and which one at the end."""
    done = subprocess.run(
        [sys.executable, SCRIPT, folder, scenario],
        env={"PYTHONPATH": str(SCRIPT.parent), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("scenario", "new"), [("rollback", "1"), ("reset", "reset")])
def test_a_killed_rollback_leaves_the_old_state_or_the_new_one(
    tmp_path: Path, scenario: str, new: str
) -> None:
    found = kill(tmp_path, scenario)

    assert found.pop("end") == new
    assert found.pop("whole") > 20
    assert found.keys() == {"2", new}


def test_a_killed_migration_is_finished_by_the_next_command(tmp_path: Path) -> None:
    found = kill(tmp_path, "format")

    assert found["end"] == "format 2"
    assert found["format 1"] >= 5


def test_a_killed_change_is_told_with_what_is_declared(tmp_path: Path) -> None:
    found = kill(tmp_path, "journal")

    assert found.pop("end") == "quiet, new"
    assert found.pop("whole") > 8
    assert found.keys() == {"quiet, old", "told, old", "told, new"}


def test_a_killed_restore_leaves_the_old_state_or_the_new_one_with_its_volumes(
    tmp_path: Path,
) -> None:
    found = kill(tmp_path, "restore")

    assert found.pop("end") == "1, quiet"
    assert found.pop("whole") > 100
    assert found.keys() >= {"2, quiet", "2, told", "1, told"}
    assert {state[0] for state in found} == {"1", "2"}


def test_a_killed_backup_is_whole_or_not_there_and_leaves_no_rubbish(tmp_path: Path) -> None:
    found = kill(tmp_path, "create")

    assert found.pop("end") == "made"
    assert found.pop("whole") > 20
    assert found.keys() == {"none"}
