"""Backups put back, on this machine or another one."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from frontier.domain.backup import FOLDERS, Manifest, SavedModel
from frontier.domain.chat import Answer
from frontier.domain.errors import FrontierError, HalfDoneError, RefusedError, RuntimeFailedError
from frontier.domain.snapshot import Snapshot
from frontier.ports import BackupStore, DataStores, ModelStore, Readable, Reporter, Staging
from frontier.usecases.backups import Origin, counter
from frontier.usecases.change import Change, Present, Prove


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
        stopped: Something runs, and is stopped meanwhile.
        stack: What is declared now.
        restarted: What is declared now was started in the place of what ran.
        answer: The token that it gave; None where it has no model yet, or was not started.
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
    restarted: bool = False
    answer: Answer | None = None


@dataclass(frozen=True, kw_only=True)
class Restoring:
    """One run of `backup restore`, with all it asks of the outside.

    Attributes:
        change: Brings what ran to what is restored, or goes back.
        prove: Streams a token of the model of that name through the gateway.
    """

    store: BackupStore
    staging: Staging
    data: DataStores
    models: ModelStore
    origin: Origin
    change: Change
    prove: Prove
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
            stopped=self.change.runtime.state() is not None,
            stack=manifest.stack,
            notes=(*manifest.notes, *notes),
            applied=False,
        )

    def restore(self, plan: Restored) -> Restored:
        """Carry out *plan*: what runs is stopped, files and volumes are replaced.

        If something ran, what is restored is started and gives a token; where it does not, files
        and what ran are brought back, but for volumes. A kill leaves the old state or the new one.

        Raises:
            DoesNotFitError: there is no room; nothing was changed.
            StorageError: the workspace cannot be written; nothing was changed.
            RuntimeFailedError: what is restored does not start; what ran before runs again.
        """
        command, change = "backup restore", self.change
        with (
            self.store.changing(command),
            change.changing(command),
            change.journal.during(f"{command} {plan.name}") as stage,
        ):
            snapshot, present = change.snapshots.take(command), change.present()
            self._stage(plan)
            stage("stopping what runs")
            if present.state is not None:
                change.runtime.stop(self.reporter)
            self.staging.commit(f"backup {plan.name}")
            stage("restoring volumes")
            finish_volumes(staging=self.staging, data=self.data, reporter=self.reporter)
            done = replace(plan, snapshot=snapshot.id, applied=True)
            if present.state is not None:
                stage("starting what is restored")
                done = self._started(done, present, snapshot)
        if done.answer:
            change.snapshots.mark_good()
        return done

    def _started(self, done: Restored, present: Present, before: Snapshot) -> Restored:
        """Start what is restored, unless a model of it is not here."""
        declared = self.change.declared()
        needed = {route.model for route in (declared.routes if declared else ())}
        if lacking := [model.name for model in done.missing if model.name in needed]:
            note = f"{done.stack} was not started: {', '.join(lacking)} is not here"
            return replace(done, notes=(*done.notes, note))
        added = set(done.changes) - set(before.files)
        try:
            answer = self.change.follow(
                replace(present, is_whole=False),
                self.prove,
                lambda: self.change.snapshots.restore(before, removing=added),
            )
        except HalfDoneError:
            raise
        except FrontierError as error:
            raise RuntimeFailedError(
                f"what is restored does not start, and what ran before runs again: {error.message}",
                hint="To restore it without a start: frontier stop && "
                f"frontier backup restore {done.name}",
                details=error.details,
            ) from error
        return replace(done, restarted=declared is not None, answer=answer)

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
