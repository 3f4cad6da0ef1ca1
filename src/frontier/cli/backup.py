"""`frontier backup`: archives of configuration, keys and what services wrote."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer

from frontier.cli.output import size, table, text
from frontier.cli.session import DryRun, Json, Quiet, Session, Yes
from frontier.domain.backup import Backup, Manifest
from frontier.usecases import backups as usecase
from frontier.usecases.restores import Restored

app = typer.Typer(help="Make backups and put them back.", no_args_is_help=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One backup in a list.

    Attributes:
        created: UTC, ISO 8601; "" where the backup cannot be read.
        with_models: The blobs of models are in it.
        problem: Why it cannot be read, "" where it can.
    """

    name: str
    path: str
    size_bytes: int
    created: str
    frontier: str
    host: str
    stack: str
    volumes: tuple[str, ...]
    with_models: bool
    problem: str


@dataclass(frozen=True, slots=True)
class BackupList:
    """What `backup list` prints, newest first."""

    folder: str
    backups: tuple[Row, ...]


def _names(ctx: typer.Context, incomplete: str) -> list[str]:
    session: Session = ctx.obj or Session()
    found = session.services.backups.store.all()
    return [b.name for b in found if b.name.startswith(incomplete)]


Which = Annotated[
    str, typer.Argument(help="A backup's name, or the path of its file.", autocompletion=_names)
]
NoVolumes = Annotated[
    bool, typer.Option("--no-volumes", help="Leave out what Grafana and Prometheus keep.")
]


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Option("--name", help="Its name; the time if left out.")] = "",
    include_models: Annotated[
        bool, typer.Option("--include-models", help="Put the models themselves in, too.")
    ] = False,
    no_volumes: NoVolumes = False,
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Save configuration, keys, stacks and what Grafana and Prometheus keep.

    Models are named with their source and digest. The archive holds keys: only you can read it.

    Examples:
        frontier backup create
        frontier backup create --name before-upgrade --include-models
    """
    session: Session = ctx.obj
    making = session.services.backups.making(session.reporter)
    made = making.create(
        name, with_models=include_models, with_volumes=not no_volumes, dry_run=dry_run
    )
    session.show(made)


@app.command("list")
def list_(ctx: typer.Context, _json: Json = False) -> None:
    """List the backups, newest first.

    Example: frontier backup list
    """
    session: Session = ctx.obj
    store = session.services.backups.store
    session.show(BackupList(str(store.folder), tuple(map(_row, store.all()))))


@app.command()
def show(ctx: typer.Context, backup: Which, _json: Json = False) -> None:
    """Show what is in a backup, by its manifest.

    Example: frontier backup show before-upgrade --json
    """
    session: Session = ctx.obj
    session.show(session.services.backups.store.manifest(backup))


@app.command()
def restore(
    ctx: typer.Context,
    backup: Which,
    *,
    no_volumes: NoVolumes = False,
    pull_models: Annotated[
        bool, typer.Option("--pull-models", help="Download the models that are not here.")
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Put a backup back, all or nothing; `frontier rollback` takes the files back.

    What runs is stopped, and what Grafana and Prometheus keep is replaced: both are asked for. Then
    the restored stack is started and gives a token; if it does not, what ran before runs again.

    Examples:
        frontier backup restore before-upgrade --dry-run
        frontier --workspace ~/new backup restore /media/usb/frontier.tar.gz
    """
    session: Session = ctx.obj
    backups = session.services.backups
    restoring = session.services.restoring(session.reporter)
    plan = restoring.plan(backup, with_volumes=not no_volumes)
    if not dry_run:
        if plan.stopped or plan.replaced:
            session.confirm(text(plan), yes=yes)
        plan = restoring.restore(plan)
        if pull_models:
            plan = backups.pull_missing(plan, session.reporter)
    session.show(plan)
    if pull_models and plan.applied and plan.missing:
        raise typer.Exit(1)


