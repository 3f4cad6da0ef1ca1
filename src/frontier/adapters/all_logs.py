"""The logs of host processes and of containers, as one."""

import queue
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from frontier.adapters.logs import Logs


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

    def tail(self, service: str, lines: int) -> list[str]:
        """Return the last *lines* lines of *service*.

        Raises:
            NotFoundError: *service* has no log here.
        """
        if service in self._names():
            return list(self._read(service, tail=lines))
        return self._files.tail(service, lines)

    def follow(self, services: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield ``(service, line)`` as lines come, from now on; containers until they end."""
        inside = [name for name in services if name in self._names()]
        files = [name for name in services if name not in inside]
        if not inside:
            yield from self._files.follow(files)
            return
        lines: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        sources = [self._follow_container(name) for name in inside]
        sources += [self._files.follow(files)] if files else []
        for source in sources:
            threading.Thread(target=_pour, args=(source, lines), daemon=True).start()
        for _ in sources:
            yield from iter(lines.get, None)

    def _follow_container(self, name: str) -> Iterator[tuple[str, str]]:
        for line in self._read(name, tail=0, follow=True):
            yield name, line


def _pour(
    source: Iterator[tuple[str, str]], lines: "queue.SimpleQueue[tuple[str, str] | None]"
) -> None:
    try:
        for line in source:
            lines.put(line)
    finally:
        lines.put(None)
