"""Secrets as files: services get a path, so no key is ever seen in a process list."""

import secrets
from pathlib import Path

from frontier.adapters.files import storage_errors, write_atomic


def secret_file(folder: Path, kind: str, value: str) -> Path:
    """Return a file below *folder* that holds *value*, readable by the owner only.

    Another value gets another name, so whoever was started with the old path is restarted.

    Raises:
        StorageError: the folder cannot be written.
    """
    for path in folder.glob(f"{kind}-*"):
        if path.read_text() == value:
            return path
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{kind}-{secrets.token_hex(4)}"
    write_atomic(path, value, mode=0o600)
    return path
