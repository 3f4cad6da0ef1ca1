"""The header of a GGUF file that is not here: read in ranges that grow until it is whole."""

import io
from collections.abc import Callable
from typing import BinaryIO, Protocol, cast

from frontier.adapters.gguf import parse_header
from frontier.domain.errors import DownloadError, ModelFormatError
from frontier.domain.model import GgufHeader
from frontier.domain.source import Remote, public_url

_FIRST_BYTES = 1 << 19
_MOST_BYTES = 1 << 23
_LONGEST_HEADER = 1 << 27  # a vocabulary of 262,144 tokens with its merges takes 16 MiB


class Stretches(Protocol):
    """Reads parts of a file that is not here."""

    def stretch(
        self, remote: Remote, begin: int, end: int, take: Callable[[int, bytes], None]
    ) -> None:
        """Read *remote* from *begin* up to *end*; *take* gets each part and where it begins."""
        ...


def read_remote_header(sources: Stretches, remote: Remote) -> GgufHeader:
    """Return what the file of *remote* says about itself; the rest of it stays where it is.

    Raises:
        DownloadError: the server does not answer, or gives no parts of files.
        ModelFormatError: no GGUF file, truncated, or beyond any honest size.
    """
    if remote.size_bytes is None:
        sources.stretch(remote, 0, 1, lambda _at, _part: None)  # says so where nobody answers
        raise DownloadError(
            f"{public_url(remote.url)} does not tell how long it is",
            hint="Download it first: frontier models pull SOURCE",
        )
    file = _Ranges(sources, remote, remote.size_bytes)
    return parse_header(remote.file_name, cast("BinaryIO", file), remote.size_bytes)


class _Ranges(io.RawIOBase):
    """A file of which only what is read is fetched, in steps that double."""

    def __init__(self, sources: Stretches, remote: Remote, size_bytes: int) -> None:
        self._sources, self._remote, self._size = sources, remote, size_bytes
        self._begin, self._held, self._at, self._step = 0, b"", 0, _FIRST_BYTES
        self._fetched = 0

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (self._at if whence == io.SEEK_CUR else 0)
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = min(self._at + size, self._size) if size >= 0 else self._size
        if not self._begin <= self._at <= end <= self._begin + len(self._held):
            self._fetch(end)
        data = self._held[self._at - self._begin : end - self._begin]
        self._at = end
        return data

    def _fetch(self, end: int) -> None:
        """Hold what lies from here up to *end* or further, what is held already not again."""
        kept = self._held[self._at - self._begin :] if self._is_within else b""
        begin = self._at + len(kept)
        until = min(max(end, begin + self._step), self._size)
        self._fetched += until - begin
        if self._fetched > _LONGEST_HEADER:
            raise ModelFormatError(
                f"{self._remote.file_name} is not a readable GGUF file: its header is longer than "
                f"{_LONGEST_HEADER:,} bytes"
            )
        parts = [kept]
        self._sources.stretch(self._remote, begin, until, lambda _, part: parts.append(part))
        self._begin, self._held = self._at, b"".join(parts)
        self._step = min(self._step * 2, _MOST_BYTES)

    @property
    def _is_within(self) -> bool:
        return self._begin <= self._at <= self._begin + len(self._held)
