"""SHA-256 of a file and of its parts, in one pass: damage can be told, and mended alone."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from frontier.domain.model import Health

PART_BYTES: Final = 4 << 20
"""Bytes of one part: a 40 GB model has 10,000, and its list of digests half a megabyte."""

_BUFFER_BYTES: Final = 1 << 20


def _ignore(_done: int, /) -> None:
    """Nobody watches."""


class Digest:
    """Hashes what comes, in pieces of any length.

    Attributes:
        done: Bytes so far.
    """

    def __init__(self) -> None:
        self._whole, self._part = hashlib.sha256(), hashlib.sha256()
        self._parts: list[str] = []
        self.done = 0

    def update(self, data: bytes) -> None:
        """Take the next bytes."""
        self._whole.update(data)
        view = memoryview(data)
        while view:
            room = PART_BYTES - self.done % PART_BYTES
            piece, view = view[:room], view[room:]
            self._part.update(piece)
            self.done += len(piece)
            if self.done % PART_BYTES == 0:
                self._parts.append(self._part.hexdigest())
                self._part = hashlib.sha256()

    @property
    def whole(self) -> str:
        """The digest of everything, 64 hex digits."""
        return self._whole.hexdigest()

    @property
    def parts(self) -> tuple[str, ...]:
        """The digest of each part; the last may be short."""
        rest = (self._part.hexdigest(),) if self.done % PART_BYTES else ()
        return (*self._parts, *rest)


def digest_of(path: Path, watch: Callable[[int], None] = _ignore) -> Digest:
    """Return the digest of *path*; *watch* hears the bytes done."""
    digest = Digest()
    with path.open("rb") as file:
        while chunk := file.read(_BUFFER_BYTES):
            digest.update(chunk)
            watch(digest.done)
    return digest


def health_of(files: Mapping[Path, str], watch: Callable[[int], None] = _ignore) -> Health:
    """Return the health of *files*, each with the SHA-256 that it must have; the first bad one's.

    Args:
        files: Read one after the other.
        watch: Hears the bytes done, of all together.
    """
    done = 0
    for path, expected in files.items():
        try:
            digest = digest_of(path, lambda read, before=done: watch(before + read))  # type: ignore[misc]
        except FileNotFoundError:
            return "missing"
        if digest.whole != expected:
            return "corrupt"
        done += digest.done
    return "ok"


def parts_of(path: Path, watch: Callable[[int], None] = _ignore) -> tuple[str, ...]:
    """Return the digests of the parts of *path* alone: half the work of `digest_of`."""
    found: list[str] = []
    with path.open("rb") as file:
        while chunk := file.read(PART_BYTES):
            found.append(hashlib.sha256(chunk).hexdigest())
            watch(file.tell())
    return tuple(found)
