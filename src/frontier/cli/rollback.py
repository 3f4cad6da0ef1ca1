"""`frontier rollback`: undo the last change, go back to any snapshot, or to a clean slate."""

import contextlib
from dataclasses import dataclass
from typing import Annotated

import typer

from frontier.cli.output import table, text
from frontier.cli.session import DryRun, Json, Quiet, Session, Yes
from frontier.domain.errors import FrontierError, UsageError
from frontier.domain.snapshot import DECLARED, Snapshot
from frontier.ports import Reporter
from frontier.usecases import snapshots as usecase
from frontier.usecases.change import Change
from frontier.usecases.reset import Reset


@dataclass(frozen=True, slots=True)
class SnapshotList:
    """What `rollback --list` prints, newest first."""

    snapshots: tuple[Snapshot, ...]


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(rollback)


ToReset = Annotated[bool, typer.Option("--reset", help="Back to where it all began; models stay.")]
Volumes = Annotated[
    bool, typer.Option("--volumes", help="With --reset: what Grafana and Prometheus keep, too.")
]
Images = Annotated[
    bool, typer.Option("--images", help="With --reset: the images that Frontier built, too.")
]


def rollback(
    ctx: typer.Context,
    snapshot: Annotated[
        str | None, typer.Argument(help="A snapshot's name or its beginning.")
    ] = None,
    *,
    list_: Annotated[bool, typer.Option("--list", "-l", help="List the snapshots.")] = False,
    to_reset: ToReset = False,
    volumes: Volumes = False,
    images: Images = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Go back to the last other configuration that gave a token, or to any snapshot.

    Models are not touched, and nothing that you made since is removed. What runs is brought to the
    restored configuration.

    Examples:
        frontier config set API_PORT 1 && frontier rollback
        frontier rollback --reset --dry-run
    """
    session: Session = ctx.obj
    if to_reset and snapshot:
        raise UsageError("--reset goes back to no snapshot", hint="Give one of them.")
    if (volumes or images) and not to_reset:
        raise UsageError("--volumes and --images belong to --reset", hint="Add --reset.")
    if list_:
        session.show(SnapshotList(session.services.snapshots.all()))
    elif to_reset:
        _reset(session, volumes=volumes, images=images, yes=yes, dry_run=dry_run)
    else:
        _go_back(session, snapshot, dry_run=dry_run)


def _go_back(session: Session, snapshot: str | None, *, dry_run: bool) -> None:
    services = session.services
    change = services.change_back("rollback", session.reporter)
    if not dry_run:
        services.backups.mend(session.reporter)
        if not snapshot:
            _recover(change, session.reporter)
    with contextlib.nullcontext() if dry_run else services.changing("rollback"):
        result = usecase.rollback(
            snapshot, change=change, prove=services.prove_again, dry_run=dry_run
        )
    session.show(result)


def _recover(change: Change, reporter: Reporter) -> None:
    """Bring back what is declared, if it can be: going back may be what mends it."""
    try:
        change.recover()
    except FrontierError as error:
        reporter.say(f"what is declared cannot be brought back: {error.message}")


def _reset(session: Session, *, volumes: bool, images: bool, yes: bool, dry_run: bool) -> None:
    resetting = session.services.backups.resetting(session.reporter)
    plan = resetting.plan(volumes=volumes, images=images)
    if not dry_run:
        session.confirm(text(plan), yes=yes)
        plan = resetting.reset(volumes=volumes, images=images)
    session.show(plan)


@text.register
def _(result: SnapshotList) -> str:
    if not result.snapshots:
        return "no snapshots yet: commands that change something take one"
    rows = [
        (s.id, s.before, "good" if s.is_good else "", str(len(s.files))) for s in result.snapshots
    ]
    return table(("SNAPSHOT", "BEFORE", "", "FILES"), rows)


@text.register
def _(result: usecase.RolledBack) -> str:
    verb = "went back" if result.applied else "would go back"
    head = f"{verb} to {result.snapshot.id} ({_of(result.snapshot)})"
    changes = result.changes
    parts = (
        ("changed", changes.changed),
        ("added", changes.added),
        ("removed", changes.removed),
        ("made since, left alone", changes.kept),
    )
    lines = [f"  {what}: {', '.join(map(_called, names))}" for what, names in parts if names]
    return "\n".join([f"{head}:", *lines] if lines else [f"{head}: no file differs"])


def _called(path: str) -> str:
    return "what should run" if path == DECLARED else path


@text.register
def _(result: Reset) -> str:
    head = "done:" if result.applied else "would be done:"
    lines = [
        head,
        *(f"  {step}" for step in result.steps),
        *(f"stays: {what}" for what in result.stays),
        *(f"note: {note}" for note in result.notes),
    ]
    if result.applied:
        lines.append(f"the configuration before: frontier backup restore {result.backup}")
        lines.append(f"or, on this machine: frontier rollback {result.snapshot}")
    else:
        lines.append("the configuration is saved before anything else")
    return "\n".join(lines)


def _of(snapshot: Snapshot) -> str:
    good = "a token had come" if snapshot.is_good else ""
    before = "" if snapshot.before == "proof" else f"before `frontier {snapshot.before}`"
    return ", ".join(part for part in (before, good) if part)
