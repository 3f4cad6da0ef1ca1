"""Going back: the workspace's files and what runs, to what a snapshot holds."""

from dataclasses import dataclass

from frontier.domain.errors import NotFoundError
from frontier.domain.snapshot import Snapshot
from frontier.ports import ProjectFile, Reporter, Runtime, SnapshotStore


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """What `rollback` did, or would do."""

    snapshot: Snapshot
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
    """Restore *snapshot_id*, the newest when None; what runs follows the restored project.

    The present state is saved first, so a rollback can be rolled back.

    Raises:
        NotFoundError: there is no such snapshot.
    """
    snapshot = snapshots.find(snapshot_id) if snapshot_id else _newest(snapshots)
    running = runtime.state() is not None
    if not dry_run:
        snapshots.take("rollback")
        snapshots.restore(snapshot)
        if running:
            _follow(project, runtime, reporter)
    return RolledBack(snapshot=snapshot, restarted=running, applied=not dry_run)


def _newest(snapshots: SnapshotStore) -> Snapshot:
    if found := snapshots.all():
        return found[0]
    raise NotFoundError("there is no snapshot yet", hint="Commands that change something take one.")


def _follow(project: ProjectFile, runtime: Runtime, reporter: Reporter) -> None:
    restored = project.load()
    if restored is None:
        runtime.stop(reporter)
    else:
        runtime.apply(restored)
        runtime.wait_ready(restored, reporter)
