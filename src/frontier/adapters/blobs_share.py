"""One file under two roofs without a second copy of its bytes."""

import errno
import fcntl
import os
import shlex
import sys
from pathlib import Path
from typing import Final, Literal

from frontier.adapters.files import storage_error, sync_folder
from frontier.domain.errors import RefusedError

How = Literal["hard link", "reflink"]

_FICLONE: Final = 0x40049409  # linux/fs.h: copy on write, on Btrfs and XFS
_CANNOT: Final = (errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP)


def share(file: Path, place: Path) -> How:
    """Make *place* the same bytes as *file*, which stays where it is.

    Args:
        file: Somebody else's.
        place: Replaced; a reader sees the old file or the new one.

    Raises:
        RefusedError: it would have to be copied: another disk, or not ours to link.
        StorageError: the folder of *place* cannot be written.
    """
    beside = place.with_name(f".{place.name}")
    beside.unlink(missing_ok=True)
    try:
        beside.hardlink_to(file)
        how: How = "hard link"
    except OSError as error:
        if error.errno not in _CANNOT:
            raise storage_error(error, place) from error
        if not _cloned(file, beside):
            raise _refused(file, place, error) from error
        how = "reflink"
    beside.replace(place)
    beside.unlink(missing_ok=True)  # renaming onto another link of the same file does nothing
    sync_folder(place.parent)
    return how


def _cloned(file: Path, place: Path) -> bool:
    if sys.platform != "linux":
        return False
    try:
        with file.open("rb") as source, place.open("xb") as target:
            fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
            os.fchmod(target.fileno(), 0o444)
            os.fsync(target.fileno())
    except OSError:  # another disk, or a file system without it
        place.unlink(missing_ok=True)
        return False
    return True


def _refused(file: Path, place: Path, error: OSError) -> RefusedError:
    if error.errno == errno.EXDEV:
        why = f"it lies on another disk than {place.parent}"
    else:
        why = f"linking it is not allowed ({os.strerror(error.errno or 0)})"
    return RefusedError(
        f"{file} would have to be copied: {why}",
        hint=f"To copy it: frontier models pull {shlex.quote(f'file:{file}')}",
    )
