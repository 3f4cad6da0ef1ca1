"""The workspace's ``.env``: read with line numbers, changed in place, never reformatted."""

import io
import re
from pathlib import Path

from dotenv.parser import Binding, parse_stream

from frontier.adapters.files import write_atomic
from frontier.domain.errors import ConfigError

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./*~-]*")


def read(path: Path) -> dict[str, int]:
    """Map each variable set in *path*, upper case, to its line; an absent file is empty.

    Raises:
        ConfigError: a line is no assignment; the message names file and line.
    """
    return {b.key.upper(): _line(b) for b in _bindings(path) if b.key is not None}


def assign(path: Path, name: str, value: str) -> None:
    """Set *name* in *path*, in place where it is already set, at the end otherwise."""
    line = f"{name}={_quoted(value)}\n"
    pieces = [b.original.string for b in _bindings(path)]
    keys = [b.key.upper() if b.key else None for b in _bindings(path)]
    if name in keys:
        where = keys.index(name)
        blank = pieces[where][: _leading(pieces[where])]
        pieces[where] = blank + line
    else:
        pieces = [*_ended(pieces), line]
    write_atomic(path, "".join(pieces), mode=0o600)


def unassign(path: Path, name: str) -> bool:
    """Remove *name* from *path*; False if it was not set."""
    bindings = _bindings(path)
    kept = [b.original.string for b in bindings if (b.key or "").upper() != name]
    if len(kept) == len(bindings):
        return False
    write_atomic(path, "".join(kept), mode=0o600)
    return True


def _bindings(path: Path) -> list[Binding]:
    bindings = list(parse_stream(io.StringIO(_text(path))))
    for binding in bindings:
        if binding.error or (binding.key is not None and binding.value is None):
            source = binding.original.string.strip()
            raise ConfigError(
                f"{path}:{_line(binding)}: not an assignment: {source!r}",
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
    if "\n" in value:
        raise ConfigError("a value in .env is one line long", hint="Remove the line break.")
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
