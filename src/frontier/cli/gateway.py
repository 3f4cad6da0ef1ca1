"""`frontier gateway`: the gateway by itself, in front of engines that run elsewhere."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from frontier.cli.session import Session

app = typer.Typer(help="The gateway by itself.", no_args_is_help=True)


@app.callback()
def gateway() -> None:
    """The gateway by itself."""


@app.command()
def serve(
    ctx: typer.Context,
    config: Annotated[
        list[Path] | None,
        typer.Option("--config", "-c", help="Routing file, repeatable; config/models.yaml."),
    ] = None,
) -> None:
    """Serve the models of routing files in the foreground until SIGTERM.

    Listens on BIND_ADDRESS, API_PORT and GATEWAY_PORT; asks for API_KEY where it is set.

    Example: frontier gateway serve --config config/models.yaml
    """
    session: Session = ctx.obj
    arguments = session.services.access.foreground(tuple(config or ()))
    # the gateway replaces this process: signals and memory are its own
    os.execv(sys.executable, [sys.executable, "-m", "frontier.gateway", *arguments])  # noqa: S606


@app.command()
def openapi() -> None:
    """Print what the gateway serves, as OpenAPI 3.1 in JSON; a running one has it at /openapi.json.

    Example: frontier gateway openapi > openapi.json
    """
    # the two entry points are strangers: neither imports the other
    os.execv(sys.executable, [sys.executable, "-m", "frontier.gateway", "--openapi"])  # noqa: S606
