"""`frontier launch`: a coding tool or a chat in front of the running gateway."""

import os
import shlex
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from frontier.cli.output import table, text
from frontier.cli.session import Json, Quiet, Session
from frontier.domain.errors import UsageError
from frontier.domain.launch import TOOLS, find
from frontier.usecases import launch as usecase


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(launch)


def _tools(incomplete: str) -> list[str]:
    return [name for name in TOOLS if name.startswith(incomplete)]


def launch(
    ctx: typer.Context,
    tool: Annotated[
        str | None, typer.Argument(help="What to start; lists all without.", autocompletion=_tools)
    ] = None,
    arguments: Annotated[
        list[str] | None, typer.Argument(help="The tool's own arguments, after `--`.")
    ] = None,
    *,
    model: Annotated[
        str, typer.Option("--model", "-m", help="A model of the gateway; the one that runs.")
    ] = "",
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="First try context and a tool call for real.")
    ] = True,
    preview: Annotated[
        bool, typer.Option("--print", "--dry-run", help="Print what would be set; write nothing.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Put the tool's file back as it was before.")
    ] = False,
    _json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Start aider, Claude Code, Codex or another tool in front of the gateway.

    It first asks the running model as the tool will: with a long prompt, and for a tool call.
    Continue and opencode get an entry in their own configuration file; the others need none.

    Examples:
        frontier launch
        frontier launch aider -- --no-auto-commits src/app.py
        frontier launch claude --print
        frontier launch continue --undo
    """
    session: Session = ctx.obj
    services = session.services
    if tool is None:
        session.show(usecase.listed(services.launching.program))
        return
    chosen = find(tool)
    use_case = services.launching.launch(session.reporter)
    if undo:
        session.show(use_case.undo(chosen))
        return
    if session.as_json and chosen.program and not preview:
        raise UsageError(
            f"--json cannot be had while {chosen.title} has the terminal",
            hint=f"frontier launch {tool} --print --json",
        )
    result = use_case.run(
        chosen, model=model, arguments=tuple(arguments or ()), check=check, preview=preview
    )
    if preview or not result.command:
        session.show(result)
    else:
        _start(session, result)


def _start(session: Session, result: usecase.Launched) -> None:
    """Replace this process by the tool: the terminal and its signals are the tool's own."""
    for line in (_head(result), f"note: {result.note}" if result.note else ""):
        if line:
            session.reporter.say(line)
    sys.stdout.flush()
    os.execve(result.command[0], list(result.command), {**os.environ, **result.env})  # noqa: S606


@text.register
def _(result: usecase.Launched) -> str:
    lines = [f"# {_head(result)}", *_exports(result.env)]
    if result.command:
        lines.append(shlex.join(result.command))
    if result.file:
        verb = "wrote" if result.applied else "would write"
        lines.append(f"# {verb} {result.file}")
        if result.applied:
            lines.append(f"# undo it: frontier launch {result.tool} --undo")
        else:
            lines.append(result.text.rstrip("\n"))
    if result.note:
        lines.append(f"# note: {result.note}")
    return "\n".join(lines)


def _head(result: usecase.Launched) -> str:
    context = f"{result.context:,} tokens of context" if result.context else "context unknown"
    head = f"{result.title}: {result.model} at {result.url}, {context}"
    if trial := result.trial:
        head += f"; read {trial.prompt_tokens:,} tokens in {trial.seconds:.1f} s"
        head += " and called a tool" if trial.calls_tool else ""
    return head


def _exports(env: Mapping[str, str]) -> list[str]:
    return [f"export {name}={shlex.quote(value) if value else ''}" for name, value in env.items()]


@text.register
def _(result: usecase.Restored) -> str:
    return f"{result.file} is again what it was"


@text.register
def _(result: usecase.ToolList) -> str:
    rows = [
        (t.name, t.title, t.program or (f"install: {t.install}" if t.install else "an extension"))
        for t in result.tools
    ]
    return table(("TOOL", "NAME", "WHERE"), rows)
