"""The workspace's ``.env``: read with line numbers, changed in place, never reformatted."""

import io
import re
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from frontier.adapters.files import write_atomic
from frontier.domain.errors import ConfigError

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./*~-]*")
_LINE_BREAK = re.compile(r"[\r\n]")
_FIRST_NAME = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)(?=[\s=])")


@dataclass(frozen=True, slots=True)
class Entry:
    """One assignment.

    Attributes:
        value: As it stands there: ``${...}`` is plain text.
        line: Where it begins, from 1.
    """

    value: str
    line: int


def read(path: Path) -> dict[str, Entry]:
    """Map each variable in *path*, upper case, to its last assignment; an absent file is empty.

    Raises:
        ConfigError: a line is no assignment; the message names file and line.
    """
    return {
        b.key.upper(): Entry(b.value, _line(b))
        for b in _bindings(path)
        if b.key is not None and b.value is not None
    }


def assign(path: Path, name: str, value: str) -> None:
    """Set *name* in *path*, in place where it is already set, at the end otherwise.

    Where it is set several times, the last one counts and the others go.
    """
    line = f"{name}={_quoted(value)}\n"
    bindings = _bindings(path)
    pieces = [b.original.string for b in bindings]
    found = [i for i, b in enumerate(bindings) if _sets(b, name)]
    if found:
        last = pieces[found[-1]]
        pieces[found[-1]] = last[: _leading(last)] + line
    else:
        pieces = [*_ended(pieces), line]
    kept = [piece for i, piece in enumerate(pieces) if i not in found[:-1]]
    write_atomic(path, "".join(kept), mode=0o600)


def unassign(path: Path, name: str) -> bool:
    """Remove *name* from *path*; False if it was not set."""
    bindings = _bindings(path)
    kept = [b.original.string for b in bindings if not _sets(b, name)]
    if len(kept) == len(bindings):
        return False
    write_atomic(path, "".join(kept), mode=0o600)
    return True


def _sets(binding: Binding, name: str) -> bool:
    return binding.key is not None and binding.key.upper() == name


def _bindings(path: Path) -> list[Binding]:
    bindings = list(parse_stream(io.StringIO(_text(path))))
    for binding in bindings:
        if binding.error or (binding.key is not None and binding.value is None):
            # what follows the name may be a secret, so may be a word that stands alone
            found = _FIRST_NAME.match(binding.original.string.strip())
            name = f", after {found[1]!r}" if found else ""
            raise ConfigError(
                f"{path}:{_line(binding)}: not an assignment{name}",
                hint="Write NAME=value, one per line; quote values that contain spaces or #.",
            )
    return bindings


def _line(binding: Binding) -> int:
    # dotenv counts the blank lines before a binding as part of it
    blank = binding.original.string[: _leading(binding.original.string)]
    return binding.original.line + blank.count("\n")


def _leading(text: str) -> int:
    return len(text) - len(text.lstrip())


def _ended(pieces: list[str]) -> list[str]:
    if pieces and not pieces[-1].endswith("\n"):
        return [*pieces, "\n"]
    return pieces


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path}: not UTF-8 text (byte {error.start})", hint="Save the file as UTF-8."
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    if _LINE_BREAK.search(value):
        raise ConfigError("a value in .env is one line long", hint="Remove the line break.")
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
