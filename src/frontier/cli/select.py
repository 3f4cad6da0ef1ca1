"""`frontier stack select` and `current`: which stack `start` and `up` mean."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import typer

from frontier.bootstrap import Services
from frontier.cli.lifecycle import bring_up
from frontier.cli.output import text
from frontier.cli.session import DryRun, Json, Quiet, Session
from frontier.domain.errors import UsageError
from frontier.usecases.up import StackUp


@dataclass(frozen=True, slots=True)
class Selected:
    """What `stack select` did, or would do, where nothing runs."""

    stack: str
    before: str
    applied: bool


@dataclass(frozen=True, slots=True)
class Current:
    """What `stack current` prints.

    Attributes:
        stack: What `start` starts.
        running: What runs, "" for nothing.
    """

    stack: str
    running: str


def register(app: typer.Typer) -> None:
    """Add the commands to the group ``stack``."""
    app.command()(current)
    app.command()(select)


def _names(ctx: typer.Context, incomplete: str) -> list[str]:
    session: Session = ctx.obj or Session()
    return [name for name in session.services.stacks.names() if name.startswith(incomplete)]


def current(ctx: typer.Context, _json: Json = False) -> None:
    """Print the selected stack, and what runs where that is another one.

    Example: frontier stack current
    """
    session: Session = ctx.obj
    services = session.services
    running = services.running.project
    selected = services.asking_again().settings.current_stack
    session.show(Current(selected, running.stack if running else ""))


def select(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A stack.", autocompletion=_names)],
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Choose the stack that `frontier start` starts; where one runs, exchange it.

    The new engine is started and gives a token before any request goes there. Until then the old
    one answers, or requests wait where memory holds only one of both. If the new one fails, the old
    one goes on.

    Examples:
        frontier stack select mistral && frontier start
        frontier stack select vllm --dry-run
    """
    session: Session = ctx.obj
    services = session.services
    services.stacks.load(name)
    _require_effect(services, name)

    def begin(asked: Services) -> Selected | StackUp:
        if not dry_run:
            asked.backups.mend(session.reporter)
        if asked.runtime.state() is None:
            return _note(asked, name, services.asking_again().settings.current_stack, dry_run)
        return bring_up(session, asked, f"stack select {name}", dry_run=dry_run, fetch=False)

    session.show(session.planned(partial(services.asking_again, select=name), begin))


def _note(services: Services, name: str, before: str, dry_run: bool) -> Selected:
    """Select a stack while nothing runs; one that cannot be rendered is refused."""
    services.previewing().containers.check(services.stacks.load(name))
    if not dry_run:
        services.recovery.select(name)
    return Selected(name, before, applied=not dry_run)


def _require_effect(services: Services, name: str) -> None:
    """Refuse where the environment says another stack: it has precedence over .env."""
    setting = services.configuration.get("CURRENT_STACK")
    if setting.origin == "environment" and setting.value != name:
        raise UsageError(
            f"the environment says CURRENT_STACK={setting.value}, and it has precedence",
            hint=f"unset CURRENT_STACK && frontier stack select {name}",
        )


@text.register
def _(result: Selected) -> str:
    verb = "selected" if result.applied else "would select"
    before = f" (was {result.before})" if result.before != result.stack else ""
    return f"{verb} {result.stack}{before}; start it: frontier start"


@text.register
def _(result: Current) -> str:
    if result.running in ("", result.stack):
        return f"{result.stack}, {'running' if result.running else 'not running'}"
    return f"{result.stack}, not running; {result.running} runs"
