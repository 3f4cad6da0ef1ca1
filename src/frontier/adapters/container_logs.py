"""Logs of containers, each line with Docker's stamp: what there is, and what comes."""

import queue
import re
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from frontier.adapters.docker_cli import docker, start
from frontier.adapters.docker_containers import ours
from frontier.domain.containers import WORKSPACE_LABEL
from frontier.domain.errors import FrontierError

if TYPE_CHECKING:
    from python_on_whales import DockerClient

_MOST_LINES = 10_000
_PATIENCE_S = 0.5
_AGAIN_S = 1.0
# a start that happened while we began is told again; to hear of one twice does no harm
_OVERLAP = "60s"
_EVENT = '{{.Action}} {{.Actor.ID}} {{index .Actor.Attributes "com.docker.compose.service"}}'
_STAMPED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z ")


class ContainerLogs:
    """The logs of one workspace's containers.

    Args:
        workspace: Value of the label of our containers.
        is_there: Whether there may be any; without it Docker is not asked.
    """

    def __init__(self, workspace: str, is_there: Callable[[], bool] = lambda: True) -> None:
        self._workspace, self.is_there = workspace, is_there

    def open(self, names: Collection[str]) -> "Following":
        """Return the logs of *names*, all if there are none, to be closed after use."""
        return Following(self, names, self._containers())

    def _containers(self) -> list[tuple[str, str]]:
        """Return service and id of each container."""
        if not self.is_there():
            return []
        with docker("looking at the containers") as client:
            return [(c.service, c.id) for c in ours(client, self._workspace)]

    def events(self, client: "DockerClient") -> "subprocess.Popen[bytes]":
        """Start to tell of containers of ours that start or are removed: `_EVENT`."""
        label = f"label={WORKSPACE_LABEL}={self._workspace}"
        filters = ("--filter", label, "--filter", "event=start", "--filter", "event=destroy")
        return start(client, "events", "--since", _OVERLAP, *filters, "--format", _EVENT)


class Following:
    """The logs of some containers, and of those that start later.

    First each `past` is read, then `news` as often as one likes; no line is lost between both or
    comes twice, nor where a container is started again.

    Attributes:
        services: All that have a container, running or not.
    """

    def __init__(
        self, source: ContainerLogs, names: Collection[str], known: Sequence[tuple[str, str]]
    ) -> None:
        self._source, self._names = source, names
        self.services = {service for service, _ in known}
        chosen = [(service, id_) for service, id_ in known if self._is_wanted(service)]
        self._lines: queue.Queue[tuple[str, str]] = queue.Queue(_MOST_LINES)
        self._readers = {id_: _Reader(self, service, id_) for service, id_ in chosen}
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self.is_closed = threading.Event()

    def _is_wanted(self, service: str) -> bool:
        return not self._names or service in self._names

    def pasts(
        self, *, count: int | None = None, since: str = ""
    ) -> Iterator[tuple[str, Iterator[str]]]:
        """Yield each service and its lines: the last *count*, or all, not before *since*."""
        for reader in self._readers.values():
            yield reader.service, reader.past(count, since)

    def begin(self) -> None:
        """Read from now on, in the background."""
        for reader in self._readers.values():
            reader.start()
        threading.Thread(target=self._watch, daemon=True).start()

    def news(self) -> list[tuple[str, str]]:
        """Return service and line of what came since the last call."""
        found = list[tuple[str, str]]()
        while len(found) < _MOST_LINES:
            try:
                found.append(self._lines.get_nowait())
            except queue.Empty:
                break
        return found

    def close(self) -> None:
        """End all of it, and every process."""
        with self._lock:
            self.is_closed.set()
            for process in self._processes:
                process.kill()
        for reader in [*self._readers.values()]:
            reader.again.set()

    def put(self, service: str, line: str) -> None:
        """Keep a line for `news`; wait while there are too many."""
        while not self.is_closed.is_set():
            try:
                self._lines.put((service, line), timeout=_PATIENCE_S)
            except queue.Full:
                continue
            return

    def run(self, begin: "Callable[[DockerClient], subprocess.Popen[bytes]]") -> Iterator[str]:
        """Yield the lines of a docker process to its end; it ends with `close` as well."""
        with docker("reading logs", limit_s=None) as client:
            with self._lock:
                if self.is_closed.is_set():
                    return
                process = begin(client)
                self._processes.add(process)
            try:
                assert process.stdout is not None  # noqa: S101 it was started with a pipe
                for raw in process.stdout:
                    yield raw.decode(errors="replace").rstrip("\r\n")
            finally:
                process.kill()
                process.communicate()
                with self._lock:
                    self._processes.discard(process)

    def _watch(self) -> None:
        """Look after containers that start, also while Docker itself is started again."""
        while not self.is_closed.is_set():
            try:
                if self._source.is_there():
                    for line in self.run(self._source.events):
                        self._heard(line)
            except FrontierError:
                pass  # Docker is not there, or not yet
            self.is_closed.wait(_AGAIN_S)

    def _heard(self, line: str) -> None:
        action, _, rest = line.partition(" ")
        id_, _, service = rest.partition(" ")
        reader = self._readers.get(id_)
        if action == "destroy" and reader:
            reader.is_gone = True
            reader.again.set()
        elif action == "start" and reader:
            reader.again.set()
        elif action == "start" and self._is_wanted(service):
            reader = self._readers[id_] = _Reader(self, service, id_)
            reader.start()


class _Reader:
    """Reads the log of one container, through all its starts."""

    def __init__(self, following: Following, service: str, id_: str) -> None:
        self._following, self._id, self.service = following, id_, service
        self._since, self._seen = "", 0  # of the last line: its stamp, and how many have that
        self.again, self.is_gone = threading.Event(), False

    def past(self, count: int | None, since: str) -> Iterator[str]:
        """Yield the last *count* lines, None for all, not before *since*.

        At least one is read, to know where the rest begins.
        """
        self._since = since
        tail = () if count is None else ("--tail", str(max(count, 1)))
        for line in self._read(*tail):
            if count != 0:
                yield line

    def start(self) -> None:
        """Read from now on, in the background."""
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while True:
            self.again.clear()  # before the look: what comes after it is not forgotten
            if self._following.is_closed.is_set() or self.is_gone:
                return
            try:
                for line in self._read("--follow"):
                    self._following.put(self.service, line)
            except FrontierError:
                pass  # Docker has gone; who watches events tells of its return
            self.again.wait()

    def _read(self, *words: str) -> Iterator[str]:
        since = ("--since", self._since) if self._since else ()
        argv = ("logs", "--timestamps", *since, *words, self._id)
        skipped, known = self._seen, self._since
        for line in self._following.run(lambda client: start(client, *argv)):
            stamp = _STAMPED.match(line)
            if not stamp:
                continue  # docker's own words, such as that the container is gone
            if skipped and stamp[0].strip() == known:
                skipped -= 1
                continue
            self._note(stamp[0].strip())
            yield line

    def _note(self, stamp: str) -> None:
        if stamp > self._since:
            self._since, self._seen = stamp, 0
        self._seen += stamp == self._since
