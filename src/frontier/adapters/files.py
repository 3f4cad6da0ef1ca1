"""Files that a crash cannot halve, and locks that die with their holder."""

import contextlib
import errno
import fcntl
import os
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

from frontier.domain.errors import BusyError, StorageError

_POLL_S = 0.05
_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextlib.contextmanager
def storage_errors(path: Path) -> Generator[None]:
    """Turn a failed write below *path* into a StorageError with the next move."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


def storage_error(error: OSError, path: Path) -> StorageError:
    """Return what a person needs to know when *path* could not be written."""
    if error.errno in _FULL:
        return StorageError(
            f"the disk is full: cannot write {path}",
            hint="Free space (`frontier models list`, `frontier models rm NAME`), then try again.",
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StorageError(
            f"cannot write {path}: {os.strerror(error.errno)}",
            hint="Choose a folder you own: `frontier --workspace DIR ...` or FRONTIER_HOME=DIR.",
        )
    return StorageError(f"cannot write {path}: {error.strerror or error}")


def write_atomic(
    path: Path, data: str | bytes, *, mode: int = 0o644, owner: int | None = None
) -> None:
    """Replace *path* by *data*; a reader or a crash sees the old file or the new one.

    Args:
        path: The file; its folder is made.
        data: What it holds from then on.
        mode: Its permissions.
        owner: Its user and group id, which only root may give away; None for ours.

    Raises:
        StorageError: full disk, read-only file system, no permission.
    """
    raw = data.encode() if isinstance(data, str) else data
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(raw)
                file.flush()
                os.fchmod(file.fileno(), mode)
                if owner is not None:
                    os.fchown(file.fileno(), owner, owner)
                os.fsync(file.fileno())
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside *folder* survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def locked(path: Path, *, doing: str, wait_s: float = 0.0) -> Generator[str]:
    """Hold the advisory lock *path*; the kernel frees it when the holder dies.

    Yields the `last_holder` before.

    Args:
        path: Lock file; holds ``pid doing`` of the last holder, never deleted.
        doing: What the holder does, shown to whoever waits in vain.
        wait_s: Seconds to wait for another holder.

    Raises:
        BusyError: another process still held it after *wait_s*.
        StorageError: the lock file cannot be written.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(handle, path, wait_s)
        before = last_holder(path)
        with storage_errors(path), _even_if_full():
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()} {doing}\n".encode(), 0)
        yield before
    finally:
        os.close(handle)


@contextlib.contextmanager
def _even_if_full() -> Generator[None]:
    """Do without the holder's name on a full disk: `frontier stop` has to work there, too."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise


def _acquire(handle: int, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise _busy(path) from None
            time.sleep(_POLL_S)
        else:
            return


def _busy(path: Path) -> BusyError:
    pid, _, doing = path.read_text(errors="replace").strip().partition(" ")
    return BusyError(
        f"another Frontier command is busy here: {doing or 'unknown'} (process {pid or '?'})",
        hint="Wait for it to end, then try again.",
    )


def last_holder(path: Path) -> str:
    """Return what differs once somebody else has held the lock *path*; "" before the first."""
    try:
        text = path.read_text(errors="replace").strip()
        return f"{text} {path.stat().st_mtime_ns}" if text else ""
    except FileNotFoundError:
        return ""


def is_locked(path: Path) -> bool:
    """Tell whether a living process holds the lock *path*; changes nothing."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(handle)
