from pathlib import Path

import pytest

from frontier.adapters.snapshots import Snapshots
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import NotFoundError, StorageError


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    workspace.config.mkdir()
    workspace.models_yaml.write_text("version: 1\n")
    workspace.env_file.write_text("API_PORT=1\n")
    workspace.env_file.chmod(0o600)
    return workspace


def test_a_restore_brings_back_contents_and_modes_and_removes_what_came_later(
    workspace: Workspace,
) -> None:
    snapshots = Snapshots(workspace)
    before = snapshots.take("config set")
    workspace.env_file.unlink()
    workspace.models_yaml.write_text("broken")
    (workspace.config / "new.yaml").touch()

    snapshots.restore(before)

    assert workspace.env_file.read_text() == "API_PORT=1\n"
    assert workspace.env_file.stat().st_mode & 0o777 == 0o600
    assert workspace.models_yaml.read_text() == "version: 1\n"
    assert not (workspace.config / "new.yaml").exists()


def test_a_snapshot_knows_which_configuration_files_it_would_change(
    workspace: Workspace,
) -> None:
    snapshots = Snapshots(workspace)
    taken = snapshots.take("up")
    assert snapshots.changes(taken) == ()

    workspace.env_file.unlink()
    (workspace.config / "new.yaml").touch()

    assert snapshots.changes(taken) == (".env", "config/new.yaml")


def test_a_killed_restore_is_finished_by_the_next_command(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    before = snapshots.take("up")
    workspace.env_file.write_text("API_PORT=2\n")
    (workspace.state / "restoring").write_text(before.id)

    assert snapshots.recover() == before

    assert workspace.env_file.read_text() == "API_PORT=1\n"
    assert snapshots.recover() is None


def test_snapshots_are_listed_newest_first_and_the_oldest_dropped(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)

    taken = [snapshots.take(f"change {n}") for n in range(22)]

    assert [s.before for s in snapshots.all()] == [s.before for s in reversed(taken[2:])]
    assert len(list(workspace.snapshots.iterdir())) == 20


def test_the_oldest_can_be_restored_although_the_present_is_saved_first(
    workspace: Workspace,
) -> None:
    snapshots = Snapshots(workspace)
    oldest, *_ = [snapshots.take(f"change {n}") for n in range(20)]

    snapshots.take("rollback", keep=oldest.id)
    snapshots.restore(oldest)

    assert oldest in snapshots.all()


def test_a_journal_without_its_snapshot_is_dropped(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    workspace.state.mkdir()
    (workspace.state / "restoring").write_text("gone")

    assert snapshots.recover() is None

    assert not snapshots.is_interrupted


def test_a_damaged_snapshot_is_none(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    taken = snapshots.take("up")
    (workspace.snapshots / taken.id / "snapshot.json").write_text("")

    assert snapshots.all() == ()
    assert snapshots.take("down") == snapshots.all()[0]


def test_a_clock_that_goes_back_does_not_change_the_order(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    taken = snapshots.take("up")
    folder = workspace.snapshots / taken.id
    later = taken.id.replace("20", "29", 1)
    manifest = (folder / "snapshot.json").read_text().replace(taken.id, later)
    (folder / "snapshot.json").write_text(manifest)
    folder.rename(workspace.snapshots / later)

    assert snapshots.take("down").id > later


def test_a_snapshot_is_found_by_the_beginning_of_its_name(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    taken = snapshots.take("up")

    assert snapshots.find(taken.id[:-3]) == taken
    with pytest.raises(NotFoundError, match="no snapshot is called 'x'"):
        snapshots.find("x")


def test_an_empty_workspace_has_an_empty_snapshot(tmp_path: Path) -> None:
    snapshots = Snapshots(Workspace(tmp_path))

    assert snapshots.take("up").files == ()


def test_a_snapshot_that_does_not_fit_leaves_nothing_half_done(full_disk: Path) -> None:
    workspace = Workspace(full_disk)
    workspace.config.mkdir()
    (workspace.config / "big.yaml").write_bytes(b"x" * 1_500_000)
    snapshots = Snapshots(workspace)

    with pytest.raises(StorageError, match="disk is full"):
        snapshots.take("up")

    assert snapshots.all() == ()
    assert list(workspace.snapshots.iterdir()) == []
