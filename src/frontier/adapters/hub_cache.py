"""The cache of the Hugging Face hub: repositories with their files, shared by many programs."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from frontier.adapters.files import storage_errors
from frontier.domain.kept import KeptModel, is_split


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
        """Remove the repository *name* and the blobs that no other has; return the bytes freed.

        Raises:
            StorageError: the cache cannot be written.
        """
        from huggingface_hub import scan_cache_dir

        found = [r for r in scan_cache_dir(self.root).repos if r.repo_id == name]
        commits = [revision.commit_hash for repo in found for revision in repo.revisions]
        plan = scan_cache_dir(self.root).delete_revisions(*commits)
        freed = int(plan.expected_freed_size)
        if not dry_run:
            with storage_errors(self.root):
                plan.execute()
        return freed

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
        is_digest = len(blob.name) == 64  # noqa: PLR2004 SHA-256 in hex; of small files it is SHA-1
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
