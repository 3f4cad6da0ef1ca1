"""`frontier daemon run`: what `up` starts in the background; hidden, for service managers."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(hidden=True, help="The native runtime's supervisor.")


@app.callback()
def daemon() -> None:
    """The native runtime's supervisor."""


@app.command()
def run(
    workspace: Annotated[Path, typer.Option("--workspace", help="Folder of the stack.")],
) -> None:
    """Supervise the services of a workspace in the foreground until SIGTERM."""
    # imported late, and nothing else of Frontier with it: the daemon stays small
    from frontier.adapters import native_daemon
    from frontier.adapters.workspace import Workspace

    raise typer.Exit(native_daemon.run(Workspace(workspace.absolute())))


if __name__ == "__main__":
    app()
