"""Snapshots of configuration and project as plain folders; a killed restore is finished later."""

import json
import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from frontier.adapters.files import storage_errors, sync_folder, write_atomic
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import NotFoundError
from frontier.domain.snapshot import Snapshot

_KEPT = 20
_MANIFEST = "snapshot.json"


class Snapshots:
    """The snapshots of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._journal = workspace.state / "restoring"

    def take(self, before: str) -> Snapshot:
        """Copy what a command may change; drops the oldest beyond twenty.

        Raises:
            StorageError: full disk, read-only file system, no permission.
        """
        folder = self._workspace.snapshots
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
        name = f"{stamp}-{re.sub(r'[^a-z0-9]+', '-', before.lower()).strip('-')}"
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
        self._prune()
        return Snapshot(id=name, before=before, files=files)

    def all(self) -> tuple[Snapshot, ...]:
        """Return all snapshots, newest first."""
        found = [_read(path) for path in self._workspace.snapshots.glob(f"[0-9]*/{_MANIFEST}")]
        return tuple(sorted(found, key=lambda s: s.id, reverse=True))

    def find(self, snapshot_id: str) -> Snapshot:
        """Return the snapshot of that name, or the only one it begins."""
        found = [s for s in self.all() if s.id.startswith(snapshot_id)]
        if len(found) != 1:
            raise NotFoundError(
                f"{'no' if not found else 'more than one'} snapshot is called {snapshot_id!r}",
                hint="`frontier rollback --list` shows them all.",
            )
        return found[0]

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
        snapshot = self.find(self._journal.read_text())
        self._copy_back(snapshot)
        self._journal.unlink()
        return snapshot

    def _saved(self) -> list[Path]:
        places = [self._workspace.config, self._workspace.project_file.parent]
        inside = [p for place in places for p in place.rglob("*") if p.is_file()]
        env = self._workspace.env_file
        return [*inside, env] if env.is_file() else inside

    def _fill(self, folder: Path, snapshot: Snapshot) -> None:
        for name in snapshot.files:
            target = folder / "files" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self._workspace.root / name, target)
        (folder / _MANIFEST).write_text(
            json.dumps({"id": snapshot.id, "before": snapshot.before, "files": snapshot.files})
        )

    def _copy_back(self, snapshot: Snapshot) -> None:
        source = self._workspace.snapshots / snapshot.id / "files"
        for name in snapshot.files:
            saved = source / name
            write_atomic(
                self._workspace.root / name, saved.read_bytes(), mode=saved.stat().st_mode & 0o777
            )
        for path in self._saved():
            if str(path.relative_to(self._workspace.root)) not in snapshot.files:
                path.unlink()

    def _prune(self) -> None:
        for old in self.all()[_KEPT:]:
            shutil.rmtree(self._workspace.snapshots / old.id, ignore_errors=True)


def _read(manifest: Path) -> Snapshot:
    raw = json.loads(manifest.read_text())
    return Snapshot(id=raw["id"], before=raw["before"], files=tuple(raw["files"]))
