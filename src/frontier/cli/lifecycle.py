"""`frontier up`, `down`, `start`, `stop`, `restart` and `status`."""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal

import typer

from frontier.adapters.silent import Silent
from frontier.bootstrap import Services
from frontier.cli import output
from frontier.cli.answer import measured
from frontier.cli.output import size, table, text
from frontier.cli.service_names import Names
from frontier.cli.session import DryRun, Json, Quiet, Session
from frontier.domain.chat import Answer
from frontier.domain.errors import StorageError
from frontier.domain.plan import asked_for
from frontier.usecases import lifecycle
from frontier.usecases.up import StackUp


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    for command in (up, down, start, stop, restart, status):
        app.command()(command)


def _stack_names(ctx: typer.Context, incomplete: str) -> list[str]:
    session: Session = ctx.obj or Session()
    return [name for name in session.services.stacks.names() if name.startswith(incomplete)]


Runtime = Annotated[
    Literal["auto", "native", "docker", "hybrid"] | None,
    typer.Option("--runtime", help="What runs the services; `auto` decides and says why."),
]
Accelerator = Annotated[
    Literal["auto", "cpu", "cuda", "rocm", "metal"] | None,
    typer.Option("--accelerator", help="Where the engine computes; what is asked must be."),
]


def up(
    ctx: typer.Context,
    *,
    stack: Annotated[
        str | None,
        typer.Argument(help="A stack; CURRENT_STACK if left out.", autocompletion=_stack_names),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="A catalog name or source; see `models`.")
    ] = None,
    runtime: Runtime = None,
    accelerator: Accelerator = None,
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Bring a stack up and prove it with a streamed token.

    Gets the model, starts engine and gateway. Run again, it changes only what changed.

    Examples:
        frontier up
        frontier up --model smollm2:135m
        frontier up llamacpp --runtime docker
        frontier up --dry-run
    """
    session: Session = ctx.obj
    given = {
        "current_stack": stack,
        "default_model": model,
        "runtime": runtime,
        "accelerator": accelerator,
    }
    asked = {k: v for k, v in given.items() if v}
    asking = partial(session.services.asking, asked)
    session.show(session.planned(asking, lambda s: bring_up(session, s, "up", dry_run=dry_run)))


def bring_up(
    session: Session, services: Services, command: str, *, dry_run: bool, fetch: bool = True
) -> StackUp:
    """Bring up what the settings of *services* say, for *command*; print the proof as it comes."""
    is_silent = session.as_json or session.quiet
    reporter = Silent() if dry_run else session.reporter
    heard = (_unheard, _unheard) if is_silent else (output.piece, _end)
    if dry_run:
        services = services.previewing()
    else:
        services.backups.mend(reporter)
    use_case = services.up(reporter, *heard, command=command)
    return use_case.run(services.wanted(fetch=fetch), dry_run=dry_run)


def _unheard(_proof: object) -> None:
    """Leave the proof unprinted."""


def _end(answer: Answer) -> None:
    """End the line of the streamed text at once: a spinner on it would wipe it."""
    output.piece(f"\n{measured(answer)}\n\n")


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
    services.backups.mend(session.reporter)
    with services.changing(command):
        _take(session, command, is_needed=forget)
        result = lifecycle.stop(
            runtime=services.runtime,
            project=services.project,
            journal=services.journal,
            reporter=session.reporter,
            forget=forget,
        )
    session.show(result)


def _take(session: Session, command: str, *, is_needed: bool) -> None:
    """Take a snapshot; a full disk keeps nobody from stopping what runs."""
    try:
        session.services.snapshots.take(command)
    except StorageError as error:
        if is_needed:
            raise
        session.reporter.say(f"without a snapshot: {error.message}")


def start(
    ctx: typer.Context, dry_run: DryRun = False, _json: Json = False, _quiet: Quiet = False
) -> None:
    """Start the selected stack, or again what the last `frontier up` brought up.

    It downloads no model. What runs already and is unchanged is left alone.

    Examples:
        frontier stop && frontier start
        frontier stack select mistral && frontier start
    """
    session: Session = ctx.obj

    def begin(services: Services) -> StackUp:
        name = services.settings.current_stack
        lifecycle.require_stack(name, stacks=services.stacks, snapshots=services.snapshots)
        return bring_up(session, services, "start", dry_run=dry_run, fetch=False)

    session.show(session.planned(session.services.asking_again, begin))


def restart(
    ctx: typer.Context,
    service: Names = None,
    dry_run: DryRun = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Stop and start one service, or all.

    In Docker new requests wait while an engine restarts, and answers under way are finished first,
    up to DRAIN_TIMEOUT seconds. On the host they break off with an error.

    Example: frontier restart llamacpp
    """
    session: Session = ctx.obj
    services = session.services
    names = tuple(service or ())
    if dry_run:
        names = lifecycle.require_services(names, project=services.project)
        session.show(lifecycle.Plan(asked_for("restart", names)))
        return
    services.backups.mend(session.reporter)
    change = services.change(" ".join(("restart", *names)), session.reporter)
    change.recover()
    session.show(lifecycle.restart(names, change=change))


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
            memory=services.running.memory_of,
            now=time.time,
            compute=services.running.compute.of,
        )
    )


@text.register
def _(result: StackUp) -> str:
    if not result.applied:
        return "\n".join([*result.decisions, "dry run: nothing was changed"])
    if result.answer is None:
        return (
            f"{result.stack} runs at {' and '.join(result.urls)}, without a model yet; pull one:\n"
            f"  {result.pull_command}"
        )
    lines = "\n".join(f"# {name}\n{line}" for name, line in result.clients.items())
    pages = "".join(f"{line}\n" for line in _pages(result.pages))
    return (
        f"{result.model} answers at {' and '.join(result.urls)}\n{pages}\n"
        f"{lines}\n# here\n{_command()} chat"
    )


def _pages(pages: Mapping[str, str]) -> list[str]:
    return [f"{name} is at {url}" for name, url in sorted(pages.items())]


def _command() -> str:
    """Return what to type for `frontier`: its path where the shell would not find it."""
    return "frontier" if shutil.which("frontier") else os.path.relpath(sys.argv[0])


@text.register
def _(result: lifecycle.Stopped) -> str:
    return "stopped" if result.was_running else "nothing was running"


@text.register
def _(result: lifecycle.Restarted) -> str:
    return f"{', '.join(result.services)}: ready"


@text.register
def _(result: lifecycle.Plan) -> str:
    return "\n".join(map(str, result.steps)) or "nothing to do"


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
            str(s.compute or "-"),
            s.reason,
        )
        for s in result.services
    ]
    columns = ("SERVICE", "STATE", "PID", "PORT", "UP", "MEMORY", "RESTARTS", "COMPUTE", "")
    lines = [head, table(columns, rows), *_pages(result.pages)]
    if result.missing:
        lines.append(f"not as declared: {', '.join(result.missing)} (mend it: frontier start)")
    return "\n".join(lines)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, s = divmod(int(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}h{m:02}m" if hours else f"{m}m{s:02}s" if m else f"{s}s"