@app.command()
def prune(
    ctx: typer.Context,
    keep_days: Annotated[
        int | None,
        typer.Option("--keep-days", min=0, help="BACKUP_RETENTION_DAYS if left out; 0 keeps all."),
    ] = None,
    dry_run: DryRun = False,
    _json: Json = False,
) -> None:
    """Remove old backups, but never the newest one.

    Example: frontier backup prune --keep-days 14
    """
    session: Session = ctx.obj
    services = session.services
    days = services.settings.backup_retention_days if keep_days is None else keep_days
    session.show(
        usecase.prune(
            store=services.backups.store,
            now=datetime.now(UTC),
            keep_days=days,
            dry_run=dry_run,
        )
    )


def _row(backup: Backup) -> Row:
    manifest = backup.manifest
    return Row(
        name=backup.name,
        path=str(backup.path),
        size_bytes=backup.size_bytes,
        created=manifest.created if manifest else "",
        frontier=manifest.frontier if manifest else "",
        host=manifest.host if manifest else "",
        stack=manifest.stack if manifest else "",
        volumes=tuple(v.name for v in manifest.volumes) if manifest else (),
        with_models=bool(manifest and manifest.included),
        problem=backup.problem,
    )


@text.register
def _(result: usecase.Made) -> str:
    verb = f"wrote {result.path}, {size(result.size_bytes)}" if result.applied else "would write"
    kind = "with" if result.with_models else "by name only:"
    parts = [
        f"{result.files} files" if result.applied else f"configuration and keys to {result.path}",
        *result.volumes,
        *([f"models {kind} {', '.join(result.models)}"] if result.models else []),
    ]
    return "\n".join([f"{verb}: {', '.join(parts)}", *_notes(result.notes)])


@text.register
def _(result: BackupList) -> str:
    if not result.backups:
        return f"no backups in {result.folder} (make one: frontier backup create)"
    rows = [
        (b.name, b.created, size(b.size_bytes), b.stack, "yes" if b.with_models else "", b.problem)
        for b in result.backups
    ]
    return table(("BACKUP", "CREATED", "SIZE", "STACK", "MODELS", ""), rows)


@text.register
def _(result: Manifest) -> str:
    rows = [
        *((f.path, size(f.size_bytes), "file") for f in result.files),
        *((v.name, size(v.size_bytes), "volume") for v in result.volumes),
        *(
            (m.name, size(m.size_bytes), "model" if m.is_included else f"model, from {m.source}")
            for m in result.models
        ),
    ]
    head = f"made {result.created} on {result.host} by Frontier {result.frontier}: {result.root}"
    return "\n".join([head, table(("NAME", "SIZE", "KIND"), rows), *_notes(result.notes)])


@text.register
def _(result: Restored) -> str:
    verb = "restored" if result.applied else "would restore"
    stop = "stopped what ran" if result.applied else "would stop what runs, and start it restored"
    lose = "replaced" if result.applied else "would lose"
    lines = [
        f"{verb} {result.name}, made {result.created} on {result.host}",
        *([stop] if result.stopped else []),
        f"files: {', '.join(result.changes) or 'all as they were'}",
        *([f"data: {', '.join(result.volumes)}"] if result.volumes else []),
        *([f"{lose} what is there: {', '.join(result.replaced)}"] if result.replaced else []),
        *(f"model {m.name} is not here: {m.command}" for m in result.missing),
        *_notes(result.notes),
    ]
    if result.applied:
        lines.append(f"the files before: frontier rollback {result.snapshot}")
        if result.restarted:
            lines.append(f"{result.stack} runs" + (", and gave a token" if result.answer else ""))
        else:
            lines.append("start it: frontier up" if result.stack else "begin with: frontier up")
    return "\n".join(lines)


@text.register
def _(result: usecase.Pruned) -> str:
    verb = "removed" if result.applied else "would remove"
    if not result.removed:
        return f"nothing is older than {result.keep_days} days" if result.keep_days else "kept all"
    return "\n".join(f"{verb} {name}" for name in result.removed)


def _notes(notes: tuple[str, ...]) -> list[str]:
    return [f"note: {note}" for note in notes]
