"""Service logs: the last lines, and all that comes, across rotation and restarts."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from frontier.domain.errors import NotFoundError

LOG_FILES = 3
"""Files that one log keeps, the current one included."""

_POLL_S = 0.2
_BLOCK_BYTES = 64 * 1024
_LONGEST_LINE_BYTES = 64 * 1024


class Logs:
    """The log files of one workspace.

    Args:
        folder: Where they lie, one per service, older generations numbered from 1.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def services(self) -> tuple[str, ...]:
        """Return the names that have a log, sorted; the daemon is one of them."""
        return tuple(sorted(path.stem for path in self._folder.glob("*.log")))

    def tail(self, service: str, lines: int) -> list[str]:
        """Return the last *lines* lines of *service*, from rotated files as well.

        Raises:
            NotFoundError: *service* has no log here.
        """
        path = self._path(service)
        found = list[str]()
        for generation in reversed(_generations(path)):
            found = last_lines(generation, lines - len(found)) + found
            if len(found) >= lines:
                break
        return found

    def follow(
        self, services: Sequence[str], *, tail: int = 0, until: Callable[[], bool] = lambda: False
    ) -> Iterator[tuple[str, str]]:
        """Yield ``(service, line)``: the last *tail* of each, then as they come, until *until*.

        A line that has no end yet is kept back until it has one; none is lost or comes twice.

        Raises:
            NotFoundError: a service has no log here.
        """
        followers = {name: _Follower(self._path(name)) for name in services}
        with contextlib.ExitStack() as stack:
            for follower in followers.values():
                stack.callback(follower.close)
            for name, follower in followers.items():
                for line in follower.past(tail):
                    yield name, line
            while True:
                is_last = until()  # asked before reading: what came until then is yielded
                for name, follower in followers.items():
                    for line in follower.lines():
                        yield name, line
                if is_last:
                    return
                time.sleep(_POLL_S)

    def _path(self, service: str) -> Path:
        if service not in self.services:
            known = ", ".join(self.services) or "none yet"
            raise NotFoundError(f"{service!r} has no log", hint=f"Known: {known}.")
        return self._folder / f"{service}.log"


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last *count* lines of one file, without reading all of it; [] without file."""
    if count <= 0:
        return []
    try:
        with path.open("rb") as file:
            return _read_back(file, file.seek(0, 2), count)
    except FileNotFoundError:
        return []


def _read_back(file: BinaryIO, end: int, count: int) -> list[str]:
    """Return the last *count* lines before *end*."""
    position, data = end, b""
    while position > 0 and data.count(b"\n") <= count:
        step = min(_BLOCK_BYTES, position)
        position -= step
        file.seek(position)
        data = file.read(step) + data
    return data.decode(errors="replace").splitlines()[-count:]


def _generations(path: Path) -> list[Path]:
    """Return the files of one log that exist, oldest first."""
    older = (path.with_name(f"{path.name}.{n}") for n in range(LOG_FILES - 1, 0, -1))
    return [file for file in (*older, path) if file.exists()]


class _Follower:
    """Reads one log from its last whole line on, through rotations."""

    def __init__(self, path: Path) -> None:
        self._path, self._rest = path, b""
        self._file: BinaryIO = path.open("rb")
        self._begin = self._last_line()

    def _last_line(self) -> int:
        """Return where the line begins that has no end yet, or would; go there."""
        end = self._file.seek(0, 2)
        block = min(end, _LONGEST_LINE_BYTES)
        self._file.seek(-block, 2)
        unfinished = len(self._file.read(block).rpartition(b"\n")[2])
        return self._file.seek(end - unfinished)

    def past(self, count: int) -> list[str]:
        """Return the last *count* lines before those that `lines` yields."""
        if count <= 0:
            return []
        found = _read_back(self._file, self._begin, count)
        self._file.seek(self._begin)
        for older in reversed(self._older()):
            if len(found) < count:
                found = last_lines(older, count - len(found)) + found
        return found

    def lines(self) -> Iterator[str]:
        """Yield the complete lines that came since the last call."""
        for data in self._news():
            *whole, self._rest = (self._rest + data).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
            if len(self._rest) > _LONGEST_LINE_BYTES:
                yield self._rest.decode(errors="replace")
                self._rest = b""

    def _news(self) -> Iterator[bytes]:
        """Yield what is unread in the open file, then in every newer one."""
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)  # someone has emptied it
        yield from self._read()
        for newer in self._newer():
            # the file may have grown between the last read and its rotation
            yield from self._read()
            with contextlib.suppress(FileNotFoundError):
                opened = newer.open("rb")
                self._file.close()
                self._file = opened
            yield from self._read()

    def _read(self) -> Iterator[bytes]:
        while data := self._file.read(_BLOCK_BYTES):
            yield data

    def _newer(self) -> list[Path]:
        """Return the generations after the open one, oldest first."""
        return self._around()[1]

    def _older(self) -> list[Path]:
        """Return the generations before the open one, oldest first."""
        return self._around()[0]

    def _around(self) -> tuple[list[Path], list[Path]]:
        ours = os.fstat(self._file.fileno())
        files = _generations(self._path)
        for index, file in enumerate(files):
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(ours, file.stat()):
                    return files[:index], files[index + 1 :]
        return [], files  # ours was rotated out of existence, or removed

    def close(self) -> None:
        """Close the file."""
        self._file.close()
