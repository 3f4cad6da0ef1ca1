"""What folders take on the disk, every file once however many links it has."""

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from frontier.domain.usage import DiskUse, Usage

_BLOCK_BYTES: Final = 512  # POSIX: the unit of st_blocks


def disk_use(
    places: Mapping[str, tuple[Path, str]], models: Path, *, unused_bytes: int = 0
) -> DiskUse:
    """Return what *places* take, in their order.

    Args:
        places: What it is, and its folder with the command that frees it; need not exist. A
            folder inside an earlier one counts there.
        models: Whose disk is told.
        unused_bytes: Of the store, what no name means.
    """
    seen: set[tuple[int, int]] = set()
    walked: set[str] = set()
    found = [_usage(what, path, command, seen, walked) for what, (path, command) in places.items()]
    there = next(path for path in (models, *models.parents) if path.exists())
    disk = shutil.disk_usage(there)
    return DiskUse(
        places=tuple(place for place in found if place.files),
        unused_bytes=unused_bytes,
        free_bytes=disk.free,
        total_bytes=disk.total,
    )


def _usage(
    what: str, folder: Path, command: str, seen: set[tuple[int, int]], walked: set[str]
) -> Usage:
    own = shared = files = 0
    for entry in _files(folder, walked):
        key, size = (entry.st_dev, entry.st_ino), entry.st_blocks * _BLOCK_BYTES
        is_new = key not in seen
        seen.add(key)
        files += 1
        own += size if is_new else 0
        shared += size if not is_new or entry.st_nlink > 1 else 0
    return Usage(
        what=what,
        path=str(folder),
        size_bytes=own,
        shared_bytes=shared,
        files=files,
        free_with=command,
    )


def _files(folder: Path, walked: set[str]) -> Iterator[os.stat_result]:
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if str(Path(where, name)) not in walked]
        for name in (name for name in names if not name.endswith(".lock")):
            try:
                entry = os.lstat(Path(where, name))
            except FileNotFoundError:  # a partial download that has just ended
                continue
            if stat.S_ISREG(entry.st_mode):
                yield entry
    walked.add(str(folder))
