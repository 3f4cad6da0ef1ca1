"""Snapshots of configuration and project as plain folders; a killed restore is finished later."""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from frontier.adapters.file_swap import FileSwap, Swap, inside
from frontier.adapters.files import storage_errors, sync_folder, write_atomic
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import NotFoundError, StorageError
from frontier.domain.snapshot import DECLARED, SCOPES, FileChanges, Snapshot

_KEPT = 20
_MANIFEST = "snapshot.json"
_STAMP = "%Y%m%dT%H%M%S.%f"
_FIRST_SCOPES = (".env", "config", ".frontier/declared")  # snapshots that do not tell


class Snapshots:
    """The snapshots of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace, self._root = workspace, workspace.root
        self._swap = FileSwap(workspace)

    def take(self, before: str, *, keep: str = "") -> Snapshot:
        """Copy what a command may change; drops the oldest beyond twenty, but never *keep*.

        Where nothing has changed since the newest snapshot, that one is returned. The last good
        one is never dropped, and a state that is known to be good stays so.

        Raises:
            StorageError: full disk, read-only file system, no permission.
        """
        present, found = self._present(), self.all()
        if found and self._is_same(found[0], present) and _labels_agree(found[0].before, before):
            return found[0]
        known = max(
            (s.good_at for s in found if s.is_good and self._is_same(s, present)), default=""
        )
        return self._write(before, tuple(present), good_at=known, keep=keep)

    def mark_good(self) -> None:
        """Remember that the present state has streamed a token.

        Raises:
            StorageError: full disk, read-only file system, no permission.
        """
        present, found = self._present(), self.all()
        now = max(datetime.now(UTC).strftime(_STAMP), *(s.good_at for s in found), "")
        same = next((s for s in found if self._is_same(s, present)), None)
        if same is None:
            self._write("proof", tuple(present), good_at=now)
        else:
            self._write_manifest(self._folder(same), replace(same, good_at=now))

    def all(self) -> tuple[Snapshot, ...]:
        """Return all snapshots, newest first; what cannot be read is none."""
        found = (_read(path) for path in self._workspace.snapshots.glob(f"[0-9]*/{_MANIFEST}"))
        return tuple(sorted((s for s in found if s), key=lambda s: s.id, reverse=True))

    def find(self, snapshot_id: str) -> Snapshot:
        """Return the snapshot of that name, or the only one it begins."""
        found = [s for s in self.all() if s.id.startswith(snapshot_id)]
        if len(found) != 1:
            raise NotFoundError(
                f"{'no' if not found else 'more than one'} snapshot is called {snapshot_id!r}",
                hint="`frontier rollback --list` shows them all.",
            )
        return found[0]

    def changes(self, snapshot: Snapshot) -> FileChanges:
        """Return what `restore` would do to the files, the project included."""
        present = self._contents(self._root, self._names(snapshot.scopes))
        saved = self._contents(self._folder(snapshot) / "files", snapshot.files)
        new = sorted(present.keys() - saved.keys())
        return FileChanges(
            changed=tuple(n for n in saved if n in present and present[n] != saved[n]),
            added=tuple(n for n in saved if n not in present),
            removed=tuple(n for n in new if n in snapshot.removable),
            kept=tuple(n for n in new if n not in snapshot.removable),
        )

    def restore(self, snapshot: Snapshot, *, removing: Collection[str] = ()) -> None:
        """Bring back what *snapshot* holds; `recover` ends what a kill interrupts.

        Of the rest only what Frontier wrote goes, and *removing*: what a person made stays.

        Raises:
            StorageError: the snapshot is not whole, or there is no room; nothing was changed.
        """
        self._restore(snapshot, snapshot.files, (*snapshot.removable, *removing))

    def reset(self, snapshot: Snapshot) -> None:
        """Bring settings and project to their defaults; the rest is as in *snapshot*.

        Raises:
            StorageError: there is no room; nothing was changed.
        """
        kept = tuple(n for n in snapshot.files if n not in (".env", DECLARED))
        self._restore(snapshot, kept, (".env", DECLARED))

    @property
    def is_interrupted(self) -> bool:
        """Tell whether a restore was killed."""
        return self._swap.is_interrupted

    def recover(self) -> str:
        """Finish a restore that was killed; return what it restored, "" if there was none."""
        if not self.is_interrupted:
            return ""
        if swap := self._swap.recover():
            return swap.name
        wanted = self._swap.journal.read_text()  # an older Frontier's: the name alone
        snapshot = next((s for s in self.all() if s.id == wanted), None)
        if snapshot:
            self.restore(snapshot)
        self._swap.journal.unlink(missing_ok=True)
        return snapshot.id if snapshot else ""

    def _restore(
        self, snapshot: Snapshot, files: tuple[str, ...], removed: tuple[str, ...]
    ) -> None:
        source = self._folder(snapshot) / "files"
        self._swap.begin()
        try:
            for name in files:
                data, mode = _whole(source / name, snapshot)
                self._swap.stage(name, data, mode)
        except BaseException:
            self._swap.abandon()
            raise
        self._swap.commit(Swap(name=snapshot.id, files=files, scopes=removed))

    def _names(self, scopes: tuple[str, ...]) -> list[str]:
        return sorted(str(p.relative_to(self._root)) for p in inside(self._root, scopes))

    def _present(self) -> dict[str, str]:
        with storage_errors(self._root):
            return self._contents(self._root, self._names(SCOPES))

    @staticmethod
    def _contents(root: Path, names: tuple[str, ...] | list[str]) -> dict[str, str]:
        """Map each file to a digest of what it says; a restart asked for says nothing."""
        return {name: _digest(root / name) for name in names}

    def _is_same(self, snapshot: Snapshot, present: dict[str, str]) -> bool:
        if snapshot.scopes != SCOPES or tuple(present) != snapshot.files:
            return False
        return self._contents(self._folder(snapshot) / "files", snapshot.files) == present

    def _stamp(self) -> str:
        """Return the time in UTC, or just after the newest where the clock went back."""
        now = datetime.now(UTC)
        if found := self.all():
            newest = datetime.strptime(found[0].id.partition("-")[0], _STAMP).replace(tzinfo=UTC)
            now = max(now, newest + timedelta(microseconds=1))
        return now.strftime(_STAMP)

    def _folder(self, snapshot: Snapshot) -> Path:
        return self._workspace.snapshots / snapshot.id

    def _write(
        self, before: str, files: tuple[str, ...], *, good_at: str, keep: str = ""
    ) -> Snapshot:
        label = re.sub(r"[^a-z0-9]+", "-", before.lower()).strip("-")[:60]
        name = f"{self._stamp()}-{label}"
        snapshot = Snapshot(id=name, before=before, files=files, good_at=good_at)
        folder = self._workspace.snapshots
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(dir=folder, prefix="."))
            try:
                for file in files:
                    _copy(self._root / file, beside / "files" / file)
                self._write_manifest(beside, snapshot)
                beside.rename(folder / name)
            except BaseException:
                shutil.rmtree(beside, ignore_errors=True)
                raise
            sync_folder(folder)
        self._prune(keep)
        return snapshot

    @staticmethod
    def _write_manifest(folder: Path, snapshot: Snapshot) -> None:
        write_atomic(folder / _MANIFEST, json.dumps(asdict(snapshot)))

    def _prune(self, keep: str) -> None:
        found = self.all()
        last_good = max((s for s in found if s.is_good), key=lambda s: s.good_at, default=None)
        kept = {keep, last_good.id if last_good else ""}
        for old in (s for s in found[_KEPT:] if s.id not in kept):
            shutil.rmtree(self._folder(old), ignore_errors=True)
        for left in self._workspace.snapshots.glob(".*"):  # by killed commands
            shutil.rmtree(left, ignore_errors=True)


def _labels_agree(taken: str, wanted: str) -> bool:
    """Tell whether one snapshot can serve both: `rollback` passes over those of its own."""
    return taken != "rollback" or wanted == "rollback"


def _digest(path: Path) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ""
    return hashlib.sha256(
        _without_generations(data) if path.name == "project.json" else data
    ).hexdigest()


def _without_generations(project: bytes) -> bytes:
    try:
        raw: Any = json.loads(project)
        for service in raw["services"]:
            service["generation"] = 0
        return json.dumps(raw, sort_keys=True).encode()
    except (ValueError, KeyError, TypeError):
        return project


def _whole(path: Path, snapshot: Snapshot) -> tuple[bytes, int]:
    try:
        return path.read_bytes(), path.stat().st_mode & 0o777
    except OSError as error:
        raise StorageError(
            f"the snapshot {snapshot.id} is damaged: {path.name}: {error.strerror}",
            hint="`frontier rollback --list` shows the others.",
        ) from error


def _copy(source: Path, target: Path) -> None:
    write_atomic(target, source.read_bytes(), mode=source.stat().st_mode & 0o777)


def _read(manifest: Path) -> Snapshot | None:
    try:
        raw = json.loads(manifest.read_text())
        return Snapshot(
            id=raw["id"],
            before=raw["before"],
            files=tuple(raw["files"]),
            scopes=tuple(raw.get("scopes", _FIRST_SCOPES)),
            good_at=raw.get("good_at", ""),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a power cut may have emptied it
