"""Going back: the workspace's files and what runs, to what a snapshot holds."""

from dataclasses import dataclass

from frontier.domain.errors import FrontierError, NotFoundError
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
        RuntimeFailedError: the restored project does not start; what ran before runs again.
    """
    snapshot = snapshots.find(snapshot_id) if snapshot_id else _newest(snapshots)
    running = runtime.state() is not None
    if not dry_run:
        present = snapshots.take("rollback", keep=snapshot.id)
        snapshots.restore(snapshot)
        if running:
            _follow_or_return(present, snapshots, project, runtime, reporter)
    return RolledBack(snapshot=snapshot, restarted=running, applied=not dry_run)


def _newest(snapshots: SnapshotStore) -> Snapshot:
    if found := snapshots.all():
        return found[0]
    raise NotFoundError("there is no snapshot yet", hint="Commands that change something take one.")


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
