"""Route files: YAML in, checked entries out, every complaint with file, line and field."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

import msgspec
import yaml

from frontier.domain.errors import ConfigError
from frontier.gateway.choice import Balance
from frontier.gateway.details import UNKNOWN, Details
from frontier.gateway.prices import Price

Backend = Literal["vllm", "llamacpp", "mistral", "ollama", "openai"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
# Stands in a header and in metrics.
BackendName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]

_DEEPEST: Final = 32

_PATH = re.compile(r" - at `\$\.?(.*?)`$")
_UNKNOWN = re.compile(r"unknown field `(.+?)`")
_STEP = re.compile(r"[^.\[\]]+")
# libyaml is eight times quicker; the pure loader is the same language where it is missing.
_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class TimeoutEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Durations such as ``5s``; what is not given keeps its default."""

    connect: str | float | None = None
    first_token: str | float | None = None
    idle: str | float | None = None
    total: str | float | None = None
    hold: str | float | None = None


class LimitEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one engine may be asked; what is not given is the model's, or has its default."""

    concurrency: Positive | None = None
    queue: Count | None = None
    context: Positive | None = None


class BackendEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of several engines of a model."""

    url: str | None = None
    name: BackendName | None = None
    weight: Count = 1
    upstream_model: Name | None = None
    limits: LimitEntry = LimitEntry()


class ModelEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model as the file has it."""

    name: Name
    backend: Backend
    aliases: tuple[Name, ...] = ()
    backend_url: str | None = None
    upstream_model: Name | None = None
    hold: bool = False
    timeouts: TimeoutEntry = TimeoutEntry()
    limits: LimitEntry = LimitEntry()
    backends: tuple[BackendEntry, ...] = ()
    balance: Balance = "weights"
    fallbacks: tuple[Name, ...] = ()
    details: Details = UNKNOWN
    price: Price | None = None


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    models: tuple[ModelEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """A route file's bytes at one moment.

    Attributes:
        data: Empty for a missing file.
        error: Why the file could not be read, empty if it could.
    """

    path: Path
    data: bytes = b""
    error: str = ""

    @property
    def sha256(self) -> str:
        """The digest of the bytes, hex; that of no bytes for a missing file."""
        return hashlib.sha256(self.data).hexdigest()


def read(path: Path) -> Content:
    """Return what stands in *path* now."""
    try:
        return Content(path, path.read_bytes())
    except FileNotFoundError:
        return Content(path)
    except OSError as error:
        return Content(path, error=str(error))


class RouteFile:
    """One route file and where its values stand.

    Args:
        content: Nothing but blanks and comments has no models.

    Raises:
        ConfigError: unreadable, no YAML, or a wrong field.
    """

    def __init__(self, content: Content) -> None:
        self.path = content.path
        self._root: yaml.Node | None = None
        text = self._decoded(content)
        self.models = self._parse(text) if text.strip() else ()
        self._check_names()

    def _decoded(self, content: Content) -> str:
        if content.error:
            raise ConfigError(f"{self.path}: cannot be read: {content.error}")
        try:
            return content.data.decode()
        except UnicodeDecodeError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error}") from error

    def _parse(self, text: str) -> tuple[ModelEntry, ...]:
        try:
            self._check_depth(text)
            self._root = yaml.compose(text, Loader=_Loader)
            document: object = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
        except yaml.YAMLError as error:
            raise self._not_yaml(error) from error
        if document is None:
            return ()
        try:
            return msgspec.convert(document, _Document).models
        except msgspec.ValidationError as error:
            raise self._invalid(str(error)) from error

    def _check_depth(self, text: str) -> None:
        """Refuse what would overrun the stack of libyaml's recursive composer, and the process."""
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > _DEEPEST:
                raise self.error("", "nested too deeply")

    def _not_yaml(self, error: yaml.YAMLError) -> ConfigError:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        line = f"{mark.line + 1}: " if mark is not None else " "
        problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error)
        return ConfigError(f"{self.path}:{line}not YAML: {problem}")

    def _invalid(self, message: str) -> ConfigError:
        found = _PATH.search(message)
        field = found[1] if found else ""
        reason = message[: found.start()] if found else message
        if unknown := _UNKNOWN.search(reason):
            field = f"{field}.{unknown[1]}".lstrip(".")
            reason = "unknown field"
        return self.error(field, reason)

    def error(self, field: str, reason: str) -> ConfigError:
        """Return the complaint about *field*, such as ``models[0].timeouts.idle``."""
        line = self._line(field)
        where = f"{field}: " if field else ""
        return ConfigError(
            f"{self.path}:{line}: {where}{reason}",
            hint=f"Correct {self.path}; the gateway reads it again when it changes.",
        )

    def _line(self, field: str) -> int:
        """Return the line where *field* stands, or the nearest parent that exists; from 1."""
        node = self._root
        line = 0
        for step in _STEP.findall(field):
            node, line = _child(node, step, line)
            if node is None:
                break
        return line + 1

    def _check_names(self) -> None:
        seen: set[str] = set()
        for field, name in self._names():
            if name in seen:
                raise self.error(field, f"{name!r} is given twice in this file")
            seen.add(name)

    def _names(self) -> Iterator[tuple[str, str]]:
        for i, entry in enumerate(self.models):
            yield f"models[{i}].name", entry.name
            for j, alias in enumerate(entry.aliases):
                yield f"models[{i}].aliases[{j}]", alias


def _child(node: yaml.Node | None, step: str, line: int) -> tuple[yaml.Node | None, int]:
    if isinstance(node, yaml.MappingNode):
        pairs = cast("list[tuple[yaml.Node, yaml.Node]]", node.value)
        for key, value in pairs:
            if key.value == step:
                return value, key.start_mark.line
    if isinstance(node, yaml.SequenceNode) and step.isdigit():
        items = cast("list[yaml.Node]", node.value)
        if int(step) < len(items):
            return items[int(step)], items[int(step)].start_mark.line
    return None, line
