"""`frontier logs`."""

import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from frontier.cli import output
from frontier.cli.service_names import Names
from frontier.cli.session import Json, Session
from frontier.domain.errors import UsageError
from frontier.domain.log_line import Level, LogLine, Wanted, moment

_LINES: Final = 50
_SERVICE_COLOURS: Final = (
    "36",
    "32",
    "35",
    "34",
    "96",
    "92",
    "95",
    "94",
)  # red and yellow tell levels
_LEVEL_COLOURS: Final = {"error": "31", "warning": "33", "debug": "2"}


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(logs)


def logs(
    ctx: typer.Context,
    *,
    service: Names = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as lines come; Ctrl-C ends it.")
    ] = False,
    lines: Annotated[
        int | None,
        typer.Option(
            "--lines",
            "-n",
            min=0,
            help=f"Last lines per service; {_LINES} if left out, all with --since.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Not before: 30s, 10m, 2h, 1d, or ISO 8601."),
    ] = None,
    grep: Annotated[
        str | None,
        typer.Option("--grep", metavar="REGEX", help="Only lines in which it is found."),
    ] = None,
    ignore_case: Annotated[
        bool, typer.Option("--ignore-case", "-i", help="For --grep: A is a.")
    ] = False,
    level: Annotated[
        Level, typer.Option("--level", help="The least; a line that states none is `info`.")
    ] = "debug",
    _json: Json = False,
) -> None:
    """Print what engine, gateway and daemon wrote, in order of time.

    With --follow it goes on through restarts, and with services that start later. With --json
    every line is a JSON document of its own.

    Examples:
        frontier logs
        frontier logs llamacpp -n 200
        frontier logs -f --level warning
        frontier logs gateway --since 10m --grep status=5
    """
    session: Session = ctx.obj
    session.only_reads = True
    wanted = Wanted(
        since=moment(since, datetime.now(UTC)) if since else "",
        level=level,
        pattern=_pattern(grep, ignore_case=ignore_case) if grep else None,
    )
    if lines is None and not since:
        lines = _LINES
    log = session.services.running.logs
    read = log.follow if follow else log.past
    with contextlib.closing(read(service or (), lines, wanted)) as found:
        if session.as_json:
            _print(map(_document, found))
        else:
            _print(map(Shown(service or _declared(session)).text, found))


def _pattern(text: str, *, ignore_case: bool) -> re.Pattern[str]:
    try:
        return re.compile(text, re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise UsageError(
            f"--grep {text!r} is no regular expression: {error}",
            hint="As in Python; \\ before a character takes it as it is.",
        ) from error


def _declared(session: Session) -> list[str]:
    project = session.services.project.load()
    return ["daemon", *project.digests] if project else []


def _document(line: LogLine) -> str:
    """Return *line* as JSON; half a character, which JSON can say, is escaped again."""
    text = json.dumps(dataclasses.asdict(line), ensure_ascii=False)
    return text.encode(errors="backslashreplace").decode()


def _print(lines: Iterator[str]) -> None:
    for line in lines:
        output.piece(f"{line}\n")  # at once: who follows through a pipe waits for it


class Shown:
    """Lines for people: local time, service and text, in columns and colours.

    Args:
        names: Services that are known before; others get a colour as they come.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._colours: dict[str, str] = {}
        for name in names:
            self._colour(name)

    def text(self, line: LogLine) -> str:
        """Return *line*; the column of services is as wide as the longest so far."""
        colour, width = self._colour(line.service), max(map(len, self._colours))
        name = output.coloured(f"{line.service:<{width}} |", colour)
        said = line.text
        if line.level in _LEVEL_COLOURS:
            said = output.coloured(said, _LEVEL_COLOURS[line.level])
        return f"{_local(line.time):<18} {name} {said}"

    def _colour(self, name: str) -> str:
        next_one = _SERVICE_COLOURS[len(self._colours) % len(_SERVICE_COLOURS)]
        return self._colours.setdefault(name, next_one)


def _local(time: str | None) -> str:
    """Return ``11-21 09:12:00.118`` in the zone of this machine."""
    if time is None:
        return ""
    there = datetime.fromisoformat(time).astimezone()
    return there.isoformat(sep=" ", timespec="milliseconds")[5:23]
