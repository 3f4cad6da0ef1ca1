"""A workspace's files gathered for a backup, and those of a backup prepared for a restore."""

import hashlib
import json
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from frontier.adapters.blobs import BlobStore
from frontier.adapters.file_swap import FileSwap, Swap, inside
from frontier.adapters.files import storage_errors, sync_folder
from frontier.adapters.workspace import MARKER, Workspace
from frontier.domain.backup import REPLACED, SCOPES, Manifest, SavedFile, SavedVolume, moved
from frontier.domain.errors import DamagedBackupError, DoesNotFitError
from frontier.domain.snapshot import DECLARED
from frontier.domain.units import size
from frontier.ports import Readable

_PENDING = f"{MARKER}/pending"
_LIST = f"{_PENDING}/volumes.json"
_MARGIN_BYTES = 16 << 20
_BUFFER_BYTES = 1 << 20


class Staging:
    """The files of one workspace.

    Volumes cannot be replaced together with the files. Their tar files are committed with them
    instead, and loaded afterwards; what a kill leaves is loaded by the next command.

    Args:
        workspace: Whose files to save or replace.
        models: Where the blobs of a backup go.
        python: The interpreter that a restored project gets.
    """

    def __init__(self, workspace: Workspace, models: BlobStore, *, python: str) -> None:
        self._root, self._secrets = workspace.root, workspace.secrets
        self._models, self._python = models, python
        self._swap = FileSwap(workspace)
        self._manifest: Manifest | None = None
        self._volumes: dict[str, str] = {}

    def copy(self, folder: Path) -> tuple[SavedFile, ...]:
        """Copy what a backup covers below *folder*.

        Raises:
            StorageError: full disk, no permission.
        """
        with storage_errors(folder):
            return tuple(self._copy(path, folder) for path in inside(self._root, SCOPES))

    def _copy(self, path: Path, folder: Path) -> SavedFile:
        name = str(path.relative_to(self._root))
        data, mode = path.read_bytes(), path.stat().st_mode & 0o777
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        return SavedFile(path=name, size_bytes=len(data), sha256=digest, mode=mode)

    def changes(self, manifest: Manifest) -> tuple[str, ...]:
        """Return the files that a restore would change, add or remove."""
        saved = {file.path: file.sha256 for file in manifest.files}
        here = {str(p.relative_to(self._root)): p for p in inside(self._root, REPLACED)}
        return tuple(
            name
            for name in sorted(saved.keys() | here.keys())
            if name not in saved or _digest(self._root / name) != saved[name]
        )

    def begin(self, manifest: Manifest, *, volumes: Collection[str]) -> None:
        """Make room for a restore of the files and of *volumes*.

        Raises:
            DoesNotFitError: there is none.
            StorageError: the workspace cannot be written.
        """
        self._manifest = manifest
        self._volumes = {v.file: v.name for v in manifest.volumes if v.name in volumes}
        self._swap.begin()
        free = shutil.disk_usage(self._swap.staged).free
        if manifest.size_bytes + _MARGIN_BYTES > free:
            self.abandon()
            raise DoesNotFitError(
                f"the backup holds {size(manifest.size_bytes)}, but only {size(free)} are free",
                hint="Free space: frontier models list, frontier models rm NAME",
            )

    @property
    def _current(self) -> Manifest:
        assert self._manifest is not None  # noqa: S101 `begin` comes first
        return self._manifest

    def put(self, name: str, content: Readable) -> None:
        """Take one member of the archive."""
        kind, _, rest = name.partition("/")
        if kind == "files":
            self._put_file(rest, content.read())
        elif kind == "volumes" and rest in self._volumes:
            self._write(self._swap.staged / _PENDING / rest, content)
        elif kind == "models":
            self._put_model(rest, content)

    def _put_file(self, name: str, data: bytes) -> None:
        mode = next(file.mode for file in self._current.files if file.path == name)
        if name == DECLARED:
            text = data.decode(errors="replace")
            here = {"root": str(self._root), "python": self._python}
            data = moved(text, self._current, **here).encode()
        self._swap.stage(name, data, mode)

    def _put_model(self, digest: str, content: Readable) -> None:
        """Store a blob under all its names; one that is here already stays."""
        for model in (m for m in self._current.models if m.digest == digest):
            fields = {
                "digest": digest,
                "source": model.source,
                "file_name": model.file_name,
            }
            if self._models.adopt(model.name, **fields) is None:
                part = self._models.partial(model.name, model.source)
                if self._write(part, content) != digest:
                    part.unlink()
                    raise DamagedBackupError(f"the blob of {model.name} changed while it was read")
                self._models.publish(part, model.name, **fields)

    @staticmethod
    def _write(target: Path, content: Readable) -> str:
        """Write *content* to the disk; return its SHA-256."""
        written = hashlib.sha256()
        with storage_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                while chunk := content.read(_BUFFER_BYTES):
                    written.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        return written.hexdigest()

    def abandon(self) -> None:
        """Drop what was prepared."""
        self._swap.abandon()

    def commit(self, name: str) -> None:
        """Replace the workspace's files; from here on the new state counts.

        Raises:
            StorageError: the workspace cannot be written.
        """
        files = [file.path for file in self._current.files]
        if self._volumes:
            note = {"project": self._current.project, "volumes": self._volumes}
            self._swap.stage(_LIST, json.dumps(note).encode(), 0o600)
            files += [*(f"{_PENDING}/{file}" for file in self._volumes), _LIST]
        with storage_errors(self._secrets):
            self._secrets.mkdir(parents=True, exist_ok=True, mode=0o700)
        scopes = (*REPLACED, _PENDING)
        self._swap.commit(Swap(name=name, files=tuple(files), scopes=scopes))

    def pending(self) -> tuple[tuple[SavedVolume, str, Path], ...]:
        """Return the volumes still to be loaded, each with its Compose project and tar file."""
        try:
            raw = json.loads((self._root / _LIST).read_text())
        except (FileNotFoundError, ValueError):
            return ()
        tars = {file: self._root / _PENDING / file for file in raw["volumes"]}
        return tuple(
            (
                SavedVolume(name=name, size_bytes=tars[file].stat().st_size, sha256=""),
                raw["project"],
                tars[file],
            )
            for file, name in raw["volumes"].items()
            if tars[file].exists()
        )

    def loaded(self, volume: SavedVolume) -> None:
        """Forget a volume that is loaded."""
        folder = self._root / _PENDING
        with storage_errors(folder):
            (folder / volume.file).unlink(missing_ok=True)
            if not any(folder.glob("*.tar")):
                shutil.rmtree(folder)
            sync_folder(folder.parent)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
