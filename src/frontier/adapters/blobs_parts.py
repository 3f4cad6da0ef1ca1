"""What the parts of a blob have to be, so that damage is a place and not only a fact."""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from frontier.adapters.digests import PART_BYTES, parts_of
from frontier.adapters.files import storage_errors, write_atomic
from frontier.domain.errors import CorruptBlobError
from frontier.domain.model import Damage, Model

_FORMAT: Final = "sha256 of every part"


class Parts:
    """The digests of the parts of one store's blobs: one small file per blob.

    Args:
        folder: Created with the first write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, digest: str, size: int, parts: Sequence[str]) -> None:
        """Remember the *parts* of the blob *digest*, which is *size* bytes long."""
        fields = {"format": _FORMAT, "part_bytes": PART_BYTES, "size": size, "parts": list(parts)}
        write_atomic(self._path(digest), json.dumps(fields) + "\n")

    def of(self, model: Model) -> tuple[str, ...]:
        """Return the digests of the parts of *model*, () where they are not known."""
        try:
            fields = json.loads(self._path(model.digest).read_text())
            is_ours = fields["part_bytes"] == PART_BYTES and fields["size"] == model.size_bytes
            parts = tuple(str(part) for part in fields["parts"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return ()
        return parts if is_ours and len(parts) == -(-model.size_bytes // PART_BYTES) else ()

    def forget(self, digests: Sequence[str]) -> None:
        """Delete what is known of blobs other than *digests*."""
        kept = {self._path(digest) for digest in digests}
        for path in self._folder.glob("*"):
            if path not in kept:
                path.unlink(missing_ok=True)

    def damage(self, model: Model, watch: Callable[[int], None]) -> tuple[Damage, ...] | None:
        """Return the damaged stretches of the blob of *model*, None where they cannot be told.

        Parts that lie side by side are one stretch.
        """
        known = self.of(model)
        if not known or not model.path.exists():
            return None
        there = parts_of(model.path, watch)
        bad = [i for i, part in enumerate(known) if i >= len(there) or there[i] != part]
        found: list[Damage] = []
        for index in bad:
            begin, end = index * PART_BYTES, min((index + 1) * PART_BYTES, model.size_bytes)
            if found and found[-1].end == begin:
                begin = found.pop().begin
            found.append(Damage(begin, end))
        return tuple(found)

    def mend(self, model: Model, begin: int, data: bytes) -> None:
        """Write *data*, one whole part, over the blob of *model* at *begin*.

        In place: hard links of the blob are mended with it, and no second copy needs room. Only
        bytes with the right digest are written, so that a kill leaves no new damage.

        Raises:
            CorruptBlobError: *data* is not what has to be there; nothing is written.
            StorageError: the blob cannot be written.
        """
        if hashlib.sha256(data).hexdigest() != self.of(model)[begin // PART_BYTES]:
            raise CorruptBlobError(
                f"{model.source} gives other bytes than {model.name} had at {begin:,}",
                hint=f"Fetch it whole: frontier models rm {model.name} && "
                f"frontier models pull {model.name}",
            )
        with storage_errors(model.path):
            mode = stat.S_IMODE(model.path.stat().st_mode)
            model.path.chmod(mode | stat.S_IWUSR)
            try:
                handle = os.open(model.path, os.O_WRONLY | os.O_CLOEXEC)
                try:
                    os.pwrite(handle, data, begin)
                    if os.fstat(handle).st_size > model.size_bytes:
                        os.ftruncate(handle, model.size_bytes)
                    os.fsync(handle)
                finally:
                    os.close(handle)
            finally:
                model.path.chmod(mode)

    def _path(self, digest: str) -> Path:
        return self._folder / f"sha256-{digest}.json"
