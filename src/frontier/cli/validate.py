"""`frontier validate`: whether the workspace and what runs in it are sound."""

from typing import Annotated

import typer

from frontier.cli.checks import (
    Asked,
    Ci,
    FixDryRun,
    Format,
    Junit,
    MayFix,
    Only,
    Skip,
    conclude,
    look,
)
from frontier.cli.session import Json, Session


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(validate)


def validate(
    ctx: typer.Context,
    *,
    output_format: Format = "text",
    ci: Ci = False,
    only: Only = None,
    skip: Skip = None,
    running: Annotated[
        bool, typer.Option("--running", help="Fail where nothing runs, too.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Hash every stored model again; takes time.")
    ] = False,
    fix: MayFix = False,
    dry_run: FixDryRun = False,
    junit: Junit = None,
    _json: Json = False,
) -> None:
    """Check the workspace and what runs in it.

    Structure, settings, stacks, models, keys, routes, drift of the rendered project, Docker where
    it is part of it, and the services and APIs of what runs. What is wrong is shown with the
    command that mends it. Ends with 1 where a check failed; a warning fails nothing.

    Examples:
        frontier validate
        frontier validate --only settings --only models.present
        frontier validate --ci --format junit > report.xml
        frontier validate --fix --dry-run
    """
    session: Session = ctx.obj
    asked = Asked(
        format=output_format,
        ci=ci,
        only=only or (),
        skip=skip or (),
        fix=fix,
        dry_run=dry_run,
        junit=junit,
    ).resolved(session)
    checks = session.services.checks.validate(must_run=running, deep=deep)
    conclude(session, look(session, "validate", checks, asked), asked)
