"""Secrets as files: services get a path, so no key is ever seen in a process list."""

import secrets
from pathlib import Path

from frontier.adapters.files import storage_errors, write_atomic

# A rollback starts an older project, which names its file; there are 20 snapshots to go back to.
_KEPT = 22


def secret_file(folder: Path, kind: str, value: str) -> Path:
    """Return a file below *folder* that holds *value*, readable by the owner only.

    Another value gets another name, so whoever was started with the old path is restarted. The
    files used longest ago are deleted.

    Raises:
        StorageError: the folder cannot be read or written.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = sorted(folder.glob(f"{kind}-*"), key=lambda path: -path.stat().st_mtime_ns)
        for path in found:
            if path.read_bytes() == value.encode():
                path.touch()
                return path
        path = folder / f"{kind}-{secrets.token_hex(4)}"
        write_atomic(path, value, mode=0o600)
        for old in found[_KEPT - 1 :]:
            old.unlink(missing_ok=True)
    return path


def generated_secret(folder: Path, kind: str) -> Path:
    """Return the file that holds the random *kind* of this workspace, made on first use.

    Raises:
        StorageError: the folder cannot be read or written.
    """
    with storage_errors(folder):
        if found := [*folder.glob(f"{kind}-*")]:
            return max(found, key=lambda path: path.stat().st_mtime_ns)
    return secret_file(folder, kind, secrets.token_urlsafe(24))
