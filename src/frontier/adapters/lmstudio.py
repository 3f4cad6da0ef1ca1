"""Folders of GGUF files, such as LM Studio's: ``PUBLISHER/REPOSITORY/FILE.gguf``."""

from pathlib import Path
from typing import Final

from frontier.domain.kept import KeptModel, is_split

_DEPTH: Final = 3  # publisher, repository, file: the hub's names


class LmStudio:
    """One folder of models.

    Args:
        root: Usually ``~/.lmstudio/models``, in older versions ``~/.cache/lm-studio/models``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def models(self) -> tuple[KeptModel, ...]:
        """Return one model per GGUF file, without those that read pictures for others."""
        files = sorted(path for path in self.root.rglob("*.gguf") if path.is_file())
        return tuple(self._kept(path) for path in files if "mmproj" not in path.name.lower())

    def _kept(self, path: Path) -> KeptModel:
        inner = path.relative_to(self.root)
        is_from_hub = len(inner.parts) == _DEPTH
        return KeptModel(
            keeper="lmstudio",
            name=inner.as_posix(),
            size_bytes=path.stat().st_size,
            place=self.root,
            path=path.resolve(),
            source=f"hf:{inner.as_posix()}" if is_from_hub else f"file:{path.resolve()}",
            file_name="" if is_split(path) else path.name,
        )
