"""Answers of the wizard in a YAML file, every complaint with its line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import yaml

from frontier.adapters.files import write_atomic
from frontier.adapters.yaml_lines import YamlFile
from frontier.domain import setup
from frontier.domain.errors import FrontierError
from frontier.domain.setup import Answers

_HEADER: Final = "# Answers of `frontier setup`; give them with --answers FILE.\n"
_KINDS: Final[dict[str, type]] = {
    "stack": str,
    "model": str,
    "context": int,
    "monitoring": bool,
    "bind": str,
    "port": int,
    "key": str,
}
_WORDS: Final = {str: "a text", int: "a whole number", bool: "true or false"}

_CHECKS: Final[dict[str, Callable[[str], object]]] = {
    "context": setup.context,
    "bind": setup.address,
    "port": setup.port,
    "key": setup.key_name,
}


def read(path: Path) -> Answers:
    """Return the answers in *path*; what is not there is not answered.

    Raises:
        ConfigError: no YAML, an unknown answer, or a value of the wrong kind, with its line.
    """
    file = YamlFile(path, hint=f"Known: {', '.join(_KINDS)}.")
    if file.content is None:
        return Answers()
    if not isinstance(file.content, dict):
        raise file.error((), "not a mapping of answers")
    content = cast("dict[object, object]", file.content)
    return Answers(**{str(k): _checked(file, str(k), v) for k, v in content.items()})


def _checked(file: YamlFile, name: str, value: object) -> Any:
    if name not in _KINDS:
        raise file.unknown_key((name,), tuple(_KINDS))
    kind = _KINDS[name]
    if type(value) is not kind:  # true is an int, too
        raise file.error((name,), f"{value!r} is not {_WORDS[kind]}")
    check = _CHECKS.get(name)
    try:
        return check(str(value)) if check else value
    except FrontierError as error:
        raise file.error((name,), error.message, hint=error.hint) from error


def write(path: Path, answers: Answers) -> None:
    """Write *answers* to *path*.

    Raises:
        StorageError: it cannot be written.
    """
    given = {name: getattr(answers, name) for name in _KINDS}
    kept = {name: value for name, value in given.items() if value is not None}
    write_atomic(path, _HEADER + yaml.safe_dump(kept, sort_keys=False))
