"""The cache of the Hugging Face hub: repositories with their files, shared by many programs."""

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from frontier.adapters.digests import health_of
from frontier.adapters.files import storage_errors
from frontier.domain.kept import KeptModel, is_split
from frontier.domain.model import Health

_SHA256: Final = 64  # hex digits; the name of a small file's blob is git's SHA-1


class HubCache:
    """One cache.

    Args:
        root: ``HF_HUB_CACHE``; need not exist.
        engines: Which of our engines read repositories with safetensors there.

    Source: huggingface_hub 2.4, constants.py and utils/_cache_manager.py: ``models--OWNER--NAME``
    with ``snapshots/COMMIT/FILE``, links to ``blobs``, where an LFS file has its SHA-256 as name.
    """

    def __init__(self, root: Path, *, engines: tuple[str, ...] = ()) -> None:
        self.root, self._engines = root, engines

    def models(self) -> tuple[KeptModel, ...]:
        """Return its models: one per GGUF file, one per repository with safetensors."""
        folders = sorted(self.root.glob("models--*--*"))
        return tuple(model for folder in folders for model in self._of(folder))

    def remove(self, name: str, *, dry_run: bool = False) -> int:
        """Remove a repository or one file of it, with the blobs that nothing else uses.

        Not by the library's own `delete_revisions`: it takes commits, and copies of a repository
        have the same ones.

        Returns:
            The bytes freed.

        Raises:
            StorageError: the cache cannot be written.
        """
        folder, gone = self._links(name)
        used = {path.resolve() for path in _files(self.root) if path not in gone}
        blobs = {path.resolve() for path in gone} - used
        freed = sum(stat.st_size for blob in blobs if (stat := blob.stat()).st_nlink == 1)
        if not dry_run:
            with storage_errors(self.root):
                _unlink(gone, blobs)
                if not any(_files(folder)):
                    shutil.rmtree(folder)
        return freed

    def verify(self, name: str, watch: Callable[[int], None]) -> Health:
        """Hash the files of *name* that the hub keeps in LFS; *watch* hears the bytes done.

        The others are small, and only named by what git makes of them.
        """
        blobs = sorted({path.resolve() for path in self._links(name)[1]})
        return health_of({blob: blob.name for blob in blobs if len(blob.name) == _SHA256}, watch)

    def _links(self, name: str) -> tuple[Path, set[Path]]:
        """Return the folder of the repository of *name*, and its files in all snapshots."""
        repo = "/".join(name.split("/")[:2])
        folder, inner = self.root / f"models--{repo.replace('/', '--')}", name[len(repo) + 1 :]
        files = (p for p in _files(folder) if not inner or _is(p, folder / "snapshots", inner))
        return folder, set(files)

    def _of(self, folder: Path) -> Iterator[KeptModel]:
        repo = "/".join(folder.name.split("--")[1:3])
        for snapshot in sorted(folder.glob("snapshots/*")):
            files = [path for path in snapshot.rglob("*") if path.is_file()]
            for path in files:
                if path.suffix == ".gguf" and "mmproj" not in path.name.lower():
                    yield self._file(repo, snapshot, path)
            if any(path.suffix == ".safetensors" for path in files):
                yield self._repository(repo, snapshot, files)

    def _file(self, repo: str, snapshot: Path, path: Path) -> KeptModel:
        blob = path.resolve()
        inner = path.relative_to(snapshot).as_posix()
        is_digest = len(blob.name) == _SHA256
        return KeptModel(
            keeper="hub",
            name=f"{repo}/{inner}",
            size_bytes=blob.stat().st_size,
            place=self.root,
            path=blob,
            digest=blob.name if is_digest else "",
            source=f"hf:{repo}@{snapshot.name}/{inner}",
            file_name="" if is_split(path) else path.name,
        )

    def _repository(self, repo: str, snapshot: Path, files: list[Path]) -> KeptModel:
        sizes: dict[Path, int] = {}
        for path in files:
            with contextlib.suppress(FileNotFoundError):
                blob = path.resolve()
                sizes[blob] = blob.stat().st_size
        return KeptModel(
            keeper="hub",
            name=repo,
            size_bytes=sum(sizes.values()),
            place=self.root,
            path=snapshot,
            source=f"hf:{repo}@{snapshot.name}",
            engines=self._engines,
        )


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of all snapshots in *folder*, a repository or the cache."""
    for snapshots in (*folder.glob("snapshots"), *folder.glob("models--*--*/snapshots")):
        yield from (path for path in snapshots.rglob("*") if path.is_file())


def _is(path: Path, snapshots: Path, inner: str) -> bool:
    return Path(*path.relative_to(snapshots).parts[1:]).as_posix() == inner


def _unlink(links: Iterable[Path], blobs: Iterable[Path]) -> None:
    """Delete *links* first: a kill leaves a blob without a name, not a name without its blob."""
    for link in links:
        # since 2.x a blob of the repository may be a link into a store that all share
        own = link.parent / link.readlink() if link.is_symlink() else link
        link.unlink()
        if own.is_symlink() and own.resolve() in blobs:
            own.unlink()
    for blob in blobs:
        blob.unlink(missing_ok=True)
