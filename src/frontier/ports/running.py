"""What runs services, and the gateway in front of them."""

from collections.abc import Collection
from typing import Protocol

from frontier.domain.project import Project, Service
from frontier.domain.state import DaemonState
from frontier.domain.supervision import Exit
from frontier.ports.reporting import Reporter


class Runtime(Protocol):
    """Runs a project's services; `native` is the first of its kind."""

    def state(self) -> DaemonState | None:
        """Return what runs now, or None when no daemon lives."""
        ...

    def has_died(self) -> bool:
        """Tell whether a daemon ended without stopping: killed, or the machine went down."""
        ...

    def apply(self, project: Project) -> None:
        """Save *project* as what should run and start or notify the daemon; does not wait."""
        ...

    def wait_ready(self, project: Project, reporter: Reporter) -> DaemonState:
        """Return the state once every service of *project* is ready.

        Raises:
            RuntimeFailedError: a service died before it was ready, or took longer than its
                start budget; the message names it and carries its last lines.
        """
        ...

    def restart(self, service: str) -> None:
        """Ask the daemon to stop and start one service."""
        ...

    def stop(self, reporter: Reporter) -> bool:
        """Stop all services and the daemon, in-flight requests first; False if none ran."""
        ...


class ContainerRuntime(Runtime, Protocol):
    """Runs the containers of a project."""

    def require_possible(self, project: Project, giving_up: Collection[int]) -> None:
        """Raise what keeps *project* from starting; see `Runtimes.require_possible`."""
        ...

    def missing_images(self, project: Project) -> tuple[str, ...]:
        """Return the images of *project* that are not on this machine."""
        ...

    def pull(self, project: Project, reporter: Reporter) -> None:
        """Bring the missing images of *project* to this machine.

        Raises:
            RuntimeFailedError: one cannot be had; the hint tells how to load it.
        """
        ...

    def start_only(self, project: Project, services: Collection[str], reporter: Reporter) -> None:
        """Start *services* of *project* beside what runs; does not wait."""
        ...

    def remove(self, services: Collection[str]) -> None:
        """Stop and remove *services*."""
        ...

    def write_live(self, project: Project) -> None:
        """Replace the files that running services of *project* reload by themselves."""
        ...


class Runtimes(Runtime, Protocol):
    """Host processes and containers as one, with engines that can be exchanged."""

    def require_possible(self, project: Project, giving_up: Collection[int]) -> None:
        """Raise what keeps the containers of *project* from starting; changes nothing.

        Args:
            project: What should run.
            giving_up: Process ids that may hold its ports: they end before.

        Raises:
            RefusedError: another workspace has a project of this name, or it does not fit.
            PortTakenError: somebody else listens where one of them should.
        """
        ...

    def start_beside(self, project: Project, services: Collection[str], reporter: Reporter) -> None:
        """Start *services* of *project* beside what runs, and wait until they are ready.

        Raises:
            RuntimeFailedError: one did not get ready; all of them are removed again.
        """
        ...

    def write_live(self, project: Project) -> None:
        """Replace the files that running services of *project* reload by themselves."""
        ...


class GatewayControl(Protocol):
    """The running gateway, as the command line steers it while engines are exchanged."""

    def wait_loaded(self, project: Project) -> None:
        """Return once the routes of *project* as they were written last are in force.

        Raises:
            RuntimeFailedError: the gateway does not take them over.
        """
        ...

    def drain(self, services: Collection[str], *, timeout_s: float) -> int:
        """Wait until nothing is under way on *services*; return what is left at the limit."""
        ...


class Process(Protocol):
    """One started service."""

    @property
    def pid(self) -> int:
        """Return the process id of the service itself."""
        ...

    async def wait(self) -> Exit:
        """Return how it ended, once nothing of it is left."""
        ...

    async def stop(self) -> None:
        """End it and everything it started: SIGTERM, its grace, SIGKILL."""
        ...


class Processes(Protocol):
    """Starts services."""

    async def start(self, service: Service, port: int) -> Process:
        """Start *service* with *port* in its command line.

        Raises:
            RuntimeFailedError: the program cannot be executed.
        """
        ...


class Probe(Protocol):
    """Asks a service on loopback whether it works; answers "" or the problem in words."""

    async def health(self, port: int, path: str, *, timeout_s: float) -> str:
        """Ask for *path* and expect 200 within *timeout_s*."""
        ...

    async def token(self, port: int, model: str) -> str:
        """Have *model* generate one token; takes as long as it takes."""
        ...
