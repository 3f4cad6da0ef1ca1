"""A backup: one archive, its manifest first, and what may lie in it."""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Final, Self, cast

from frontier.domain.errors import RefusedError, UsageError

SCHEMA: Final = 1
"""The schema of the manifest that this version writes and reads."""

SCOPES: Final = (".env", "config", "stacks", ".frontier/declared", ".frontier/secrets")
"""What of a workspace's files is in a backup: files, and folders with all in them."""

REPLACED: Final = (".env", "config", "stacks", ".frontier/declared")
"""Where a restore removes what the backup does not have; older projects still need secrets."""

FOLDERS: Final = ("data/grafana", "data/prometheus")
"""Folders that services write to all the time; they are archived as volumes are."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VOLUME = re.compile(r"volume:[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFile:
    """One file of the workspace.

    Attributes:
        path: Relative to the workspace.
        mode: Permission bits.
    """

    path: str
    size_bytes: int
    sha256: str
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedVolume:
    """What a service wrote, as one tar file.

    Attributes:
        name: ``data/grafana`` below the workspace, or ``volume:NAME`` for a volume of Docker.
    """

    name: str
    size_bytes: int
    sha256: str

    @property
    def file(self) -> str:
        """Return the name of its tar file."""
        return f"{re.sub('[^A-Za-z0-9_.-]', '-', self.name)}.tar"


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedModel:
    """A model that the workspace had; its blob only where it is included."""

    name: str
    source: str
    digest: str
    size_bytes: int
    file_name: str
    is_included: bool

    @property
    def command(self) -> str:
        """Return what to type to get the model again."""
        return shlex.join(["frontier", "models", "pull", self.source, "--name", self.name])


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What is in a backup, and where it comes from.

    Attributes:
        schema: Of this manifest.
        frontier: Version that wrote it.
        workspace_format: Of the workspace.
        created: UTC, ISO 8601.
        host: The machine's name.
        root: The workspace's path there; paths below it are moved by a restore.
        python: The interpreter there; a restore puts its own in place.
        stack: What was declared, "" for nothing.
        project: Name of the Compose project, "" without containers.
        notes: What was left out, and why.
    """

    schema: int = SCHEMA
    frontier: str
    workspace_format: int
    created: str
    host: str
    root: str
    python: str
    stack: str
    project: str
    files: tuple[SavedFile, ...]
    volumes: tuple[SavedVolume, ...]
    models: tuple[SavedModel, ...]
    notes: tuple[str, ...] = ()

    @property
    def created_at(self) -> datetime:
        """Return when it was made, in UTC."""
        return datetime.fromisoformat(self.created)

    @property
    def included(self) -> tuple[SavedModel, ...]:
        """Return the models whose blobs are in it, each blob once."""
        return tuple({m.digest: m for m in self.models if m.is_included}.values())

    @property
    def members(self) -> dict[str, tuple[int, str]]:
        """Map every member of the archive but the manifest to its size and SHA-256, in order."""
        return {
            **{f"files/{f.path}": (f.size_bytes, f.sha256) for f in self.files},
            **{f"volumes/{v.file}": (v.size_bytes, v.sha256) for v in self.volumes},
            **{f"models/{m.digest}": (m.size_bytes, m.digest) for m in self.included},
        }

    @property
    def size_bytes(self) -> int:
        """Return what a restore writes."""
        return sum(size for size, _ in self.members.values())

    def to_json(self) -> str:
        """Return the manifest as indented JSON."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the manifest that `to_json` wrote.

        Raises:
            RefusedError: a newer Frontier wrote it.
            ValueError, KeyError, TypeError: it is none, or says what no Frontier would write.
        """
        raw: dict[str, Any] = json.loads(text)
        if int(raw["schema"]) > SCHEMA:
            raise RefusedError(
                f"a newer Frontier wrote this backup: {raw.get('frontier', 'unknown')}, "
                f"schema {raw['schema']} (this one reads schema {SCHEMA})",
                hint="Upgrade: pip install --upgrade frontier-llm",
            )
        manifest = cls(
            files=tuple(SavedFile(**f) for f in raw.pop("files")),
            volumes=tuple(SavedVolume(**v) for v in raw.pop("volumes")),
            models=tuple(SavedModel(**m) for m in raw.pop("models")),
            notes=tuple(map(str, raw.pop("notes"))),
            **raw,
        )
        _check(manifest)
        return manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One archive in the folder of backups.

    Attributes:
        manifest: None where it cannot be read.
        problem: Why not, "" where it can.
    """

    name: str
    path: Path
    size_bytes: int
    manifest: Manifest | None = None
    problem: str = ""


def check_name(name: str) -> str:
    """Return *name* where it can be that of a backup.

    Raises:
        UsageError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"a backup cannot be called {name!r}",
            hint="Use letters, digits, dots, underscores and hyphens, a letter or digit first.",
        )
    return name


def outdated(backups: tuple[Backup, ...], *, now: datetime, keep_days: int) -> tuple[Backup, ...]:
    """Return the backups older than *keep_days* days, but never the newest one; 0 keeps all."""
    whole = sorted(
        ((b.manifest.created_at, b) for b in backups if b.manifest), key=lambda pair: pair[0]
    )
    limit = now - timedelta(days=keep_days)
    return tuple(b for created, b in whole[:-1] if keep_days and created < limit)


def moved(text: str, manifest: Manifest, *, root: str, python: str) -> str:
    """Return the project in *text* with the paths of another workspace and interpreter."""
    try:
        raw = json.loads(text)
    except ValueError:
        return text  # damaged before it was saved: it stays what it was
    interpreter = re.compile(rf"{re.escape(manifest.python)}$")
    below = re.compile(rf"(?<![\w./-]){re.escape(manifest.root.rstrip('/'))}(?=/|:|$)")

    def move(value: str) -> str:
        if interpreter.match(value):
            return python
        return below.sub(lambda _: root.rstrip("/"), value)

    return json.dumps(_mapped(raw, move), indent=2, sort_keys=True) + "\n"


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(item, change) for item in cast("list[object]", value)]
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {key: _mapped(item, change) for key, item in fields.items()}
    return value


def _check(manifest: Manifest) -> None:
    """Refuse what could write outside of the workspace, or cannot be compared."""
    for file in manifest.files:
        if not is_restorable(file.path) or not 0 <= file.mode <= 0o777:  # noqa: PLR2004 - rwx for all
            raise ValueError(f"{file.path!r} is no file of a workspace")
    for volume in manifest.volumes:
        if volume.name not in FOLDERS and not _VOLUME.fullmatch(volume.name):
            raise ValueError(f"{volume.name!r} is no volume")
    for size, digest in manifest.members.values():
        if not _is_size(size) or not _DIGEST.fullmatch(digest):
            raise ValueError("a size or digest is none")
    if manifest.created_at.tzinfo is None:
        raise ValueError("the time of its making has no zone")


def _is_size(value: object) -> bool:
    return type(value) is int and value >= 0


def is_restorable(path: str) -> bool:
    """Tell whether a restore may write *path*: below the workspace, where configuration lies."""
    parts = PurePosixPath(path).parts
    if "/".join(parts) != path or ".." in parts or "\0" in path or path.startswith("/"):
        return False
    return any(path == scope or path.startswith(f"{scope}/") for scope in SCOPES)
