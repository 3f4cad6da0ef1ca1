"""Archives of backups: written beside, verified, renamed; read without trusting a single byte."""

import contextlib
import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO, Final

from frontier.adapters.files import storage_error, storage_errors, sync_folder
from frontier.domain.backup import Manifest
from frontier.domain.errors import DamagedBackupError, NotFoundError, StorageError
from frontier.ports import Readable

SUFFIX: Final = ".tar.gz"
MANIFEST: Final = "manifest.json"

_BUFFER_BYTES = 1 << 20
_MANIFEST_BYTES = 64 << 20  # that of tens of thousands of files; a larger one is not ours
_LEVEL = 6
_LEVEL_OF_MODELS = 1  # weights hardly shrink
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError)

Progress = Callable[[int], None]
"""Hears how many bytes more are done."""

Sink = Callable[[str, Readable], None]
"""Receives the name of a member and its content, of which it reads what it wants."""


def write(path: Path, manifest: Manifest, source: Callable[[str], Path], on: Progress) -> None:
    """Write the archive *path*, mode 0600, and verify it; a kill leaves no file of that name.

    Args:
        path: Where it will lie once it is whole.
        manifest: Says which members there are.
        source: Returns the file that holds the content of a member.
        on: Hears every byte twice: written and verified.

    Raises:
        StorageError: full disk, read-only file system, no permission.
        DamagedBackupError: what lies there is not what was written: the disk is bad, or a file
            changed meanwhile.
    """
    beside = path.with_name(f".{path.name}.part")
    with _removed_on_failure(beside):
        with storage_errors(path):
            _write(beside, manifest, source, on)
        read(beside, _ignore, on)
        with storage_errors(path):
            beside.rename(path)
            sync_folder(path.parent)


def _write(path: Path, manifest: Manifest, source: Callable[[str], Path], on: Progress) -> None:
    level = _LEVEL_OF_MODELS if manifest.included else _LEVEL
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as raw:
        with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=level) as archive:
            text = manifest.to_json().encode()
            _add(archive, MANIFEST, len(text), io.BytesIO(text))
            for name, (size, _) in manifest.members.items():
                with source(name).open("rb") as file:
                    _add(archive, name, size, _Watched(file, on))
        raw.flush()
        os.fsync(raw.fileno())


def _add(archive: tarfile.TarFile, name: str, size: int, content: Readable) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    archive.addfile(member, content)


def read(path: Path, sink: Sink, on: Progress) -> Manifest:
    """Return the manifest of *path* after all members went through *sink*, each one verified.

    Only plain files under exactly the names of the manifest are accepted, in its order.

    Raises:
        NotFoundError: there is no such file.
        StorageError: it cannot be read.
        RefusedError: a newer Frontier wrote it.
        DamagedBackupError: it is damaged, or no backup at all.
    """
    with _damage(path), tarfile.open(path, mode="r|gz") as archive:
        manifest = _manifest(archive)
        for name, (size, digest) in manifest.members.items():
            content = _Watched(_content(archive, name, size), on)
            sink(name, content)
            content.drain()
            if content.digest != digest:
                raise tarfile.TarError(f"{name} is not what it was when it was saved")
        if archive.next() is not None:
            raise tarfile.TarError("it holds more than its manifest says")
    return manifest


def read_manifest(path: Path) -> Manifest:
    """Return the manifest alone; what follows is not verified.

    Raises:
        NotFoundError: there is no such file.
        StorageError: it cannot be read.
        RefusedError: a newer Frontier wrote it.
        DamagedBackupError: it is damaged, or no backup at all.
    """
    with _damage(path), tarfile.open(path, mode="r|gz") as archive:
        return _manifest(archive)


def _manifest(archive: tarfile.TarFile) -> Manifest:
    member = archive.next()
    if member is None or member.name != MANIFEST or member.size > _MANIFEST_BYTES:
        raise tarfile.TarError("it does not begin with a manifest")
    content = archive.extractfile(member) if member.isreg() else None
    try:
        return Manifest.from_json(content.read().decode() if content else "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise tarfile.TarError(f"its manifest cannot be read: {error}") from error


def _content(archive: tarfile.TarFile, name: str, size: int) -> IO[bytes]:
    member = archive.next()
    if member is None or member.name != name or member.size != size or not member.isreg():
        raise tarfile.TarError(f"{name} is missing, or not a plain file of {size} bytes")
    content = archive.extractfile(member)
    if content is None or member.issparse():
        raise tarfile.TarError(f"{name} has no content")
    return content


class _Watched:
    """A file that is hashed while it is read."""

    def __init__(self, file: Readable, on: Progress) -> None:
        self._file, self._on, self._hash = file, on, hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Return up to *size* bytes, all that are left where it is negative."""
        data = self._file.read(size)
        self._hash.update(data)
        self._on(len(data))
        return data

    def drain(self) -> None:
        """Read what is left."""
        while self.read(_BUFFER_BYTES):
            pass

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what was read."""
        return self._hash.hexdigest()


@contextlib.contextmanager
def _damage(path: Path) -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", hint="frontier backup list") from error
    except _DAMAGE as error:
        raise DamagedBackupError(
            f"{path} is no backup, or it is damaged: {error}",
            hint="Nothing was changed. The others: frontier backup list",
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> StorageError:
    if error.filename is not None and Path(error.filename) != path:
        return storage_error(error, Path(error.filename))  # the sink's, which writes
    return StorageError(
        f"cannot read {path}: {error.strerror or error}",
        hint=f'Make it yours: sudo chown "$USER" {path}',
    )


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Generator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise


def _ignore(_name: str, _content: Readable) -> None:
    """Only verify."""
