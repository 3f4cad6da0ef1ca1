"""Backups: made, and removed when they are old."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from frontier.domain.backup import (
    Backup,
    Manifest,
    SavedModel,
    SavedVolume,
    outdated,
)
from frontier.domain.errors import ConfigError, RuntimeFailedError
from frontier.domain.model import Model
from frontier.domain.project import Project
from frontier.ports import (
    BackupStore,
    DataStores,
    ModelStore,
    ProjectFile,
    Reporter,
    Staging,
    Task,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a backup is made, or put back.

    Attributes:
        frontier: Version.
        workspace_format: That this version writes.
        host: The machine's name.
        root: The workspace's path.
        python: The interpreter that has Frontier installed.
    """

    frontier: str
    workspace_format: int
    host: str
    root: str
    python: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What `backup create` did, or would do.

    Attributes:
        path: The archive.
        size_bytes: Of the archive; 0 in a dry run.
        models: Names; their blobs are in it where *with_models* says so.
        notes: What was left out, and why.
    """

    name: str
    path: Path
    size_bytes: int
    files: int
    volumes: tuple[str, ...]
    models: tuple[str, ...]
    with_models: bool
    notes: tuple[str, ...]
    applied: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What `backup prune` did, or would do."""

    removed: tuple[str, ...]
    kept: tuple[str, ...]
    keep_days: int
    applied: bool


@dataclass(frozen=True, kw_only=True)
class Making:
    """One run of `backup create`, with all it asks of the outside.

    Attributes:
        changing: Holds the workspace's lock, so that its files agree with each other.
        now: The present moment, in UTC.
    """

    store: BackupStore
    staging: Staging
    data: DataStores
    models: ModelStore
    project: ProjectFile
    origin: Origin
    changing: Callable[[str], AbstractContextManager[None]]
    now: Callable[[], datetime]
    reporter: Reporter
    notes: list[str] = field(default_factory=list[str])

    def create(
        self,
        name: str = "",
        *,
        with_models: bool = False,
        with_volumes: bool = True,
        undeclared: str = "",
        dry_run: bool = False,
    ) -> Made:
        """Write a backup called *name*, or by the time, and verify it.

        Args:
            name: Of the archive, without its ending.
            with_models: Put their blobs in.
            with_volumes: Put in what services keep.
            undeclared: The Compose project whose volumes are meant where none is declared.
            dry_run: Only tell what would be in it.

        Raises:
            RefusedError: there is one of that name.
            StorageError: full disk, read-only file system; nothing is left of it.
        """
        now = self.now()
        name = name or f"frontier-{now:%Y%m%dT%H%M%SZ}"
        path = self.store.require_new(name)
        project = self._declared()
        compose = project.containers.name if project and project.containers else undeclared
        volumes, compose = self._volumes(compose) if with_volumes else ((), compose)
        made = Made(
            name=name,
            path=path,
            size_bytes=0,
            files=0,
            volumes=volumes,
            models=tuple(m.name for m in self.models.all()),
            with_models=with_models,
            notes=tuple(self.notes),
            applied=False,
        )
        if dry_run:
            return made
        with self.store.changing("backup create"), self.store.spool() as spool:
            backup = self._write(made, project, compose, spool, now)
        files = len(backup.manifest.files) if backup.manifest else 0
        return replace(made, size_bytes=backup.size_bytes, files=files, applied=True)

    def _declared(self) -> Project | None:
        try:
            return self.project.load()
        except ConfigError as error:
            self.notes.append(f"saved as it is: {error.message}")
            return None

    def _volumes(self, compose: str) -> tuple[tuple[str, ...], str]:
        """Return what services write, and the project that must be paused meanwhile."""
        try:
            return self.data.names(compose), compose
        except RuntimeFailedError as error:
            self.notes.append(f"volumes of Docker are left out: {error.message}")
            return self.data.names(""), ""

    def _write(
        self, made: Made, project: Project | None, compose: str, spool: Path, now: datetime
    ) -> Backup:
        with self.changing("backup create"):
            files = self.staging.copy(spool / "files")
        volumes = tuple(self._save(name, compose, spool / "volumes") for name in made.volumes)
        models = tuple(_saved(m, is_included=made.with_models) for m in self.models.all())
        manifest = Manifest(
            frontier=self.origin.frontier,
            workspace_format=self.origin.workspace_format,
            created=now.isoformat(timespec="seconds"),
            host=self.origin.host,
            root=self.origin.root,
            python=self.origin.python,
            stack=project.stack if project else "",
            project=project.containers.name if project and project.containers else compose,
            files=files,
            volumes=volumes,
            models=models,
            notes=made.notes,
        )
        total = 2 * manifest.size_bytes
        with self.reporter.task(f"Writing {made.path}", total=total, unit="bytes") as task:
            return self.store.write(made.name, manifest, self._source(spool), counter(task))

    def _save(self, name: str, compose: str, folder: Path) -> SavedVolume:
        """Copy one volume, and hash it."""
        folder.mkdir(exist_ok=True)
        volume = SavedVolume(name=name, size_bytes=0, sha256="")
        target = folder / volume.file
        with self.reporter.task(f"Saving {name}", unit="bytes") as task:
            self.data.save(name, compose, target, counter(task))
        return SavedVolume(
            name=name, size_bytes=target.stat().st_size, sha256=self.store.digest(target)
        )

    def _source(self, spool: Path) -> Callable[[str], Path]:
        """Return where the content of a member lies: models are read from the store."""

        def source(member: str) -> Path:
            kind, _, rest = member.partition("/")
            return self.models.blob(rest) if kind == "models" else spool / member

        return source


def prune(*, store: BackupStore, now: datetime, keep_days: int, dry_run: bool = False) -> Pruned:
    """Remove the backups older than *keep_days* days, but never the newest; 0 keeps all.

    What cannot be read is not removed: nobody knows how old it is, or whose.
    """
    backups = store.all()
    old = outdated(backups, now=now, keep_days=keep_days)
    if old and not dry_run:
        with store.changing("backup prune"):
            for backup in old:
                store.remove(backup)
    names = tuple(b.name for b in old)
    return Pruned(
        removed=names,
        kept=tuple(b.name for b in backups if b.name not in names),
        keep_days=keep_days,
        applied=not dry_run,
    )


def counter(task: Task) -> Callable[[int], None]:
    """Return what tells *task* how much is done, from how much more."""
    done = 0

    def count(more: int) -> None:
        nonlocal done
        done += more
        task.update(done)

    return count


def _saved(model: Model, *, is_included: bool) -> SavedModel:
    return SavedModel(
        name=model.name,
        source=model.source,
        digest=model.digest,
        size_bytes=model.size_bytes,
        file_name=model.file_name,
        is_included=is_included,
    )
