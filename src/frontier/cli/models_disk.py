"""`frontier models import` and `df`: what is on the disk already, and what takes space there."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from frontier.cli.output import size, table, text
from frontier.cli.session import DryRun, Json, Quiet, Session
from frontier.domain.errors import UsageError
from frontier.domain.usage import DiskUse
from frontier.ports import ModelKeeper
from frontier.usecases import model_import


def register(app: typer.Typer) -> None:
    """Add the commands to *app*."""
    app.command("import")(import_)
    app.command()(df)


def _theirs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return what other programs have, for shell completion."""
    session: Session = ctx.obj or Session()
    names = [model.name for keeper in session.services.models.keepers for model in keeper.models()]
    return [name for name in names if name.startswith(incomplete)]


def import_(  # noqa: PLR0917 options, which Typer passes by name
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(help="What the other program calls them.", autocompletion=_theirs),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that can be had.")] = False,
    folder: Annotated[
        Path | None,
        typer.Option(help="Another store or folder of GGUF files.", exists=True, file_okay=False),
    ] = None,
    stored_as: Annotated[str, typer.Option("--name", help="Name it gets here.")] = "",
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Take models that Ollama, LM Studio or the hub's cache have, without copying their bytes.

    Without names it lists what there is. A file gets a second name on the same disk (a hard link,
    or a reflink); on another disk it is left out, and the command that copies it is told.

    Examples:
        frontier models import
        frontier models import llama3.2:3b
        frontier models import --all --dry-run
        frontier models import --folder /mnt/models --all
    """
    session: Session = ctx.obj
    models = session.services.models
    keepers = models.keepers if folder is None else (_keeper_at(folder),)
    if not names and not everything:
        session.show(model_import.importable(keepers, store=models.store))
        return
    if names and everything:
        raise UsageError("names and --all contradict each other", hint="Give one of both.")
    if stored_as and len(names or ()) != 1:
        raise UsageError("--name is for one model", hint="frontier models import MODEL --name NAME")
    if not dry_run:
        models.begin()
    session.show(
        model_import.import_models(
            names or (),
            keepers,
            store=models.store,
            reporter=session.reporter,
            stored_as=stored_as,
            dry_run=dry_run,
        )
    )


def df(ctx: typer.Context, _json: Json = False) -> None:
    """Show what takes space in the workspace, and what is free.

    Example: frontier models df
    """
    session: Session = ctx.obj
    session.show(session.services.models.disk_use())


def _keeper_at(folder: Path) -> ModelKeeper:
    from frontier.adapters.model_keepers import keeper_at

    return keeper_at(folder.absolute())


@text.register
def _(result: model_import.ImportList) -> str:
    if not result.models:
        places = "".join(f"\n  {place}" for place in result.places)
        return "no other program on this machine has models" + (
            f"; looked into:{places}" if places else ""
        )
    rows = [
        (item.model.name, size(item.model.size_bytes), item.model.keeper, item.state, _here(item))
        for item in result.models
    ]
    hint = "frontier models import NAME, or --all"
    head = ("NAME", "SIZE", "OF", "STATE", "NAME HERE")
    return "\n".join([table(head, rows), "", hint])


@text.register
def _(result: model_import.Imported) -> str:
    verb = "imported" if result.applied else "would import"
    rows: list[str] = []
    for item in result.models:
        if item.how == "here already":
            rows.append(f"here already: {item.name}")
        elif item.how:
            rows.append(f"{verb} {item.name}  {size(item.model.size_bytes)}  {item.how}")
        else:
            rows.append(f"left out {item.model.name}: {item.reason}{_copying(item)}")
    return "\n".join(rows) or "nothing to import"


def _here(item: model_import.Importable) -> str:
    return item.name if item.model.is_gguf else ""


def _copying(item: model_import.ImportedModel) -> str:
    if item.reason != "other disk":
        return ""
    command = ["frontier", "models", "pull", f"file:{item.model.path}", "--name", item.name]
    return f"; to copy it: {shlex.join(command)}"


@text.register
def _(result: DiskUse) -> str:
    rows = [
        (place.what, size(place.size_bytes), f"{place.files:,}", place.path, place.free_with)
        for place in result.places
    ]
    rows.append(("all", size(result.size_bytes), "", "", ""))
    lines = [table(("WHAT", "SIZE", "FILES", "WHERE", "FREE IT WITH"), rows), ""]
    if result.unused_bytes:
        lines.append(
            f"{size(result.unused_bytes)} of models mean no name: the next pull or rm frees them"
        )
    if shared := sum(place.shared_bytes for place in result.places):
        lines.append(f"{size(shared)} have a second name elsewhere (hard links) and count once")
    lines.append(f"{size(result.free_bytes)} of {size(result.total_bytes)} are free on this disk")
    return "\n".join(lines)
