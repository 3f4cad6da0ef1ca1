"""The argument that names services, completed from what was brought up."""

from typing import Annotated

import typer

from frontier.cli.session import Session


def _service_names(ctx: typer.Context, incomplete: str) -> list[str]:
    session: Session = ctx.obj or Session()
    declared = session.services.project.load()
    return [n for n in (declared.digests if declared else ()) if n.startswith(incomplete)]


Names = Annotated[
    list[str] | None,
    typer.Argument(help="Services; all if left out.", autocompletion=_service_names),
]
