"""Whole repositories of the hub, put into its cache as its own clients would put them there.

Engines read them there by their name. The bytes come through our own downloader: they resume,
are verified, and never exceed what fits.
"""

import hashlib
import math
import os
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Final

from frontier.adapters.files import locked, storage_errors, write_atomic
from frontier.domain.errors import CorruptBlobError, DownloadError
from frontier.domain.source import public_url

if TYPE_CHECKING:
    from frontier.adapters.fetch import Fetcher
    from frontier.adapters.hub import Hub, HubFile, HubSnapshot

_WEIGHTS: Final = "*.safetensors"
_WANTED: Final = (_WEIGHTS, "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")


class HubSnapshots:
    """One cache.

    Args:
        root: ``HF_HUB_CACHE``.
        hub: Asked for the files.
        fetcher: Returns what brings them.

    Source: huggingface_hub 2.4, file_download.py: ``blobs/ID``, ``snapshots/COMMIT/FILE`` as
    relative links, ``refs/REVISION``.
    """

    def __init__(self, root: Path, hub: "Hub", fetcher: "Callable[[], Fetcher]") -> None:
        self._root, self._hub, self._fetcher = root, hub, fetcher

    def missing(self, repo: str, revision: str = "") -> tuple[int, int]:
        """Return the bytes of all files, and of those that are not here.

        Raises:
            DownloadError: the hub does not answer, or the repository has no safetensors.
        """
        files = _wanted(repo, self._hub.snapshot(repo, revision))
        folder = self._folder(repo)
        sizes = [file.remote.size_bytes or 0 for file in files.values()]
        held = [
            min(size, self._held(folder, f)) for f, size in zip(files.values(), sizes, strict=True)
        ]
        return sum(sizes), sum(sizes) - sum(held)

    def fetch(
        self,
        repo: str,
        revision: str = "",
        *,
        room: Callable[[int], None],
        progress: Callable[[int, int | None], None],
    ) -> tuple[int, int]:
        """Bring a repository; return the bytes of all files, and of those that came now.

        Raises:
            DownloadError: the hub does not answer; what came is kept.
            CorruptBlobError: what came is not what was promised; it is deleted.
            StorageError: the cache cannot be written.
        """
        snapshot = self._hub.snapshot(repo, revision)
        files, folder = _wanted(repo, snapshot), self._folder(repo)
        total = sum(file.remote.size_bytes or 0 for file in files.values())
        lock = self._root / ".locks" / folder.name / "frontier.lock"
        with locked(lock, doing=f"frontier models pull {repo}", wait_s=math.inf):
            room(total - sum(self._held(folder, file) for file in files.values()))
            done = came = 0
            for name, file in files.items():
                before = done
                size = file.remote.size_bytes or 0
                if not self._is_here(folder, file):
                    came += max(0, size - self._held(folder, file))
                    self._bring(folder, file, lambda d, _, b=before: progress(b + d, total))  # type: ignore[misc]
                done += size
                progress(done, total)
                _link(folder, snapshot.commit, name, file.blob)
            if revision != snapshot.commit:
                write_atomic(folder / "refs" / (revision or "main"), snapshot.commit)
        return total, came

    def _folder(self, repo: str) -> Path:
        return self._root / f"models--{repo.replace('/', '--')}"

    def _is_here(self, folder: Path, file: "HubFile") -> bool:
        blob = folder / "blobs" / file.blob
        return blob.exists() and blob.stat().st_size == file.remote.size_bytes

    def _held(self, folder: Path, file: "HubFile") -> int:
        """Return how many bytes of *file* are here, whole or begun."""
        places = (folder / "blobs" / file.blob, _part(folder, file))
        return next((path.stat().st_size for path in places if path.exists()), 0)

    def _bring(
        self, folder: Path, file: "HubFile", progress: Callable[[int, int | None], None]
    ) -> None:
        part = _part(folder, file)
        self._fetcher().download(file.remote, part, room=_no_limit, progress=progress)
        if not file.remote.digest and _git_digest(part) != file.blob:
            part.unlink()
            raise CorruptBlobError(
                f"{public_url(file.remote.url)} is not what the hub promised",
                hint="The bytes are deleted. Pull again; if it happens again, the source is bad.",
            )
        with storage_errors(part):
            part.replace(folder / "blobs" / file.blob)
            part.with_suffix(".json").unlink(missing_ok=True)


def _no_limit(_missing: int, /) -> None:
    """The room of all files was looked at before the first."""


def _part(folder: Path, file: "HubFile") -> Path:
    return folder / "blobs" / f"{file.blob}.incomplete"


def _wanted(repo: str, snapshot: "HubSnapshot") -> "Mapping[str, HubFile]":
    """Return the files that an engine needs, small ones first: a wrong name is told early.

    Raises:
        DownloadError: the repository has no safetensors.
    """
    files = {n: f for n, f in snapshot.files.items() if any(fnmatch(n, w) for w in _WANTED)}
    if not any(fnmatch(name, _WEIGHTS) for name in files):
        raise DownloadError(
            f"{repo} has no safetensors: no engine reads it from the hub's cache",
            hint=f"For a GGUF file of it: frontier models pull hf:{repo}:QUANTISATION",
        )
    return dict(sorted(files.items(), key=lambda item: item[1].remote.size_bytes or 0))


def _link(folder: Path, commit: str, name: str, blob: str) -> None:
    link = folder / "snapshots" / commit / name
    target = os.path.relpath(folder / "blobs" / blob, link.parent)
    with storage_errors(link):
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink() or str(link.readlink()) != target:
            link.unlink(missing_ok=True)
            link.symlink_to(target)


def _git_digest(path: Path) -> str:
    """Return what git calls the content of *path*."""
    data = path.read_bytes()  # files that are not in LFS have at most 10 MB
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
