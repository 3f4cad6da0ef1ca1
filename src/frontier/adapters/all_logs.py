"""The logs of host processes and of containers, as one."""

import queue
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from frontier.adapters.logs import Logs
from frontier.domain.errors import NotFoundError


class ContainerLogs(Protocol):
    """What the Docker runtime gives of its containers' logs."""

    def __call__(self, service: str, *, tail: int | None, follow: bool = False) -> Iterator[str]:
        """Yield the lines of one service."""
        ...


class AllLogs:
    """The logs of one workspace.

    Args:
        files: Of host processes.
        names: Returns the services that run in containers; their logs hide files of that name,
            which an earlier host process left.
        read: Reads one container's log.
    """

    def __init__(
        self, files: Logs, names: Callable[[], Collection[str]], read: ContainerLogs
    ) -> None:
        self._files, self._names, self._read = files, names, read

    @property
    def services(self) -> tuple[str, ...]:
        """Return the names that have a log, sorted."""
        return tuple(sorted({*self._files.services, *self._names()}))

    def tail(self, services: Sequence[str], lines: int) -> Iterator[tuple[str, str]]:
        """Yield ``(service, line)``: the last *lines* of each, or of all where none is named.

        Raises:
            NotFoundError: one has no log here, or nothing has.
        """
        names, inside = self._known(services)
        for name in names:
            read = self._read(name, tail=lines) if name in inside else self._files.tail(name, lines)
            for line in read:
                yield name, line

    def follow(self, services: Sequence[str], *, tail: int = 0) -> Iterator[tuple[str, str]]:
        """Yield the same, and on as lines come; containers until they end.

        Past and present are read in one go: no line between both is lost or comes twice.

        Raises:
            NotFoundError: as `tail`.
        """
        names, inside = self._known(services)
        files = [name for name in names if name not in inside]
        if not inside:
            yield from self._files.follow(files, tail=tail)
            return
        lines: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        sources = [self._follow_container(name, tail) for name in names if name in inside]
        sources += [self._files.follow(files, tail=tail)] if files else []
        for source in sources:
            threading.Thread(target=_pour, args=(source, lines), daemon=True).start()
        for _ in sources:
            yield from iter(lines.get, None)

    def _known(self, services: Sequence[str]) -> tuple[Sequence[str], Collection[str]]:
        """Return *services* or all, and the names that run in containers."""
        running = self._names()
        known = sorted({*self._files.services, *running})
        if not known:
            raise NotFoundError("nothing was logged here yet", hint="Begin with: frontier up")
        for name in services:
            if name not in known:
                raise NotFoundError(f"{name!r} has no log", hint=f"Known: {', '.join(known)}.")
        return services or known, running

    def _follow_container(self, name: str, tail: int) -> Iterator[tuple[str, str]]:
        for line in self._read(name, tail=tail, follow=True):
            yield name, line


def _pour(
    source: Iterator[tuple[str, str]], lines: "queue.SimpleQueue[tuple[str, str] | None]"
) -> None:
    try:
        for line in source:
            lines.put(line)
    finally:
        lines.put(None)
