"""Secrets as files: services get a path, so no key is ever seen in a process list."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from frontier.adapters.files import storage_errors, write_atomic

# A rollback starts an older project, which names its file; there are 20 snapshots to go back to.
_KEPT: Final = 22


@dataclass(frozen=True, slots=True)
class SecretsFolder:
    """The secret files of one workspace.

    Attributes:
        folder: Where they lie.
        is_preview: Write nothing: a secret that is not there yet only gets a name.
    """

    folder: Path
    is_preview: bool = False

    def keep(self, kind: str, value: str) -> Path:
        """Return a file that holds *value*, readable by the owner only.

        Another value gets another name, so whoever was started with the old path is restarted. The
        files used longest ago are deleted.

        Raises:
            StorageError: the folder cannot be read or written.
        """
        with storage_errors(self.folder):
            found = self._found(kind)
            same = next((path for path in found if path.read_bytes() == value.encode()), None)
            if self.is_preview:
                return same or self.planned(kind)
            if same:
                same.touch()
                return same
            return self._write(kind, value, found)

    def generated(self, kind: str) -> Path:
        """Return the file that holds the random *kind* of this workspace, made on first use.

        Raises:
            StorageError: the folder cannot be read or written.
        """
        with storage_errors(self.folder):
            if found := self._found(kind):
                return found[0]
        return self.keep(kind, secrets.token_urlsafe(24))

    def planned(self, kind: str) -> Path:
        """Return how a preview calls the file of a secret that is not there yet."""
        return self.folder / f"{kind}-new"

    def _found(self, kind: str) -> list[Path]:
        """Return the files of *kind*, used last first."""
        return sorted(self.folder.glob(f"{kind}-*"), key=lambda path: -path.stat().st_mtime_ns)

    def _write(self, kind: str, value: str, found: list[Path]) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{kind}-{secrets.token_hex(4)}"
        write_atomic(path, value, mode=0o600)
        for old in found[_KEPT - 1 :]:
            old.unlink(missing_ok=True)
        return path
