"""`frontier test`: the running stack, asked through every API."""

from typing import Annotated

import typer

from frontier.cli.checks import Asked, Ci, Format, Junit, Only, Skip, conclude, look
from frontier.cli.session import Json, Session


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command("test")(run)


def run(
    ctx: typer.Context,
    *,
    model: Annotated[
        str, typer.Option("--model", "-m", help="The model to ask; the first if left out.")
    ] = "",
    output_format: Format = "text",
    ci: Ci = False,
    only: Only = None,
    skip: Skip = None,
    junit: Junit = None,
    _json: Json = False,
) -> None:
    """Ask the running stack through every API, as its users do.

    The gateway, its models, Prometheus and Grafana where they run, completions by the APIs of
    OpenAI, Ollama and Anthropic, streamed and whole, and aider on a throwaway repository where it
    is installed. Ends with 1 where a check failed.

    Examples:
        frontier test
        frontier test --skip aider
        frontier test --only openai --json
    """
    session: Session = ctx.obj
    asked = Asked(
        format=output_format, ci=ci, only=only or (), skip=skip or (), junit=junit
    ).resolved(session)
    checks = session.services.checks.test(model=model)
    conclude(session, look(session, "test", checks, asked), asked)
