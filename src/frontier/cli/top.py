"""`frontier top`."""

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from frontier.cli.output import text
from frontier.cli.session import Json, Session
from frontier.cli.top_text import as_text
from frontier.domain.errors import UsageError
from frontier.domain.top import TopView
from frontier.usecases.top import begin, once

if TYPE_CHECKING:
    from frontier.usecases.top import Top


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(top)


def top(
    ctx: typer.Context,
    *,
    interval: Annotated[
        float, typer.Option("--interval", "-i", min=0.5, max=60, help="Seconds between two looks.")
    ] = 2.0,
    is_once: Annotated[
        bool, typer.Option("--once", help="Look for one interval, print, and end.")
    ] = False,
    _json: Json = False,
) -> None:
    """Watch what runs: requests, tokens, models, engines and errors, live.

    Keys: q quits, ? lists the others. With --json it looks once, as with --once.

    Examples:
        frontier top
        frontier top --once
        frontier top --once --json | jq .traffic.tokens_out_per_s
    """
    session: Session = ctx.obj
    session.only_reads = True
    is_once = is_once or session.as_json
    if not (is_once or _has_screen()):
        raise UsageError(
            "there is no terminal to draw in", hint="Once, as text: frontier top --once"
        )
    watched = session.services.top()
    try:
        if is_once:
            session.show(once(watched, interval_s=interval, sleep=time.sleep))
        else:
            _watch(watched, interval)
    finally:
        watched.close()


def _has_screen() -> bool:
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return is_terminal and os.environ.get("TERM", "") not in ("", "dumb")


def _watch(watched: "Top", interval_s: float) -> None:
    first = begin(watched)  # where nothing runs, the screen is left as it is
    from frontier.cli.top_app import TopApp

    screen = TopApp(watched, first, interval_s=interval_s)
    if code := screen.run() or screen.return_code:
        raise typer.Exit(code)


@text.register
def _(view: TopView) -> str:
    return as_text(view)
