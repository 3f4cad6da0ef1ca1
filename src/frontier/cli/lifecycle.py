"""`frontier up`, `down`, `start`, `stop`, `restart`, `status` and `logs`."""

import os
import shutil
import sys
import time
from typing import Annotated, Literal

import typer

from frontier.cli import output
from frontier.cli.output import size, table, text
from frontier.cli.progress import Silent
from frontier.cli.session import DryRun, Json, Quiet, Session
from frontier.domain.errors import NotFoundError
from frontier.usecases import lifecycle
from frontier.usecases.up import StackUp


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    for command in (up, down, start, stop, restart, status, logs):
        app.command()(command)


def _stack_names(ctx: typer.Context, incomplete: str) -> list[str]:
    session: Session = ctx.obj or Session()
    return [name for name in session.services.stacks.names() if name.startswith(incomplete)]


def up(
    ctx: typer.Context,
    stack: Annotated[
        str | None,
        typer.Argument(help="A stack; CURRENT_STACK if left out.", autocompletion=_stack_names),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="A catalog name or source; see `models`.")
    ] = None,
    runtime: Annotated[
        Literal["auto", "native"] | None,
        typer.Option("--runtime", help="What runs the services; `auto` decides and says why."),
    ] = None,
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Bring a stack up and prove it with a streamed token.

    Gets the model, starts engine and gateway. Run again, it changes only what changed.

    Examples:
        frontier up
        frontier up --model smollm2:135m
        frontier up --dry-run
    """
    session: Session = ctx.obj
    services = session.services
    given = {"current_stack": stack, "default_model": model, "runtime": runtime}
    services.overrides = {k: v for k, v in given.items() if v}
    silent = session.as_json or session.quiet
    reporter = Silent() if dry_run else session.reporter
    use_case = services.up(reporter, (lambda _: None) if silent else output.piece)
    session.show(use_case.run(services.wanted, dry_run=dry_run))


def down(
    ctx: typer.Context, dry_run: DryRun = False, _json: Json = False, _quiet: Quiet = False
) -> None:
    """Stop everything and forget what was brought up.

    Models and configuration stay.

    Example: frontier down
    """
    _stop(ctx.obj, "down", forget=True, dry_run=dry_run)


def stop(
    ctx: typer.Context, dry_run: DryRun = False, _json: Json = False, _quiet: Quiet = False
) -> None:
    """Stop everything; `frontier start` starts it again.

    Requests in flight are finished first, up to DRAIN_TIMEOUT seconds.

    Example: frontier stop
    """
    _stop(ctx.obj, "stop", forget=False, dry_run=dry_run)


def _stop(session: Session, command: str, *, forget: bool, dry_run: bool) -> None:
    services = session.services
    if dry_run:
        session.show(lifecycle.plan_stop(runtime=services.runtime))
        return
    if not services.workspace.state.exists():
        session.show(lifecycle.Stopped(was_running=False, forgotten=False))
        return
    with services.changing(command):
        services.snapshots.take(command)
        result = lifecycle.stop(
            runtime=services.runtime,
            project=services.project,
            reporter=session.reporter,
            forget=forget,
        )
    session.show(result)


def start(
    ctx: typer.Context, dry_run: DryRun = False, _json: Json = False, _quiet: Quiet = False
) -> None:
    """Start again what the last `frontier up` brought up.

    Example: frontier stop && frontier start
    """
    session: Session = ctx.obj
    services = session.services
    if dry_run:
        session.show(lifecycle.plan_start(runtime=services.runtime, project=services.project))
        return
    with services.changing("start"):
        result = lifecycle.start(
            runtime=services.runtime,
            project=services.project,
            free_ports=services.free_ports,
            reporter=session.reporter,
        )
    session.show(result)


def _service_names(ctx: typer.Context, incomplete: str) -> list[str]:
    session: Session = ctx.obj or Session()
    declared = session.services.project.load()
    return [n for n in (declared.digests if declared else ()) if n.startswith(incomplete)]


Names = Annotated[
    list[str] | None,
    typer.Argument(help="Services; all if left out.", autocompletion=_service_names),
]


def restart(
    ctx: typer.Context,
    service: Names = None,
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Stop and start one service, or all.

    Answers that a restarted engine is giving break off with an error.

    Example: frontier restart llamacpp
    """
    session: Session = ctx.obj
    services = session.services
    names = tuple(service or ())
    if dry_run:
        names = lifecycle.require_services(names, project=services.project)
        session.show(lifecycle.Plan(tuple(f"restart {name}" for name in names)))
        return
    with services.changing("restart"):
        result = lifecycle.restart(
            names,
            runtime=services.runtime,
            project=services.project,
            reporter=session.reporter,
        )
    session.show(result)


