"""`frontier config`: every setting, where its value comes from, and how to change it."""

import contextlib
from dataclasses import dataclass
from typing import Annotated

import typer

from frontier.cli.output import table, text
from frontier.cli.session import DryRun, Json, Session
from frontier.domain.errors import FrontierError
from frontier.domain.setting import Setting

app = typer.Typer(help="Show and change settings.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Settings:
    """What `config show` prints."""

    workspace: str
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """One variable before and after.

    Attributes:
        note: Why the new value does nothing, or when it does; empty when nothing runs.
    """

    name: str
    before: str
    after: str
    applied: bool
    note: str = ""


def _names(incomplete: str) -> list[str]:
    from frontier.settings import Settings as Fields

    return [n.upper() for n in Fields.model_fields if n.startswith(incomplete.lower())]


Name = Annotated[str, typer.Argument(help="A variable, such as API_PORT.", autocompletion=_names)]


@app.command()
def show(
    ctx: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Defaults and variables without effect, too.")
    ] = False,
    _json: Json = False,
) -> None:
    """Print the settings in force and where each comes from.

    Without --all: what differs from the defaults, and what is set but has no effect, with
    the reason.

    Example: frontier config show --all
    """
    session: Session = ctx.obj
    found = session.services.configuration.describe()
    if not everything:
        found = tuple(s for s in found if s.origin != "default")
    session.show(Settings(str(session.services.workspace.root), found))


@app.command()
def get(ctx: typer.Context, name: Name, _json: Json = False) -> None:
    """Print one setting's value.

    Example: frontier config get API_PORT
    """
    session: Session = ctx.obj
    session.show(session.services.configuration.get(name))


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    value: Annotated[str, typer.Argument(help="Its new value.")],
    dry_run: DryRun = False,
    _json: Json = False,
) -> None:
    """Write one setting to the workspace's .env; takes effect with the next `frontier start`.

    Example: frontier config set API_PORT 11500
    """
    session: Session = ctx.obj
    services = session.services
    configuration = services.configuration
    before = configuration.written(name) or configuration.default(name)
    after = configuration.check(name, value)
    if not dry_run:
        with services.changing("config set"):
            services.snapshots.take("config set")
            configuration.set(name, value)
    note = configuration.note(name) or later(session)
    session.show(
        Changed(name=name.upper(), before=before, after=after, applied=not dry_run, note=note)
    )


@app.command()
def unset(ctx: typer.Context, name: Name, dry_run: DryRun = False, _json: Json = False) -> None:
    """Remove one setting from the workspace's .env, back to its default.

    Example: frontier config unset API_PORT
    """
    session: Session = ctx.obj
    services = session.services
    configuration = services.configuration
    before = configuration.written(name)
    applied = before is not None and not dry_run
    if applied:
        with services.changing("config unset"):
            services.snapshots.take("config unset")
            configuration.unset(name)
    note = later(session) if before is not None else ""
    session.show(
        Changed(name=name.upper(), before=before or "", after="", applied=applied, note=note)
    )


def later(session: Session) -> str:
    """Return what brings a new value to what runs, "" where nothing does."""
    with contextlib.suppress(FrontierError):  # Docker does not tell
        if session.services.runtime.state():
            return "takes effect with: frontier start"
    return ""


@text.register
def _(result: Settings) -> str:
    if not result.settings:
        return f"{result.workspace}: every setting has its default (--all lists them)"
    rows = [
        (s.name, s.value, s.origin, f"no effect: {s.no_effect}" if s.no_effect else s.description)
        for s in result.settings
    ]
    return table(("NAME", "VALUE", "FROM", ""), rows)


@text.register
def _(result: Setting) -> str:
    return result.value


@text.register
def _(result: Changed) -> str:
    verb = "set" if result.applied else "would set"
    note = f"\nnote: {result.note}" if result.note else ""
    if not result.after:
        if not result.applied and not result.before:
            return f"{result.name} is not set in .env"
        verb = "unset" if result.applied else "would unset"
        return f"{verb} {result.name}{note}"
    return f"{verb} {result.name}={result.after} (was {result.before or 'unset'}){note}"
