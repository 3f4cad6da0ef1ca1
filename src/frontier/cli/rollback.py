"""`frontier rollback`: undo the last change, or go back to any snapshot."""

import contextlib
from dataclasses import dataclass
from typing import Annotated

import typer

from frontier.cli.output import table, text
from frontier.cli.session import DryRun, Json, Session
from frontier.domain.snapshot import Snapshot
from frontier.usecases import snapshots as usecase


@dataclass(frozen=True, slots=True)
class SnapshotList:
    """What `rollback --list` prints, newest first."""

    snapshots: tuple[Snapshot, ...]


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(rollback)


def rollback(
    ctx: typer.Context,
    snapshot: Annotated[
        str | None, typer.Argument(help="A snapshot's name or its beginning.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", "-l", help="List the snapshots.")] = False,
    dry_run: DryRun = False,
    _json: Json = False,
) -> None:
    """Go back to the last configuration that was another one, or to any snapshot.

    Models are not touched. What runs is brought to the restored configuration.

    Example: frontier config set API_PORT 1 && frontier rollback
    """
    session: Session = ctx.obj
    services = session.services
    if list_:
        session.show(SnapshotList(services.snapshots.all()))
        return
    with contextlib.nullcontext() if dry_run else services.changing("rollback"):
        result = usecase.rollback(
            snapshot,
            snapshots=services.snapshots,
            project=services.project,
            runtime=services.runtime,
            reporter=session.reporter,
            dry_run=dry_run,
        )
    session.show(result)


@text.register
def _(result: SnapshotList) -> str:
    if not result.snapshots:
        return "no snapshots yet: commands that change something take one"
    rows = [(s.id, s.before, str(len(s.files))) for s in result.snapshots]
    return table(("SNAPSHOT", "BEFORE", "FILES"), rows)


@text.register
def _(result: usecase.RolledBack) -> str:
    verb = "went back" if result.applied else "would go back"
    files = ", ".join(result.changes) or "no configuration file"
    return (
        f"{verb} to {result.snapshot.id} (before `frontier {result.snapshot.before}`): "
        f"{files} restored"
    )
