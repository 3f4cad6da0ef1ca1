"""The folder of backups: one archive each, and nothing half written under a backup's name."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

from frontier.adapters import backup_archive
from frontier.adapters.backup_archive import SUFFIX, Progress, Sink
from frontier.adapters.digests import digest_of
from frontier.adapters.files import locked, storage_errors
from frontier.domain.backup import Backup, Manifest, check_name
from frontier.domain.errors import FrontierError, NotFoundError, RefusedError

_BUSY_S = 3.0


class Backups:
    """The backups in one folder.

    Args:
        folder: Created with the first backup.
        lock: Held while a backup is made, restored or removed.
    """

    def __init__(self, folder: Path, lock: Path) -> None:
        self.folder, self._lock = folder, lock

    @contextlib.contextmanager
    def changing(self, command: str) -> Generator[None]:
        """Hold the lock while *command* works, and remove what killed commands left.

        Raises:
            BusyError: another backup or restore is under way.
        """
        with locked(self._lock, doing=f"frontier {command}", wait_s=_BUSY_S):
            for left in (*self.folder.glob(".*.part"), *self.folder.glob(".spool-*")):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield

    @contextlib.contextmanager
    def spool(self) -> Generator[Path]:
        """Yield a folder, only ours, for what goes into an archive; it lasts as long as the block.

        Raises:
            StorageError: full disk, read-only file system, no permission.
        """
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            spool = Path(tempfile.mkdtemp(dir=self.folder, prefix=".spool-"))
        try:
            yield spool
        finally:
            shutil.rmtree(spool, ignore_errors=True)

    def require_new(self, name: str) -> Path:
        """Return where a backup called *name* will lie.

        Raises:
            UsageError: it cannot be called so.
            RefusedError: there is one of that name; it is never replaced.
        """
        path = self.folder / f"{check_name(name)}{SUFFIX}"
        if path.exists():
            raise RefusedError(
                f"there is a backup called {name!r} already", hint="Choose another --name."
            )
        return path

    def write(
        self, name: str, manifest: Manifest, source: Callable[[str], Path], on: Progress
    ) -> Backup:
        """Write the archive and verify it."""
        path = self.require_new(name)
        backup_archive.write(path, manifest, source, on)
        return _backup(path)

    @staticmethod
    def digest(path: Path) -> str:
        """Return the SHA-256 of a file in the spool."""
        return digest_of(path).whole

    def all(self) -> tuple[Backup, ...]:
        """Return all backups, newest first; those that cannot be read come last."""
        found = [_backup(path) for path in self.folder.glob(f"[!.]*{SUFFIX}")]
        return tuple(sorted(found, key=_age, reverse=True))

    def find(self, which: str) -> Path:
        """Return the archive of that name, or at that path.

        Raises:
            NotFoundError: there is none.
        """
        named = self.folder / f"{which}{SUFFIX}"
        path = named if named.is_file() else Path(which).expanduser().absolute()
        if not path.is_file():
            raise NotFoundError(
                f"there is no backup called {which!r} in {self.folder}, and no such file",
                hint="frontier backup list",
            )
        return path

    def manifest(self, which: str) -> Manifest:
        """Return what the backup says about itself."""
        return backup_archive.read_manifest(self.find(which))

    def read(self, which: str, sink: Sink, on: Progress) -> Manifest:
        """Send all members through *sink*, each one verified."""
        return backup_archive.read(self.find(which), sink, on)

    def remove(self, backup: Backup) -> None:
        """Delete *backup*."""
        with storage_errors(backup.path):
            backup.path.unlink(missing_ok=True)


def _backup(path: Path) -> Backup:
    name = path.name.removesuffix(SUFFIX)
    manifest, problem = None, ""
    try:
        manifest = backup_archive.read_manifest(path)
    except FrontierError as error:
        problem = error.message
    return Backup(
        name=name,
        path=path,
        size_bytes=path.stat().st_size,
        manifest=manifest,
        problem=problem,
    )


def _age(backup: Backup) -> tuple[bool, str, str]:
    manifest = backup.manifest
    return (manifest is not None, manifest.created if manifest else "", backup.name)
