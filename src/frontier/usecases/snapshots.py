"""Going back: the workspace's files and what runs, to what a snapshot holds."""

from dataclasses import dataclass
from functools import partial

from frontier.domain.chat import Answer
from frontier.domain.errors import NotFoundError
from frontier.domain.snapshot import FileChanges, Snapshot
from frontier.ports import SnapshotStore
from frontier.usecases.change import Change, Prove


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """What `rollback` did, or would do.

    Attributes:
        changes: Of files, the declared project included.
        restarted: Something ran, and followed the restored project.
        answer: The token that it gave; None where nothing runs or no model is declared.
    """

    snapshot: Snapshot
    changes: FileChanges
    restarted: bool
    applied: bool
    answer: Answer | None = None


def rollback(
    snapshot_id: str | None, *, change: Change, prove: Prove, dry_run: bool = False
) -> RolledBack:
    """Restore *snapshot_id*, the last good configuration that is another one when None.

    What a person has made since stays. What runs follows the restored project, and gives a token.
    The present state is saved first, so a rollback can be rolled back by the name of that snapshot.

    Args:
        snapshot_id: Its name or the beginning of it.
        change: Exchanges what runs; the caller holds the workspace's lock.
        prove: Streams a token of the model of that name through the gateway.
        dry_run: Only tell what would change.

    Raises:
        NotFoundError: there is no such snapshot.
        RuntimeFailedError: the restored project does not start; what ran before runs again.
    """
    snapshots = change.snapshots
    snapshot = snapshots.find(snapshot_id) if snapshot_id else last_good(snapshots)
    changes = snapshots.changes(snapshot)
    answer, present = None, change.present()
    if not dry_run:
        saved = snapshots.take("rollback", keep=snapshot.id)
        with change.journal.during("rollback"):
            snapshots.restore(snapshot)
            if present.state:
                added = set(snapshot.files) - set(saved.files)
                undo = partial(snapshots.restore, saved, removing=added)
                answer = change.follow(present, prove, undo)
        if answer:
            snapshots.mark_good()
    return RolledBack(
        snapshot=snapshot,
        changes=changes,
        restarted=present.state is not None and not dry_run,
        applied=not dry_run,
        answer=answer,
    )


def last_good(snapshots: SnapshotStore) -> Snapshot:
    """Return the newest snapshot of another state that streamed a token, or of another state.

    After a rollback only what is older than the present state counts: rolling back again goes
    further back, not forth.

    Raises:
        NotFoundError: there is none.
    """
    found = snapshots.all()
    candidates = [s for s in found if s.before != "rollback"]
    if found and found[0].before == "rollback":
        here = (i for i, s in enumerate(candidates) if not snapshots.changes(s))
        candidates = candidates[next(here, -1) + 1 :]
    others = [s for s in candidates if snapshots.changes(s)]
    good = max((s for s in others if s.is_good), key=lambda s: s.good_at, default=None)
    if chosen := good or next(iter(others), None):
        return chosen
    raise NotFoundError(
        "there is no earlier configuration to go back to",
        hint="`frontier rollback --list` names every snapshot; any can be restored by its name.",
    )
