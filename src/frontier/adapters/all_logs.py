"""The logs of host processes and of containers, as one."""

import contextlib
import heapq
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from itertools import dropwhile

from frontier.adapters.container_logs import ContainerLogs, Following
from frontier.adapters.logs import LogFile, Logs
from frontier.domain.errors import NotFoundError
from frontier.domain.log_line import LogLine, Reading, Wanted

_POLL_S = 0.2
_EVERYTHING = Wanted()


class AllLogs:
    """The logs of one workspace.

    Args:
        files: Of host processes.
        containers: Of containers; theirs hide files of that name, which an earlier host process
            left.
    """

    def __init__(self, files: Logs, containers: ContainerLogs) -> None:
        self._files, self._containers = files, containers

    def past(
        self, services: Sequence[str], lines: int | None, wanted: Wanted = _EVERYTHING
    ) -> Generator[LogLine]:
        """Yield what *services* wrote, or all where none is named, in order of time.

        Args:
            services: Names.
            lines: The last that many of each that are wanted; None for all of them.
            wanted: Which.

        Raises:
            NotFoundError: one has no log here, or nothing has.
        """
        with _Open(self._files, self._containers, services, is_read_once=True) as logs:
            yield from logs.past(lines, wanted)

    def follow(
        self,
        services: Sequence[str],
        lines: int | None,
        wanted: Wanted = _EVERYTHING,
        *,
        until: Callable[[], bool] = lambda: False,
    ) -> Generator[LogLine]:
        """Yield the same, and on as lines come, until *until*, also of services that start later.

        None is lost or comes twice: between past and present, where files rotate, and where a
        service is started again, as a process or as a container.

        Raises:
            NotFoundError: as `past`.
        """
        with _Open(self._files, self._containers, services, is_read_once=False) as logs:
            yield from logs.past(lines, wanted)
            logs.begin()
            while True:
                is_last = until()  # asked before reading: what came until then is yielded
                yield from sorted(filter(wanted.takes, logs.news()), key=_time)
                if is_last:
                    return
                time.sleep(_POLL_S)


class _Open(contextlib.ExitStack):
    """The open logs of some services, or of all.

    Raises:
        NotFoundError: one has no log here, or nothing has.
    """

    def __init__(
        self, files: Logs, containers: ContainerLogs, names: Sequence[str], *, is_read_once: bool
    ) -> None:
        super().__init__()
        self._folder, self._names = files, names
        self._containers: Following = containers.open(names)
        self.callback(self._containers.close)
        self._require(sorted({*files.services, *self._containers.services}))
        self._files: dict[str, LogFile] = {}
        self._read: dict[str, Reading] = {}
        for name in self._wanted_files():
            self._add(name, is_read_once=is_read_once)

    def _require(self, known: Sequence[str]) -> None:
        if not known:
            raise NotFoundError("nothing was logged here yet", hint="Begin with: frontier up")
        for name in self._names:
            if name not in known:
                raise NotFoundError(f"{name!r} has no log", hint=f"Known: {', '.join(known)}.")

    def _wanted_files(self) -> list[str]:
        return [n for n in self._folder.services if not self._names or n in self._names]

    def _add(self, name: str, *, is_read_once: bool = False, is_new: bool = False) -> None:
        with contextlib.suppress(NotFoundError):  # removed just now
            file = self._folder.open(name, is_read_once=is_read_once, is_new=is_new)
            self.callback(file.close)
            self._files[name] = file

    def past(self, lines: int | None, wanted: Wanted) -> Iterator[LogLine]:
        """Yield what there is, in order of time."""
        count = lines if wanted.is_all else None
        sources = [self._parsed(name, raw) for name, raw in self._pasts(count, wanted.since)]
        chosen = [filter(wanted.takes, source) for source in sources]
        return heapq.merge(*(_last(source, lines) for source in chosen), key=_time)

    def _pasts(self, count: int | None, since: str) -> Iterator[tuple[str, Iterable[str]]]:
        for name, file in self._files.items():
            if name not in self._containers.services:
                yield name, _late(file.whole_past(), since) if count is None else file.past(count)
        yield from self._containers.pasts(count=count, since=since)

    def _parsed(self, name: str, lines: Iterable[str]) -> Iterator[LogLine]:
        return map(self._reading(name), lines)

    def _reading(self, name: str) -> Reading:
        return self._read.setdefault(name, Reading(name))

    def begin(self) -> None:
        """Read from now on."""
        self._containers.begin()

    def news(self) -> Iterator[LogLine]:
        """Yield what came since the last call, also of services that have begun since."""
        for name in self._wanted_files():
            if name not in self._files:
                self._add(name, is_new=True)
        for name, file in self._files.items():
            yield from self._parsed(name, file.news())
        for name, raw in self._containers.news():
            yield self._reading(name)(raw)


def _late(lines: Iterator[str], since: str) -> Iterator[str]:
    """Return *lines* without most that were written before: to understand a line costs time."""
    return dropwhile(lambda line: line[:1] != "{" and line[: len(since)] < since, lines)


def _last(lines: Iterator[LogLine], count: int | None) -> Iterable[LogLine]:
    return lines if count is None else deque(lines, maxlen=count)


def _time(line: LogLine) -> str:
    return line.time or ""
