"""Log files of host processes: what they have, and what comes, across rotation and restarts."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from frontier.domain.errors import NotFoundError
from frontier.domain.log_line import unstamped

LOG_FILES = 3
"""Files that one log keeps, the current one included."""

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
        """Return the last *lines* lines that *service* wrote, from rotated files as well.

        Raises:
            NotFoundError: *service* has no log here.
        """
        with contextlib.closing(self.open(service, is_read_once=True)) as log:
            return [unstamped(line)[1] for line in log.past(lines)]

    def open(self, service: str, *, is_read_once: bool = False, is_new: bool = False) -> "LogFile":
        """Open the log of *service* at its end; close it after use.

        Args:
            service: Whose.
            is_read_once: The past includes a last line that has no end yet.
            is_new: It has no past: all of it is new.

        Raises:
            NotFoundError: *service* has no log here.
        """
        path = self._folder / f"{service}.log"
        with contextlib.suppress(FileNotFoundError):
            return LogFile(path, is_read_once=is_read_once, is_new=is_new)
        known = ", ".join(self.services) or "none yet"
        raise NotFoundError(f"{service!r} has no log", hint=f"Known: {known}.")


def rotate(path: Path, files: int = LOG_FILES) -> None:
    """Make *path* the first of its older generations, and those one older; it is then gone."""
    for number in range(files - 1, 0, -1):
        newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
        with contextlib.suppress(FileNotFoundError):
            newer.replace(path.with_name(f"{path.name}.{number}"))


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last *count* lines of one file, without reading all of it; [] without file."""
    try:
        with path.open("rb") as file:
            return _read_back(file, file.seek(0, 2), count)
    except FileNotFoundError:
        return []


def _read_back(file: BinaryIO, end: int, count: int) -> list[str]:
    """Return the last *count* lines before *end*."""
    if count <= 0:
        return []
    position, data = end, b""
    while position > 0 and data.count(b"\n") <= count:
        step = min(_BLOCK_BYTES, position)
        position -= step
        file.seek(position)
        data = file.read(step) + data
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    return [line.decode(errors="replace") for line in lines[-count:]]


_Id = tuple[int, int]


def _id(found: os.stat_result) -> _Id:
    return found.st_dev, found.st_ino


def _generations(path: Path) -> dict[_Id, Path]:
    """Return the files of one log that exist, oldest first."""
    older = (path.with_name(f"{path.name}.{n}") for n in range(LOG_FILES - 1, 0, -1))
    found: dict[_Id, Path] = {}
    for file in (*older, path):
        with contextlib.suppress(FileNotFoundError):
            found[_id(file.stat())] = file
    return found


class LogFile:
    """One log: its past up to the last whole line, and from there on, through rotations."""

    def __init__(self, path: Path, *, is_read_once: bool, is_new: bool) -> None:
        self._path, self._rest = path, _Rest()
        self._file: BinaryIO = path.open("rb")
        self._begin, self._passed = 0, set[_Id]()
        self._around()  # from now on known: what is older
        if not is_new:
            self._begin = self._file.seek(0, 2) if is_read_once else self._last_line()

    def _last_line(self) -> int:
        """Return where the line begins that has no end yet, or would; go there."""
        end = self._file.seek(0, 2)
        block = min(end, _LONGEST_LINE_BYTES)
        self._file.seek(-block, 2)
        unfinished = len(self._file.read(block).rpartition(b"\n")[2])
        return self._file.seek(end - unfinished)

    def past(self, count: int) -> list[str]:
        """Return the last *count* lines before those that `news` yields."""
        found = _read_back(self._file, self._begin, count)
        self._file.seek(self._begin)
        for older in reversed(self._older()):
            found = last_lines(older, count - len(found)) + found
        return found

    def whole_past(self) -> Iterator[str]:
        """Yield every line before those that `news` yields; keeps none in memory.

        The files are opened at once: none is missed or read twice if they rotate meanwhile.
        """
        with contextlib.ExitStack() as stack:
            older = [stack.enter_context(path.open("rb")) for path in self._older()]
            rest = _Rest()
            for file in older:
                yield from rest.lines(_blocks(file, file.seek(0, 2)))
            yield from rest.lines(_blocks(self._file, self._begin))
            yield from rest.end()

    def news(self) -> Iterator[str]:
        """Yield the complete lines that came since the last call."""
        yield from self._rest.lines(self._news())

    def _news(self) -> Iterator[bytes]:
        """Yield what is unread in the open file, then in every newer one."""
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)  # someone has emptied it
        yield from self._read()
        while newer := self._next():
            # the file may have grown between the last read and its rotation
            yield from self._read()
            self._file.close()
            self._file = newer
            yield from self._read()

    def _read(self) -> Iterator[bytes]:
        while data := self._file.read(_BLOCK_BYTES):
            yield data

    def _next(self) -> BinaryIO | None:
        """Open the generation after the open one, None where there is none yet.

        It is looked for again once it is open: a rotation meanwhile gives its name to another.
        """
        while newer := self._newer():
            with contextlib.suppress(FileNotFoundError):
                opened = next(iter(newer.values())).open("rb")
                if _id(os.fstat(opened.fileno())) in list(self._newer())[:1]:
                    return opened
                opened.close()
        return None

    def _newer(self) -> dict[_Id, Path]:
        """Return the generations after the open one, oldest first."""
        return self._around()[1]

    def _older(self) -> list[Path]:
        """Return the generations before the open one, oldest first."""
        return self._around()[0]

    def _around(self) -> tuple[list[Path], dict[_Id, Path]]:
        ours, files = _id(os.fstat(self._file.fileno())), _generations(self._path)
        if ours in files:
            self._passed = set(list(files)[: list(files).index(ours)])
        # else it was rotated out of existence, or removed: what was older then is still there
        older = [file for id_, file in files.items() if id_ in self._passed and ours in files]
        return older, {i: file for i, file in files.items() if i not in {*self._passed, ours}}

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _blocks(file: BinaryIO, end: int) -> Iterator[bytes]:
    """Yield what lies before *end*; where others read the file stays as it is."""
    for position in range(0, end, _BLOCK_BYTES):
        yield os.pread(file.fileno(), min(_BLOCK_BYTES, end - position), position)


class _Rest:
    """Cuts blocks into lines; the last one waits for its end."""

    def __init__(self) -> None:
        self._rest = b""

    def lines(self, blocks: Iterator[bytes]) -> Iterator[str]:
        for data in blocks:
            *whole, self._rest = (self._rest + data).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
            if len(self._rest) > _LONGEST_LINE_BYTES:
                yield from self.end()

    def end(self) -> Iterator[str]:
        """Yield the line that has no end."""
        rest, self._rest = self._rest, b""
        if rest:
            yield rest.decode(errors="replace")
