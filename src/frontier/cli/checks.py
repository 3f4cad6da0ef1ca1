"""What `doctor`, `validate` and `test` share: options, formats, and the end of the command."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from frontier.cli import output
from frontier.cli.output import text
from frontier.cli.session import Session
from frontier.domain.check import Checked, Report, State
from frontier.domain.errors import StorageError, UsageError

if TYPE_CHECKING:
    from frontier.usecases.checking import Check, Run

OutputFormat = Literal["text", "json", "junit", "github"]
Format = Annotated[
    OutputFormat, typer.Option("--format", help="What is printed; `github` is for its Actions.")
]
Ci = Annotated[
    bool,
    typer.Option("--ci", help="No colours, no progress, nothing asked outside this machine."),
]
Only = Annotated[
    list[str] | None, typer.Option("--only", help="A check or a group of them; repeatable.")
]
Skip = Annotated[list[str] | None, typer.Option("--skip", help="Likewise, to leave out.")]
MayFix = Annotated[
    bool, typer.Option("--fix", help="Mend what can be mended without risk, and look again.")
]
FixDryRun = Annotated[
    bool, typer.Option("--dry-run", help="With --fix: print what it would do, and do nothing.")
]
Junit = Annotated[
    Path | None, typer.Option("--junit", help="Write a JUnit report to this file, too.")
]

_WORDS: Final[dict[State, tuple[str, str]]] = {
    "pass": ("ok", "32"),
    "warn": ("warn", "33"),
    "fail": ("FAIL", "31"),
    "skipped": ("skip", "90"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the options of the command line say."""

    format: OutputFormat
    ci: bool
    only: Sequence[str]
    skip: Sequence[str]
    fix: bool = False
    dry_run: bool = False
    junit: Path | None = None

    def resolved(self, session: Session) -> "Asked":
        """Return what is meant: ``--json`` is ``--format json``; quiet where a machine reads.

        Raises:
            UsageError: the options contradict each other.
        """
        if session.as_json and self.format not in ("text", "json"):
            raise UsageError(f"--json and --format {self.format} contradict each other")
        if self.dry_run and not self.fix:
            raise UsageError("--dry-run is for --fix", hint="Without --fix nothing is changed.")
        asked = replace(self, format="json") if session.as_json else self
        session.as_json = asked.format == "json"
        if asked.ci:
            os.environ["NO_COLOR"] = "1"
        session.quiet = session.quiet or asked.ci or asked.format != "text"
        return asked


def look(session: Session, command: str, checks: "Sequence[Check]", asked: Asked) -> Report:
    """Look at everything in *checks* that *asked* leaves; mend it where that was asked, too."""
    from frontier.adapters.children import end_children
    from frontier.usecases import checking

    chosen = checking.select(checks, asked.only, asked.skip)
    begun = monotonic()
    try:
        with session.reporter.task("Checking", total=len(chosen)) as task:
            found = checking.run(chosen, on_done=lambda done: task.update(done, len(chosen)))
        if asked.fix and not asked.dry_run:
            found = _mended(session, command, chosen, found)
    except BaseException:  # Ctrl-C: what a check has started would go on
        end_children()
        raise
    if found.has_late:
        end_children()  # what a late check waits for would keep this command from ending
    workspace = session.services.chosen
    told = [replace(c, mend=output.for_workspace(c.mend, workspace)) for c in found.checks]
    return Report.of(command, told, monotonic() - begun)


def _mended(session: Session, command: str, chosen: "Sequence[Check]", found: "Run") -> "Run":
    from frontier.usecases import checking

    if not any(checked.fix for checked in found.checks):
        return found
    services = session.services
    with services.changing(f"{command} --fix"):
        services.snapshots.take(f"{command} --fix")
        return checking.fixed(chosen, found)


def conclude(session: Session, report: Report, asked: Asked, *, result: object = None) -> None:
    """Print *report* in the format that was asked for and end with its exit code.

    Args:
        session: Of this command.
        report: What was found.
        asked: The options.
        result: What is printed as text and JSON; the report itself if left out.
    """
    if asked.junit is not None:
        _write(asked.junit, _junit(report))
    match asked.format:
        case "junit":
            output.line(_junit(report))
        case "github":
            from frontier.renderers import annotations

            output.line(annotations.render(report))
        case "text" | "json":
            session.show(report if result is None else result)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _junit(report: Report) -> str:
    from frontier.renderers import junit

    begun = datetime.now(UTC).replace(tzinfo=None, microsecond=0).isoformat()
    return junit.render(report, timestamp=begun, hostname=platform.node())


def _write(path: Path, content: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    except OSError as error:
        raise StorageError(
            f"{path}: {error.strerror}", hint="Name another file with --junit."
        ) from error


@text.register
def _(report: Report) -> str:
    width = max((len(check.id) for check in report.checks), default=0)
    lines = [
        line
        for (state, why, group), checks in groupby(report.checks, _folded)
        for line in (
            _skipped(group, why, list(checks), width)
            if state == "skipped"
            else [line for check in checks for line in _lines(check, width)]
        )
    ]
    return "\n".join([*lines, "", _summary(report)])


def _folded(check: Checked) -> tuple[State, str, str]:
    """Return what skipped checks are told in one line by; the others are told one by one."""
    if check.state == "skipped":
        return ("skipped", check.seen, check.group)
    return (check.state, "", check.id)


def _skipped(group: str, why: str, checks: list[Checked], width: int) -> list[str]:
    if len(checks) == 1:
        return _lines(checks[0], width)
    word, colour = _WORDS["skipped"]
    named = f"{group} ({len(checks)})"
    return [f"{output.coloured(word, colour)}  {named:<{width}}  {why}"]


def _lines(check: Checked, width: int) -> list[str]:
    word, colour = _WORDS[check.state]
    mended = " (mended)" if check.fixed and check.state == "pass" else ""
    lines = [f"{output.coloured(f'{word:<4}', colour)}  {check.id:<{width}}  {check.seen}{mended}"]
    if check.state in ("warn", "fail"):
        indent = " " * (width + 8)
        lines += [f"{indent}expected: {check.expected}"] if check.expected else []
        lines += [f"{indent}mend it: {check.mend}"] if check.mend else []
        lines += [f"{indent}--fix would: {check.fix}"] if check.fix and not check.fixed else []
    return lines


def _summary(report: Report) -> str:
    return (
        f"{report.passed} passed, {report.warned} warned, {report.failed} failed, "
        f"{report.skipped} skipped in {report.duration_s:.1f} s"
    )
