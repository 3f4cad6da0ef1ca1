import json
from pathlib import Path

import pytest

from fakes import project
from frontier.adapters.snapshots import Snapshots
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import NotFoundError, StorageError
from frontier.domain.snapshot import DECLARED, FileChanges, Snapshot


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    workspace.config.mkdir()
    workspace.models_yaml.write_text("version: 1\n")
    workspace.env_file.write_text("API_PORT=1\n")
    workspace.env_file.chmod(0o600)
    return workspace


def change(workspace: Workspace, number: int) -> Snapshot:
    """Take a snapshot and change something."""
    taken = Snapshots(workspace).take(f"change {number}")
    workspace.env_file.write_text(f"API_PORT={number + 2}\n")
    return taken


def declare(workspace: Workspace, model: str, generation: int = 0) -> None:
    workspace.project_file.parent.mkdir(parents=True, exist_ok=True)
    declared = project(model).with_generations({"llamacpp": generation})
    workspace.project_file.write_text(declared.to_json())


def test_a_restore_brings_back_contents_and_modes_and_leaves_what_a_person_made(
    workspace: Workspace,
) -> None:
    snapshots = Snapshots(workspace)
    before = snapshots.take("config set")
    workspace.env_file.unlink()
    workspace.models_yaml.write_text("broken")
    own = workspace.stacks / "mine" / "stack.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("schema: 1\n")

    snapshots.restore(before)

    assert workspace.env_file.read_text() == "API_PORT=1\n"
    assert workspace.env_file.stat().st_mode & 0o777 == 0o600
    assert workspace.models_yaml.read_text() == "version: 1\n"
    assert own.read_text() == "schema: 1\n"


