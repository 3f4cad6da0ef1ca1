"""Stacks and templates as folders: the user's own first, then those that Frontier ships."""

from pathlib import Path
from typing import Any, cast

from frontier.domain.errors import ConfigError, StackNotFoundError
from frontier.domain.stack import Stack

_HERE = Path(__file__).resolve()
_SCHEMA = 1
_KEYS = {"schema", "title", "engine", "provides", "runtimes"}


def packaged(kind: str) -> Path:
    """Return the folder *kind*, ``stacks`` or ``templates``: the wheel's, else the checkout's."""
    inside = _HERE.parents[1] / "_data" / kind
    return inside if inside.is_dir() else _HERE.parents[3] / kind


def templates(kind: str) -> dict[str, str]:
    """Return the text of every shipped template of *kind*, by file name."""
    return {path.name: path.read_text() for path in (packaged("templates") / kind).glob("*.j2")}


class StackFolders:
    """All stacks that can be named.

    Args:
        own: The workspace's ``stacks/``; a name found there wins.
    """

    def __init__(self, own: Path) -> None:
        self._places = (own, packaged("stacks"))

    def names(self) -> tuple[str, ...]:
        """Return every name once, sorted."""
        return tuple(
            sorted({p.parent.name for place in self._places for p in place.glob("*/stack.yaml")})
        )

    def load(self, name: str) -> Stack:
        """Return the stack *name*.

        Raises:
            StackNotFoundError: no folder has that name.
            ConfigError: its stack.yaml is wrong; the message names the file and line or key.
        """
        for place in self._places:
            path = place / name / "stack.yaml"
            if name in self.names() and path.is_file():
                return _parse(name, path)
        raise StackNotFoundError(
            f"there is no stack named {name!r}", hint=f"Known: {', '.join(self.names())}."
        )


def _parse(name: str, path: Path) -> Stack:
    raw = _loaded(path)
    fields = cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}
    if fields.get("schema") != _SCHEMA:
        raise ConfigError(f"{path}: wants `schema: {_SCHEMA}` at the top")
    if unknown := [key for key in fields if key not in _KEYS]:
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}", hint=f"Known: {sorted(_KEYS)}.")
    return Stack(
        name=name,
        title=_word(path, "title", fields.get("title", name)),
        engine=_word(path, "engine", fields.get("engine")),
        provides=_words(path, "provides", fields.get("provides", [])),
        runtimes=_words(path, "runtimes", fields.get("runtimes", ["native"])),
    )


def _loaded(path: Path) -> object:
    import yaml

    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError(f"{path}:{line}: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{path}:{line}: character {error.character:#x} in it") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-13-01
        raise ConfigError(f"{path}: {error}") from error


def _word(path: Path, key: str, value: object) -> str:
    if isinstance(value, str) and value:
        return value
    raise ConfigError(f"{path}: {key}: wants text, not {value!r}")


def _words(path: Path, key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(_word(path, key, item) for item in cast("list[object]", value))
    raise ConfigError(f"{path}: {key}: wants a list such as [native], not {value!r}")
