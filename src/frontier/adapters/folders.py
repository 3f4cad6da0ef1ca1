"""Stacks and templates as folders: the user's own first, then those that Frontier ships."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from frontier.domain.containers import LIVE
from frontier.domain.errors import ConfigError, StackNotFoundError
from frontier.domain.stack import Fragment, Stack, Variable

_HERE = Path(__file__).resolve()
_COMMON: Final = "common"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def packaged(kind: str) -> Path:
    """Return the folder *kind*, ``stacks`` or ``templates``: the wheel's, else the checkout's."""
    inside = _HERE.parents[1] / "_data" / kind
    return inside if inside.is_dir() else _HERE.parents[3] / kind


def templates(kind: str) -> dict[str, str]:
    """Return the text of every shipped template of *kind*, by file name."""
    return {path.name: path.read_text() for path in (packaged("templates") / kind).glob("*.j2")}


class StackFolders:
    """All stacks that can be named, and the fragments that they share.

    Args:
        own: The workspace's ``stacks/``; a name found there wins.
    """

    def __init__(self, own: Path) -> None:
        self._places = (own, packaged("stacks"))

    def names(self) -> tuple[str, ...]:
        """Return every name once, sorted."""
        found = {path.parent.name for place in self._places for path in place.glob("*/stack.yaml")}
        return tuple(sorted(name for name in found if _NAME.fullmatch(name) and name != _COMMON))

    def load(self, name: str) -> Stack:
        """Return the stack *name*.

        Raises:
            StackNotFoundError: no folder has that name.
            ConfigError: a file of it is wrong; the message names the file and line.
        """
        from frontier.adapters.stack_file import read_stack
        from frontier.adapters.yaml_lines import YamlFile

        if name in self.names():
            for place in self._places:
                folder = place / name
                if (path := folder / "stack.yaml").is_file():
                    hint = f"Correct it, then look at it: frontier stack show {name}"
                    return read_stack(YamlFile(path, hint=hint), name, _texts(folder))
        raise StackNotFoundError(
            f"there is no stack named {name!r}", hint=f"Known: {', '.join(self.names())}."
        )

    def is_own(self, name: str) -> bool:
        """Tell whether *name* comes from the workspace."""
        return (self._places[0] / name / "stack.yaml").is_file()

    def fragments(self) -> dict[str, Fragment]:
        """Return what ``stacks/common`` holds, by name.

        Raises:
            ConfigError: a file of one is wrong; the message names the file and line.
        """
        from frontier.adapters.stack_file import read_fragment
        from frontier.adapters.yaml_lines import YamlFile

        found = {
            path.parent.name: path
            for place in reversed(self._places)
            for path in sorted((place / _COMMON).glob("*/fragment.yaml"))
        }
        return {
            name: read_fragment(YamlFile(path), name, _texts(path.parent))
            for name, path in found.items()
        }

    def variables(self) -> Mapping[str, Variable]:
        """Return the variables of all stacks by name, those that replace an image included.

        A stack that cannot be read has none: who does not use it need not mend it.
        """
        stacks = list(self._readable())
        images = {
            image.setting: Variable(
                name=image.setting,
                kind="text",
                default="",
                help=f"Image of {service}; empty means the stack's own choice.",
            )
            for stack in stacks
            for service, image in stack.images.items()
            if image.setting
        }
        return {**images, **{k: v for stack in stacks for k, v in stack.variables.items()}}

    def _readable(self) -> Iterator[Stack]:
        for name in self.names():
            with contextlib.suppress(ConfigError):
                yield self.load(name)


def _texts(folder: Path) -> dict[str, str]:
    """Return ``compose.yaml.j2``, and what is filled or copied: all of ``config`` and ``live``."""
    return {str(path.relative_to(folder)): _text(path) for path in _files(folder)}


def _files(folder: Path) -> Iterator[Path]:
    if (compose := folder / "compose.yaml.j2").is_file():
        yield compose
    for name in ("config", LIVE):
        yield from (path for path in sorted((folder / name).rglob("*")) if path.is_file())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as text: {error}") from error
