"""Backups put back, on this machine or another one."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from frontier.domain.backup import FOLDERS, Manifest, SavedModel
from frontier.domain.errors import RefusedError, RuntimeFailedError
from frontier.ports import (
    BackupStore,
    DataStores,
    Journal,
    ModelStore,
    Readable,
    Reporter,
    Runtime,
    SnapshotStore,
    Staging,
)
from frontier.usecases.backups import Origin, counter


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What `backup restore` did, or would do.

    Attributes:
        created: When the backup was made; UTC, ISO 8601.
        host: Where it was made.
        snapshot: The state before, for `rollback`; "" in a dry run.
        changes: Files that differ, relative to the workspace.
        volumes: What services had written, put back.
        replaced: Those of them that are here already, and will be lost.
        missing: Models that are not here; `SavedModel.command` gets them.
        stopped: Something ran and is stopped.
        stack: What is declared now.
    """

    name: str
    created: str
    host: str
    snapshot: str
    changes: tuple[str, ...]
    volumes: tuple[str, ...]
    replaced: tuple[str, ...]
    missing: tuple[SavedModel, ...]
    stopped: bool
    stack: str
    notes: tuple[str, ...]
    applied: bool


@dataclass(frozen=True, kw_only=True)
class Restoring:
    """One run of `backup restore`, with all it asks of the outside.

    Attributes:
        changing: Holds the workspace's lock.
    """

    store: BackupStore
    staging: Staging
    data: DataStores
    models: ModelStore
    snapshots: SnapshotStore
    runtime: Runtime
    journal: Journal
    origin: Origin
    changing: Callable[[str], AbstractContextManager[None]]
    reporter: Reporter

    def plan(self, which: str, *, with_volumes: bool = True) -> Restored:
        """Verify the whole backup and return what `restore` would do; change nothing.

        Raises:
            NotFoundError: there is no such backup.
            DamagedBackupError: it is not whole, or not one of ours.
            RefusedError: a newer Frontier wrote it.
        """
        manifest = self._verified(which)
        missing = tuple(m for m in manifest.models if not self._has(m) and not m.is_included)
        volumes, replaced, notes = self._volumes(manifest) if with_volumes else ((), (), ())
        return Restored(
            name=which,
            created=manifest.created,
            host=manifest.host,
            snapshot="",
            changes=self.staging.changes(manifest),
            volumes=volumes,
            replaced=replaced,
            missing=missing,
            stopped=self.runtime.state() is not None,
            stack=manifest.stack,
            notes=(*manifest.notes, *notes),
            applied=False,
        )

    def restore(self, plan: Restored) -> Restored:
        """Carry out *plan*: what runs is stopped, files and volumes are replaced.

        A kill leaves the old state or the new one. The old files are in a snapshot.

        Raises:
            DoesNotFitError: there is no room; nothing was changed.
            StorageError: the workspace cannot be written; nothing was changed.
        """
        command = "backup restore"
        with (
            self.store.changing(command),
            self.changing(command),
            self.journal.during(f"{command} {plan.name}") as stage,
        ):
            snapshot = self.snapshots.take(command)
            self._stage(plan)
            stage("stopping what runs")
            self._stop()
            self.staging.commit(f"backup {plan.name}")
            stage("restoring volumes")
            finish_volumes(staging=self.staging, data=self.data, reporter=self.reporter)
        return replace(plan, snapshot=snapshot.id, applied=True)

    def _verified(self, which: str) -> Manifest:
        manifest = self.store.manifest(which)
        if manifest.workspace_format > self.origin.workspace_format:
            raise RefusedError(
                f"a newer Frontier wrote this backup: {manifest.frontier}, workspace format "
                f"{manifest.workspace_format} (this one knows {self.origin.workspace_format})",
                hint="Upgrade: pip install --upgrade frontier-llm",
            )
        with self._reading("Verifying", manifest) as on:
            return self.store.read(which, _ignore, on)

    def _volumes(
        self, manifest: Manifest
    ) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Return what can be put back, what of it is here, and what to know."""
        names = tuple(volume.name for volume in manifest.volumes)
        try:
            return names, self.data.present(names), ()
        except RuntimeFailedError as error:
            folders = tuple(name for name in names if name in FOLDERS)
            note = f"volumes of Docker are left out: {error.message}"
            return folders, self.data.present(folders), (note,)

    def _has(self, saved: SavedModel) -> bool:
        model = self.models.load(saved.name)
        return model is not None and model.digest == saved.digest and model.path.exists()

    def _stage(self, plan: Restored) -> None:
        manifest = self.store.manifest(plan.name)
        self.staging.begin(manifest, volumes=plan.volumes)
        try:
            with self._reading("Unpacking", manifest) as on:
                self.store.read(plan.name, self.staging.put, on)
        except BaseException:
            self.staging.abandon()
            raise

    @contextmanager
    def _reading(self, doing: str, manifest: Manifest) -> Generator[Callable[[int], None]]:
        label = f"{doing} the backup"
        with self.reporter.task(label, total=manifest.size_bytes, unit="bytes") as task:
            yield counter(task)

    def _stop(self) -> None:
        if self.runtime.state() is not None:
            self.runtime.stop(self.reporter)


def finish_volumes(*, staging: Staging, data: DataStores, reporter: Reporter) -> tuple[str, ...]:
    """Load the volumes of a restore that are still to be loaded; return their names.

    Nothing that uses them may run. What a kill interrupts is loaded again.

    Raises:
        RuntimeFailedError: Docker does not answer; they stay to be loaded.
    """
    done: list[str] = []
    for volume, project, tar in staging.pending():
        with reporter.task(
            f"Restoring {volume.name}", total=volume.size_bytes, unit="bytes"
        ) as task:
            data.load(volume.name, project, tar, counter(task))
        staging.loaded(volume)
        done.append(volume.name)
    return tuple(done)


def _ignore(_name: str, _content: Readable) -> None:
    """Only verify."""
