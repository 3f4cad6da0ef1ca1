"""Snapshots of configuration and project as plain folders; a killed restore is finished later."""

import json
import re
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from frontier.adapters.files import storage_errors, sync_folder, write_atomic
from frontier.adapters.workspace import MARKER, Workspace
from frontier.domain.errors import NotFoundError
from frontier.domain.snapshot import Snapshot

_KEPT = 20
_MANIFEST = "snapshot.json"
_STAMP = "%Y%m%dT%H%M%S.%f"


class Snapshots:
    """The snapshots of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._journal = workspace.state / "restoring"

    def take(self, before: str, *, keep: str = "") -> Snapshot:
        """Copy what a command may change; drops the oldest beyond twenty, but never *keep*.

        Raises:
            StorageError: full disk, read-only file system, no permission.
        """
        folder = self._workspace.snapshots
        name = f"{self._stamp()}-{re.sub(r'[^a-z0-9]+', '-', before.lower()).strip('-')}"
        files = tuple(sorted(str(p.relative_to(self._workspace.root)) for p in self._saved()))
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            beside = Path(tempfile.mkdtemp(dir=folder, prefix="."))
            try:
                self._fill(beside, Snapshot(id=name, before=before, files=files))
                beside.rename(folder / name)
            except BaseException:
                shutil.rmtree(beside, ignore_errors=True)
                raise
            sync_folder(folder)
        self._prune(keep)
        return Snapshot(id=name, before=before, files=files)

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

    def changes(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Return the configuration files that *snapshot* would change, add or remove."""
        root, saved = self._workspace.root, self._workspace.snapshots / snapshot.id / "files"
        present = [str(p.relative_to(root)) for p in self._saved()]
        names = sorted({n for n in (*present, *snapshot.files) if not n.startswith(MARKER)})
        return tuple(n for n in names if _bytes(root / n) != _bytes(saved / n))

    def restore(self, snapshot: Snapshot) -> None:
        """Bring the workspace's files to *snapshot*; `recover` ends what a kill interrupts."""
        write_atomic(self._journal, snapshot.id)
        self._copy_back(snapshot)
        self._journal.unlink()

    @property
    def is_interrupted(self) -> bool:
        """Tell whether a restore was killed."""
        return self._journal.exists()

    def recover(self) -> Snapshot | None:
        """Finish a restore that was killed; return its snapshot, None if there was none."""
        if not self.is_interrupted:
            return None
        wanted = self._journal.read_text()
        snapshot = next((s for s in self.all() if s.id == wanted), None)
        if snapshot:
            self._copy_back(snapshot)
        self._journal.unlink()
        return snapshot

    def _stamp(self) -> str:
        """Return the time in UTC, or just after the newest where the clock went back."""
        now = datetime.now(UTC)
        if found := self.all():
            newest = datetime.strptime(found[0].id.partition("-")[0], _STAMP).replace(tzinfo=UTC)
            now = max(now, newest + timedelta(microseconds=1))
        return now.strftime(_STAMP)

    def _saved(self) -> list[Path]:
        places = [self._workspace.config, self._workspace.project_file.parent]
        inside = [p for place in places for p in place.rglob("*") if p.is_file()]
        env = self._workspace.env_file
        return [*inside, env] if env.is_file() else inside

    def _fill(self, folder: Path, snapshot: Snapshot) -> None:
        for name in snapshot.files:
            _copy(self._workspace.root / name, folder / "files" / name)
        fields = {"id": snapshot.id, "before": snapshot.before, "files": snapshot.files}
        write_atomic(folder / _MANIFEST, json.dumps(fields))

    def _copy_back(self, snapshot: Snapshot) -> None:
        source = self._workspace.snapshots / snapshot.id / "files"
        for name in snapshot.files:
            _copy(source / name, self._workspace.root / name)
        for path in self._saved():
            if str(path.relative_to(self._workspace.root)) not in snapshot.files:
                path.unlink()

    def _prune(self, keep: str) -> None:
        for old in (s for s in self.all()[_KEPT:] if s.id != keep):
            shutil.rmtree(self._workspace.snapshots / old.id, ignore_errors=True)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _copy(source: Path, target: Path) -> None:
    write_atomic(target, source.read_bytes(), mode=source.stat().st_mode & 0o777)


def _read(manifest: Path) -> Snapshot | None:
    try:
        raw = json.loads(manifest.read_text())
        return Snapshot(id=raw["id"], before=raw["before"], files=tuple(raw["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a power cut may have emptied it
