"""The root command and the one error boundary."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from frontier import __version__
from frontier.cli import output
from frontier.cli.lazy import LazyGroup
from frontier.cli.session import Session
from frontier.domain.errors import FrontierError

app = typer.Typer(
    name="frontier",
    cls=LazyGroup,
    help="Local LLMs as a real service: `frontier up` ends with a streamed token.",
    epilog="Exit codes: 0 done, 1 failed, 2 usage, 3 not found, 4 runtime or engine, 5 refused.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Rich would take two thirds of the time of `frontier --help`
)


_INTERRUPTED = 130  # the shell's code for SIGINT, and Typer's


def _version(value: bool) -> None:
    if value:
        output.line(f"frontier {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option("--workspace", "-w", help="Folder of configuration, models and state."),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Local LLMs as a real service: `frontier up` ends with a streamed token."""
    session: Session = ctx.obj or Session()
    session.services.chosen = workspace
    ctx.obj = session
    for note in session.services.recovery.open_workspace():
        output.note(note, as_json="--json" in sys.argv)


def main() -> None:
    """Run the command line; every failure a reader can act on ends here."""
    session = Session()
    output.escape_what_has_no_code()
    try:
        app(obj=session)
    except FrontierError as error:
        output.fail(error, as_json="--json" in sys.argv, workspace=session.services.chosen)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == _INTERRUPTED and not session.only_reads:
            output.interrupted(has_begun=session.services.has_begun)
        raise
