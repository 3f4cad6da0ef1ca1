"""The only module that prints: a result as text or JSON, an error with its next move."""

import codecs
import dataclasses
import io
import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from functools import singledispatch
from pathlib import Path
from typing import Any

from frontier.domain.errors import FrontierError
from frontier.domain.units import size

__all__ = [
    "coloured",
    "escape_what_has_no_code",
    "fail",
    "for_workspace",
    "interrupted",
    "line",
    "note",
    "piece",
    "show",
    "size",
    "table",
    "text",
    "to_json",
]


_COMMAND = re.compile(r"(?<![\w./-])frontier (?=[a-z])")
"""A command in a hint: not the end of a path, and before a word that is no option."""


def escape_what_has_no_code() -> None:
    """Make standard output take every character, escaped where its encoding lacks it.

    JSON has the same escapes. Standard error escapes by itself, and what somebody chose in
    PYTHONIOENCODING stays.
    """
    codecs.register_error("frontier", _escaped)
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and out.errors in ("strict", "surrogateescape"):
        out.reconfigure(errors="frontier")


def _escaped(error: Any) -> tuple[str, int]:
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


@singledispatch
def text(result: object) -> str:
    """Return *result* for people; each command group registers its own types."""
    raise TypeError(f"no text form for {type(result).__name__}")


@text.register
def _(result: str) -> str:
    return result


def show(result: object, *, as_json: bool) -> None:
    """Print a use-case's result on standard output."""
    line(to_json(result) if as_json else text(result))


def to_json(result: object) -> str:
    """Return a frozen result's fields as indented JSON; paths become text."""
    return json.dumps(_plain(result), indent=2, default=str, ensure_ascii=False)


def _plain(result: object) -> Any:
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return dataclasses.asdict(result)
    return result


def fail(error: FrontierError, *, as_json: bool, workspace: Path | None = None) -> None:
    """Print *error*: for machines one JSON document on standard output, else on standard error.

    Commands in its hint are for *workspace*, where the command line named one.
    """
    hint = for_workspace(error.hint, workspace)
    if as_json:
        fields = {k: getattr(error, k) for k in ("code", "message", "hint", "details")}
        fields["hint"] = hint
        line(json.dumps({"error": fields}, indent=2, ensure_ascii=False))
        return
    details = "".join(f"  | {row}\n" for row in error.details.splitlines())
    hint = f"hint: {hint}\n" if hint else ""
    sys.stderr.write(f"{_red('error:')} {error.message}\n{details}{hint}")


def for_workspace(hint: str, workspace: Path | None) -> str:
    """Return *hint* with ``-w`` in its commands; one that names a workspace keeps it."""
    if workspace is None:
        return hint
    named = f"frontier -w {shlex.quote(str(workspace))} "
    return _COMMAND.sub(lambda _: named, hint)


def interrupted(*, has_begun: bool) -> None:
    """Print that Ctrl-C ended the command; what was begun was taken back by then, or stays."""
    sys.stderr.write("interrupted\n" if has_begun else "interrupted: nothing was changed\n")


def note(content: str, *, as_json: bool) -> None:
    """Print on standard error what the person did not ask for but should know."""
    if not as_json:
        sys.stderr.write(f"note: {content}\n")


def line(content: str) -> None:
    """Print one piece of text and a line end on standard output."""
    sys.stdout.write(content.rstrip("\n") + "\n")


def piece(content: str) -> None:
    """Print *content* at once, without a line end: one token of a stream."""
    sys.stdout.write(content)
    sys.stdout.flush()


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return aligned columns, two spaces apart; plain text that pipes well."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in [header, *rows]
    ]
    return "\n".join(row.rstrip() for row in lines)


def coloured(word: str, code: str) -> str:
    """Return *word* for standard output in the colour of an ANSI *code*, where it shows colours."""
    return f"\033[{code}m{word}\033[0m" if _colours(sys.stdout) else word


def _red(word: str) -> str:
    return f"\033[31m{word}\033[0m" if _colours(sys.stderr) else word


def _colours(stream: Any) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
