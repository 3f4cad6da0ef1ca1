"""Going back: the workspace's files and what runs, to what a snapshot holds."""

from dataclasses import dataclass

from frontier.domain.errors import FrontierError, NotFoundError
from frontier.domain.snapshot import Snapshot
from frontier.ports import ProjectFile, Reporter, Runtime, SnapshotStore


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """What `rollback` did, or would do.

    Attributes:
        changes: Configuration files that differ between now and the snapshot.
        restarted: Something ran, and follows the restored project.
    """

    snapshot: Snapshot
    changes: tuple[str, ...]
    restarted: bool
    applied: bool


def rollback(
    snapshot_id: str | None,
    *,
    snapshots: SnapshotStore,
    project: ProjectFile,
    runtime: Runtime,
    reporter: Reporter,
    dry_run: bool = False,
) -> RolledBack:
    """Restore *snapshot_id*, the last configuration that was another one when None.

    What runs follows the restored project. The present state is saved first, so a rollback can
    be rolled back by the name of that snapshot.

    Raises:
        NotFoundError: there is no such snapshot.
        RuntimeFailedError: the restored project does not start; what ran before runs again.
    """
    snapshot = snapshots.find(snapshot_id) if snapshot_id else _newest(snapshots)
    changes = snapshots.changes(snapshot)
    running = runtime.state() is not None
    if not dry_run:
        present = snapshots.take("rollback", keep=snapshot.id)
        snapshots.restore(snapshot)
        if running:
            _follow_or_return(present, snapshots, project, runtime, reporter)
    return RolledBack(snapshot=snapshot, changes=changes, restarted=running, applied=not dry_run)


def _newest(snapshots: SnapshotStore) -> Snapshot:
    """Return the newest snapshot of another configuration; a rollback itself is not undone."""
    for snapshot in snapshots.all():
        if snapshot.before != "rollback" and snapshots.changes(snapshot):
            return snapshot
    raise NotFoundError(
        "there is no earlier configuration to go back to",
        hint="`frontier rollback --list` names every snapshot; any can be restored by its name.",
    )


def _follow_or_return(
    present: Snapshot,
    snapshots: SnapshotStore,
    project: ProjectFile,
    runtime: Runtime,
    reporter: Reporter,
) -> None:
    try:
        _follow(project, runtime, reporter)
    except (FrontierError, KeyboardInterrupt):
        reporter.say("the restored project does not start: going back to what ran before")
        snapshots.restore(present)
        _follow(project, runtime, reporter)
        raise


def _follow(project: ProjectFile, runtime: Runtime, reporter: Reporter) -> None:
    restored = project.load()
    if restored is None:
        runtime.stop(reporter)
    else:
        runtime.apply(restored)
        runtime.wait_ready(restored, reporter)