def status(ctx: typer.Context, _json: Json = False) -> None:
    """Show what runs, where, since when, with how much memory.

    Example: frontier status --json
    """
    session: Session = ctx.obj
    services = session.services
    session.show(
        lifecycle.status(
            str(services.workspace.root),
            runtime=services.runtime,
            project=services.project,
            memory=services.memory_of,
            now=time.time,
        )
    )


def logs(
    ctx: typer.Context,
    service: Names = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as lines come; Ctrl-C ends it.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="Lines per service from the past.")
    ] = 50,
) -> None:
    """Print what engine, gateway and daemon wrote.

    Examples:
        frontier logs
        frontier logs llamacpp -n 200
        frontier logs gateway -f
    """
    session: Session = ctx.obj
    log = session.services.logs
    names = service or log.services
    if not names:
        raise NotFoundError("nothing was logged here yet", hint="Begin with: `frontier up`.")
    width = max(map(len, names))
    for name in names:
        for entry in log.tail(name, lines):
            output.line(f"{name:<{width}} | {entry}")
    if follow:
        for name, entry in log.follow(names):
            output.line(f"{name:<{width}} | {entry}")


@text.register
def _(result: StackUp) -> str:
    if result.answer is None:
        return "\n".join([*result.decisions, "dry run: nothing was changed"])
    lines = "\n".join(f"# {name}\n{line}" for name, line in result.clients.items())
    return (
        f"\n{text(result.answer)}\n\n"
        f"{result.model} answers at {' and '.join(result.urls)}\n\n"
        f"{lines}\n# here\n{_command()} chat"
    )


def _command() -> str:
    """Return what to type for `frontier`: its path where the shell would not find it."""
    return "frontier" if shutil.which("frontier") else os.path.relpath(sys.argv[0])


@text.register
def _(result: lifecycle.Stopped) -> str:
    return "stopped" if result.was_running else "nothing was running"


@text.register
def _(result: lifecycle.Started) -> str:
    names = ", ".join(result.services)
    return f"{names}: running already" if result.was_running else f"{names}: ready"


@text.register
def _(result: lifecycle.Plan) -> str:
    return "\n".join(result.steps) or "nothing to do"


@text.register
def _(result: lifecycle.Status) -> str:
    if result.state == "stopped":
        return f"{result.workspace}: nothing runs (start it: frontier up)"
    if result.state == "died":
        return (
            f"{result.workspace}: the daemon was killed, and all that ran ended with it\n"
            "(start it again: frontier start; its last words: frontier logs daemon)"
        )
    head = f"{result.stack}: {result.state}, {', '.join(result.models)} at {' '.join(result.urls)}"
    rows = [
        (
            s.name,
            s.phase,
            str(s.pid or "-"),
            str(s.port or "-"),
            _duration(s.uptime_s),
            size(s.memory_bytes) if s.memory_bytes else "-",
            str(s.restarts),
            s.reason,
        )
        for s in result.services
    ]
    columns = ("SERVICE", "STATE", "PID", "PORT", "UP", "MEMORY", "RESTARTS", "")
    return f"{head}\n{table(columns, rows)}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}h{m:02}m" if hours else f"{m}m{s:02}s" if m else f"{s}s"
