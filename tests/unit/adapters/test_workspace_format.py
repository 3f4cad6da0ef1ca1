import fcntl
import json
from pathlib import Path

import pytest

from fakes import project
from frontier.adapters import workspace_format
from frontier.adapters.project_file import ProjectFile
from frontier.adapters.snapshots import Snapshots
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import RefusedError, StorageError, WorkspaceFormatError
from frontier.domain.snapshot import DECLARED

OLD = ".frontier/project/native.json"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def write_first_format(workspace: Workspace) -> None:
    """Write what the version before formats had numbers left behind."""
    saved = workspace.snapshots / "20260101T000000.000000-config-set"
    for folder in (workspace.root, saved / "files"):
        (folder / OLD).parent.mkdir(parents=True)
        (folder / OLD).write_text(project("m:1").to_json())
    (saved / "files" / ".env").write_text("API_PORT=1\n")
    fields = {"id": saved.name, "before": "config set", "files": [".env", OLD]}
    (saved / "snapshot.json").write_text(json.dumps(fields))


def test_a_new_workspace_has_no_format_and_gets_the_present_one(workspace: Workspace) -> None:
    assert workspace_format.found(workspace) is None
    workspace.state.mkdir()

    workspace_format.prepare(workspace, "up")

    assert workspace_format.found(workspace) == workspace_format.FORMAT
    assert (workspace.state / "format").read_text() == "2\n"
    assert workspace_format.note(workspace) == ""


def test_a_newer_format_is_refused_with_both_numbers(workspace: Workspace) -> None:
    workspace.state.mkdir()
    (workspace.state / "format").write_text("3\n")

    with pytest.raises(WorkspaceFormatError, match="has format 3") as caught:
        workspace_format.require_known(workspace)

    assert caught.value.exit_code == 5
    assert "Upgrade" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"two\n", b"\xff\xfe", b"-1"])
def test_a_format_that_is_no_number_is_refused(workspace: Workspace, content: bytes) -> None:
    workspace.state.mkdir()
    (workspace.state / "format").write_bytes(content)

    with pytest.raises(WorkspaceFormatError, match="not the number"):
        workspace_format.require_known(workspace)


def test_an_older_format_is_told_and_not_refused(workspace: Workspace) -> None:
    write_first_format(workspace)

    workspace_format.require_known(workspace)

    assert workspace_format.note(workspace).endswith("frontier start")


def test_nothing_of_an_older_format_is_lost(workspace: Workspace) -> None:
    write_first_format(workspace)

    workspace_format.prepare(workspace, "start")

    assert ProjectFile(workspace.project_file).load() == project("m:1")
    assert not (workspace.root / OLD).exists()
    (snapshot,) = Snapshots(workspace).all()
    assert snapshot.files == (".env", DECLARED)
    workspace.project_file.unlink()
    Snapshots(workspace).restore(snapshot)
    assert ProjectFile(workspace.project_file).load() == project("m:1")
    assert workspace.env_file.read_text() == "API_PORT=1\n"


def test_a_damaged_snapshot_does_not_stop_the_migration(workspace: Workspace) -> None:
    write_first_format(workspace)
    (manifest,) = workspace.snapshots.glob("*/snapshot.json")
    manifest.write_text("")

    workspace_format.prepare(workspace, "start")

    assert workspace_format.found(workspace) == 2


def test_a_daemon_of_the_older_version_must_be_stopped_first(workspace: Workspace) -> None:
    write_first_format(workspace)
    workspace.run.mkdir()
    with (workspace.run / "daemon.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(RefusedError, match="older Frontier") as caught:
            workspace_format.prepare(workspace, "up")
        assert caught.value.hint == "frontier stop && frontier start"
        assert (workspace.root / OLD).exists()

        workspace_format.prepare(workspace, "stop")

    assert workspace.project_file.exists()


def test_a_workspace_that_cannot_be_written_says_so(read_only: Path) -> None:
    with pytest.raises(StorageError):
        workspace_format.prepare(Workspace(read_only), "up")