def test_a_restore_removes_what_frontier_wrote_later(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    snapshots = Snapshots(workspace)
    before = snapshots.take("config set")
    workspace.config.mkdir()
    lock = workspace.config / "images.lock.yaml"
    for path in (workspace.env_file, lock):
        path.touch()
    declare(workspace, "m:1")

    snapshots.restore(before)

    for path in (workspace.env_file, lock, workspace.project_file):
        assert not path.exists()


def test_what_a_restore_brought_back_goes_again_with_its_empty_folder(
    workspace: Workspace,
) -> None:
    snapshots = Snapshots(workspace)
    own = workspace.stacks / "mine" / "stack.yaml"
    own.parent.mkdir(parents=True)
    own.touch()
    before = snapshots.take("config set")
    own.unlink()
    own.parent.rmdir()
    saved = snapshots.take("rollback")
    snapshots.restore(before)
    assert own.exists()

    snapshots.restore(saved, removing={"stacks/mine/stack.yaml"})

    assert not own.parent.exists()
    assert workspace.stacks.is_dir()


def test_a_snapshot_knows_what_it_would_change_add_remove_and_leave(
    workspace: Workspace,
) -> None:
    snapshots = Snapshots(workspace)
    taken = snapshots.take("up")
    assert not snapshots.changes(taken)

    (workspace.config / "new.yaml").touch()
    assert not snapshots.changes(taken)

    workspace.env_file.unlink()
    workspace.models_yaml.write_text("broken")
    declare(workspace, "m:1")

    assert snapshots.changes(taken) == FileChanges(
        changed=("config/models.yaml",),
        added=(".env",),
        removed=(DECLARED,),
        kept=("config/new.yaml",),
    )


def test_a_restore_of_an_older_frontier_that_was_killed_is_finished(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    before = snapshots.take("up")
    workspace.env_file.write_text("API_PORT=2\n")
    (workspace.state / "restoring").write_text(before.id)

    assert snapshots.recover() == before.id

    assert workspace.env_file.read_text() == "API_PORT=1\n"
    assert snapshots.recover() == ""


def test_snapshots_are_listed_newest_first_and_the_oldest_dropped(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)

    taken = [change(workspace, n) for n in range(22)]

    assert [s.before for s in snapshots.all()] == [s.before for s in reversed(taken[2:])]
    assert len(list(workspace.snapshots.iterdir())) == 20


def test_the_oldest_can_be_restored_although_the_present_is_saved_first(
    workspace: Workspace,
) -> None:
    snapshots = Snapshots(workspace)
    oldest, *_ = [change(workspace, n) for n in range(20)]

    snapshots.take("rollback", keep=oldest.id)
    snapshots.restore(oldest)

    assert oldest in snapshots.all()


def test_a_journal_without_its_snapshot_is_dropped(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    workspace.state.mkdir()
    (workspace.state / "restoring").write_text("gone")

    assert snapshots.recover() == ""

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

    workspace.env_file.unlink()

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


def test_a_command_that_changed_nothing_pushes_no_old_snapshot_out(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    taken = snapshots.take("config set")

    again = [snapshots.take("up") for _ in range(30)]

    assert set(again) == {taken}
    assert snapshots.all() == (taken,)


def test_a_rollback_has_a_snapshot_of_its_own_although_nothing_changed(
    workspace: Workspace,
) -> None:
    snapshots = Snapshots(workspace)
    snapshots.take("rollback")

    snapshots.take("config set")

    assert [s.before for s in snapshots.all()] == ["config set", "rollback"]


def test_the_present_state_is_marked_good_once(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)

    snapshots.mark_good()
    snapshots.mark_good()

    (marked,) = snapshots.all()
    assert marked.is_good
    assert marked.before == "proof"


def test_what_a_command_finds_good_stays_good_in_its_snapshot(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    snapshots.mark_good()
    change(workspace, 1)
    snapshots.take("up")
    workspace.env_file.write_text("API_PORT=1\n")

    assert snapshots.take("config set").is_good
    assert [s.is_good for s in snapshots.all()] == [True, False, True]


def test_the_last_good_one_is_never_dropped(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    snapshots.mark_good()
    (good,) = snapshots.all()

    for number in range(25):
        change(workspace, number + 10)

    assert [s for s in snapshots.all() if s.is_good][-1].id == good.id
    assert len(snapshots.all()) == 21


def test_another_project_is_a_change_but_a_restart_is_none(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    declare(workspace, "m:1")
    taken = snapshots.take("up")

    declare(workspace, "m:1", generation=3)
    assert not snapshots.changes(taken)

    declare(workspace, "m:2")
    assert snapshots.changes(taken) == FileChanges(changed=(DECLARED,))


def test_a_damaged_project_is_saved_as_it_is(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    declare(workspace, "m:1")
    workspace.project_file.write_text("{")

    taken = snapshots.take("up")
    workspace.project_file.unlink()
    snapshots.restore(taken)

    assert workspace.project_file.read_text() == "{"


def test_own_stacks_are_part_of_a_snapshot(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    own = workspace.stacks / "mine" / "stack.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("schema: 1\n")
    taken = snapshots.take("stack lock")
    own.write_text("schema: 2\n")

    snapshots.restore(taken)

    assert own.read_text() == "schema: 1\n"


def test_a_snapshot_from_before_stacks_were_saved_leaves_them_alone(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    taken = snapshots.take("up")
    manifest = workspace.snapshots / taken.id / "snapshot.json"
    fields = {k: v for k, v in json.loads(manifest.read_text()).items() if k != "scopes"}
    manifest.write_text(json.dumps(fields))
    own = workspace.stacks / "mine" / "stack.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("schema: 1\n")

    snapshots.restore(snapshots.find(taken.id))

    assert own.exists()


def test_a_reset_leaves_routes_and_stacks_and_drops_settings_and_project(
    workspace: Workspace,
) -> None:
    snapshots = Snapshots(workspace)
    declare(workspace, "m:1")
    taken = snapshots.take("rollback --reset")

    snapshots.reset(taken)

    assert workspace.models_yaml.exists()
    assert not workspace.env_file.exists()
    assert not workspace.project_file.exists()
    assert snapshots.changes(taken) == FileChanges(added=(".env", DECLARED))


def test_a_snapshot_that_is_not_whole_changes_nothing(workspace: Workspace) -> None:
    snapshots = Snapshots(workspace)
    taken = snapshots.take("up")
    (workspace.snapshots / taken.id / "files" / "config" / "models.yaml").unlink()
    workspace.env_file.write_text("API_PORT=2\n")

    with pytest.raises(StorageError, match=r"is damaged: models\.yaml"):
        snapshots.restore(taken)

    assert workspace.env_file.read_text() == "API_PORT=2\n"
    assert not snapshots.is_interrupted
    assert not (workspace.state / "staged").exists()


def test_what_a_killed_command_left_among_the_snapshots_goes(workspace: Workspace) -> None:
    left = workspace.snapshots / ".tmpabc"
    left.mkdir(parents=True)

    Snapshots(workspace).take("up")

    assert not left.exists()


def test_a_restore_that_does_not_fit_changes_nothing(full_disk: Path) -> None:
    workspace = Workspace(full_disk)
    workspace.config.mkdir()
    (workspace.config / "big.yaml").write_bytes(b"x" * 500_000)
    snapshots = Snapshots(workspace)
    taken = snapshots.take("up")
    (workspace.config / "big.yaml").write_bytes(b"y" * 500_000)
    (full_disk / "filler").write_bytes(b"z" * 700_000)

    with pytest.raises(StorageError, match="disk is full"):
        snapshots.restore(taken)

    assert (workspace.config / "big.yaml").read_bytes()[:1] == b"y"
    assert not snapshots.is_interrupted
