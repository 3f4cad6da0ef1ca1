"""Where backups lie, and what they are made from."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from frontier.domain.backup import Backup, Manifest, SavedFile, SavedVolume
from frontier.domain.sweep import Found
from frontier.ports.reporting import Reporter


class Readable(Protocol):
    """Bytes that are read once, from the beginning."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to *size* bytes, all that are left where it is negative."""
        ...


class BackupStore(Protocol):
    """The folder of backups."""

    def changing(self, command: str) -> AbstractContextManager[None]:
        """Hold the lock of backups while *command* works."""
        ...

    def spool(self) -> AbstractContextManager[Path]:
        """Yield a folder, only ours, for what goes into an archive."""
        ...

    def require_new(self, name: str) -> Path:
        """Return where a backup called *name* will lie.

        Raises:
            RefusedError: there is one of that name.
        """
        ...

    def write(
        self,
        name: str,
        manifest: Manifest,
        source: Callable[[str], Path],
        on: Callable[[int], None],
    ) -> Backup:
        """Write the archive and verify it; *source* returns the file of a member."""
        ...

    def digest(self, path: Path) -> str:
        """Return the SHA-256 of a file in the spool."""
        ...

    def all(self) -> tuple[Backup, ...]:
        """Return all backups, newest first."""
        ...

    def find(self, which: str) -> Path:
        """Return the archive of that name, or at that path."""
        ...

    def manifest(self, which: str) -> Manifest:
        """Return what the backup says about itself; nothing else is verified."""
        ...

    def read(
        self, which: str, sink: Callable[[str, Readable], None], on: Callable[[int], None]
    ) -> Manifest:
        """Send all members through *sink*, each one verified."""
        ...

    def remove(self, backup: Backup) -> None:
        """Delete *backup*."""
        ...


class DataStores(Protocol):
    """What services write all the time: folders of the workspace and volumes of Docker."""

    def names(self, project: str) -> tuple[str, ...]:
        """Return what there is; *project* is the Compose project, "" without containers."""
        ...

    def present(self, names: Collection[str]) -> tuple[str, ...]:
        """Return which of *names* are here.

        Raises:
            RuntimeFailedError: Docker has to be asked, and does not answer.
        """
        ...

    def save(self, name: str, project: str, target: Path, on: Callable[[int], None]) -> None:
        """Write one to the tar file *target*; who writes to it is paused meanwhile."""
        ...

    def load(self, name: str, project: str, source: Path, on: Callable[[int], None]) -> None:
        """Make one hold what the tar file *source* holds, and nothing else."""
        ...


class Staging(Protocol):
    """Where a workspace's files are gathered for a backup, and prepared for a restore."""

    def copy(self, folder: Path) -> tuple[SavedFile, ...]:
        """Copy what a backup covers below *folder*."""
        ...

    def changes(self, manifest: Manifest) -> tuple[str, ...]:
        """Return the files that a restore would change, add or remove."""
        ...

    def begin(self, manifest: Manifest, *, volumes: Collection[str]) -> None:
        """Make room for a restore of the files and of *volumes*.

        Raises:
            DoesNotFitError: there is none.
        """
        ...

    def put(self, name: str, content: Readable) -> None:
        """Take one member of the archive."""
        ...

    def abandon(self) -> None:
        """Drop what was prepared."""
        ...

    def commit(self, name: str) -> None:
        """Replace the workspace's files; from here on the new state counts."""
        ...

    def pending(self) -> tuple[tuple[SavedVolume, str, Path], ...]:
        """Return the volumes still to be loaded, each with its Compose project and tar file."""
        ...

    def loaded(self, volume: SavedVolume) -> None:
        """Forget a volume that is loaded."""
        ...


class ContainerSweep(Protocol):
    """All that Docker has of a workspace, whatever state its files are in."""

    @property
    def are_expected(self) -> bool:
        """Tell, without asking Docker, whether there may be containers."""
        ...

    def find(self) -> Found:
        """Return what there is.

        Raises:
            RuntimeFailedError: Docker does not answer.
        """
        ...

    def remove(self, found: Found, reporter: Reporter, *, volumes: bool, images: bool) -> None:
        """Remove containers and networks, and volumes and images where asked to."""
        ...
