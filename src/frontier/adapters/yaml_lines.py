"""YAML files whose mistakes are told with their line."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, cast

import yaml

from frontier.domain.errors import ConfigError

# libyaml is eight times quicker; the pure loader is the same language where it is missing.
_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST: Final = 32


class YamlFile:
    """One YAML file, its content and where its values stand.

    Args:
        path: The file.
        hint: The next move after a complaint that has none of its own.
        data: What stands in it, if it was read before.

    Raises:
        ConfigError: unreadable, no YAML, or a key that is given twice.
    """

    def __init__(self, path: Path, *, hint: str = "", data: bytes | None = None) -> None:
        self.path, self._hint = path, hint
        try:
            text = (path.read_bytes() if data is None else data).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}", hint=hint) from error
        try:
            self._refuse_depth(text)
            self._root = yaml.compose(text, Loader=_Loader)
            self.content: object = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise ConfigError(f"{path}:{line}: {error.problem}", hint=hint) from error
        except yaml.reader.ReaderError as error:
            raise ConfigError(
                f"{path}:{_line_of(text, error)}: {error.reason}", hint=hint
            ) from error
        except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-13-01
            raise ConfigError(f"{path}: {error}", hint=hint) from error
        self._refuse_twins(self._root, seen=set())

    def error(self, place: Sequence[str | int], reason: str, *, hint: str = "") -> ConfigError:
        """Return the complaint about the value at *place*, such as ``("images", 0)``."""
        dotted = ".".join(map(str, place))
        return ConfigError(
            f"{self.path}:{self.line(place)}: {f'{dotted}: ' if dotted else ''}{reason}",
            hint=hint or self._hint,
        )

    def unknown_key(self, place: Sequence[str | int], known: Sequence[str]) -> ConfigError:
        """Return the complaint about the last key of *place*, with the nearest known one."""
        near = get_close_matches(str(place[-1]), known, n=1)
        guess = f"Did you mean {near[0]!r}? " if near else ""
        return self.error(
            place, f"unknown key {place[-1]!r}", hint=f"{guess}Known: {', '.join(known)}."
        )

    def line(self, place: Sequence[str | int]) -> int:
        """Return the line of *place*, or of the nearest parent that exists; from 1."""
        node, line = self._root, 0
        for step in place:
            node, line = _child(node, str(step), line)
            if node is None:
                break
        return line + 1

    def _refuse_depth(self, text: str) -> None:
        """Refuse what would overrun the stack of libyaml's recursive composer, and the process."""
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                where = f":{event.start_mark.line + 1}" if event.start_mark else ""
                raise ConfigError(f"{self.path}{where}: nested too deeply", hint=self._hint)

    def _refuse_twins(self, node: yaml.Node | None, *, seen: set[int]) -> None:
        if node is None or id(node) in seen:  # an alias may contain itself
            return
        seen.add(id(node))
        keys: set[str] = set()
        for key, value in _pairs(node):
            if key is not None:
                if str(key.value) in keys:
                    line = key.start_mark.line + 1
                    raise ConfigError(
                        f"{self.path}:{line}: {key.value!r} is given twice", hint=self._hint
                    )
                keys.add(str(key.value))
            self._refuse_twins(value, seen=seen)


def _line_of(text: str, error: yaml.reader.ReaderError) -> int:
    return text.count("\n", 0, error.position) + 1


def _pairs(node: yaml.Node) -> list[tuple[yaml.Node | None, yaml.Node]]:
    """Return keys and values of a mapping, or the items of a list without keys."""
    if isinstance(node, yaml.MappingNode):
        return cast("list[tuple[yaml.Node | None, yaml.Node]]", node.value)
    if isinstance(node, yaml.SequenceNode):
        return [(None, item) for item in cast("list[yaml.Node]", node.value)]
    return []


def _child(node: yaml.Node | None, step: str, line: int) -> tuple[yaml.Node | None, int]:
    for index, (key, value) in enumerate(_pairs(node) if node else []):
        if str(index if key is None else key.value) == step:
            return value, (key or value).start_mark.line
    return None, line
