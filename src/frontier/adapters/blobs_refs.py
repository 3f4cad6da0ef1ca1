"""Refs: one small JSON file per name that says which blob it means."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from frontier.adapters.files import storage_errors, write_atomic
from frontier.domain.model import Model


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a blob looked like when it was last verified; another look means: hash it again."""

    mtime_ns: int
    size: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> "Stamp":
        """Return how *path* looks now."""
        stat = path.stat()
        return cls(stat.st_mtime_ns, stat.st_size, stat.st_ino)


class Refs:
    """The refs of one store.

    Args:
        folder: Created with the first write.
        blob: Returns where the blob of a digest lies.
    """

    def __init__(self, folder: Path, blob: Callable[[str], Path]) -> None:
        self._folder, self._blob = folder, blob

    def all(self) -> tuple[Model, ...]:
        """Return the models of all readable refs, by name."""
        return tuple(model for name in self._names() if (model := self.load(name)))

    def broken(self) -> tuple[str, ...]:
        """Return the names whose ref cannot be read."""
        return tuple(name for name in self._names() if self.load(name) is None)

    def load(self, name: str) -> Model | None:
        """Return the model of that name, None if its ref is absent or unreadable."""
        return self._read(name)[0]

    def stamp(self, name: str) -> Stamp | None:
        """Return how the blob looked when it was verified; None if it is not."""
        return self._read(name)[1]

    def write(self, model: Model, stamp: Stamp | None) -> None:
        """Replace the ref of *model*; *stamp* None means that the blob is not verified."""
        fields = {key: value for key, value in asdict(model).items() if key != "path"}
        fields["verified"] = stamp and asdict(stamp)
        write_atomic(self._path(model.name), json.dumps(fields, indent=2) + "\n")

    def remove(self, name: str) -> None:
        """Forget *name*."""
        with storage_errors(self._path(name)):
            self._path(name).unlink(missing_ok=True)

    def clean(self) -> None:
        """Delete what killed writes left; only while nobody else writes."""
        for path in self._folder.glob(".*"):
            path.unlink()

    def _names(self) -> list[str]:
        files = self._folder.glob("[!.]*.json")
        return sorted(unquote(path.stem) for path in files)

    def _path(self, name: str) -> Path:
        return self._folder / f"{quoted(name)}.json"

    def _read(self, name: str) -> tuple[Model | None, Stamp | None]:
        try:
            raw = json.loads(self._path(name).read_text())
            model = Model(
                name=name,
                digest=str(raw["digest"]),
                size_bytes=int(raw["size_bytes"]),
                source=str(raw["source"]),
                file_name=str(raw["file_name"]),
                path=self._blob(str(raw["digest"])),
                pulled_at=str(raw["pulled_at"]),
            )
            return model, Stamp(**raw["verified"]) if raw["verified"] else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None, None


def quoted(name: str) -> str:
    """Return *name* as a file name."""
    return quote(name, safe="")
