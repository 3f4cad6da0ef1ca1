"""Both runtimes as one: host processes and containers of one project."""

from collections.abc import Callable, Collection
from dataclasses import replace

from frontier.adapters.silent import Silent
from frontier.adapters.workspace import Workspace
from frontier.domain.project import Project
from frontier.domain.state import DaemonState
from frontier.ports import ContainerRuntime, Reporter, Runtime


class Runtimes:
    """Gives each part of a project to the runtime that runs it.

    Args:
        native: Runs host processes.
        docker: Returns what runs containers; called only where there may be some, because
            asking Docker takes longer than all else that a command does.
        workspace: Has a Compose file while containers may be there.
        announce: Notes what is about to start.
    """

    def __init__(
        self,
        native: Runtime,
        docker: Callable[[], ContainerRuntime],
        *,
        workspace: Workspace,
        announce: Callable[[Project], None] = lambda _project: None,
    ) -> None:
        self._native, self._docker, self._workspace = native, docker, workspace
        self._announce = announce

    @property
    def _has_containers(self) -> bool:
        return self._workspace.compose_file.exists()

    def state(self) -> DaemonState | None:
        """Return what runs now, host processes first; None when nothing does."""
        found = [self._native.state()]
        if self._has_containers:
            found.append(self._docker().state())
        states = [state for state in found if state]
        if not states:
            return None
        services = tuple(service for state in states for service in state.services)
        return replace(states[-1], pid=states[0].pid, services=services)

    def has_died(self) -> bool:
        """Tell whether something ended without being stopped."""
        return self._native.has_died() or (self._has_containers and self._docker().has_died())

    def apply(self, project: Project) -> None:
        """Start what *project* declares and stop the rest; does not wait.

        What gives up ports is stopped first.
        """
        self._announce(project)
        if not project.services:
            self._native.stop(Silent())
        if project.containers is None and self._has_containers:
            self._docker().stop(Silent())
        if project.services:
            self._native.apply(project)
        if project.containers:
            self._docker().apply(project)

    def require_possible(self, project: Project, giving_up: Collection[int]) -> None:
        """Raise what keeps the containers of *project* from starting; changes nothing."""
        if project.containers:
            self._docker().require_possible(project, giving_up)

    def wait_ready(self, project: Project, reporter: Reporter) -> DaemonState:
        """Return the state once every service of *project* is ready."""
        if project.services:
            self._native.wait_ready(project, reporter)
        if project.containers:
            self._docker().wait_ready(project, reporter)
        if state := self.state():
            return state
        raise AssertionError("ready services, but no state")  # a bug, not a failure

    def start_beside(self, project: Project, services: Collection[str], reporter: Reporter) -> None:
        """Start *services* of *project* beside what runs, and wait until they are ready."""
        docker = self._docker()
        self._announce(project)
        try:
            docker.start_only(project, services, reporter)
            docker.wait_ready(_only(project, services), reporter)
        except BaseException:
            docker.remove(services)
            raise

    def write_live(self, project: Project) -> None:
        """Replace the files that running services of *project* reload by themselves."""
        self._docker().write_live(project)

    def restart(self, service: str) -> None:
        """Stop and start one service."""
        native = self._native.state()
        if native and native.service(service):
            self._native.restart(service)
        else:
            self._docker().restart(service)

    def stop(self, reporter: Reporter) -> bool:
        """Stop everything, containers first: they are in front; False if nothing ran."""
        try:
            stopped = self._has_containers and self._docker().stop(reporter)
        finally:  # a Docker that does not answer keeps no host process running
            stopped_native = self._native.stop(reporter)
        return stopped_native or stopped


def _only(project: Project, services: Collection[str]) -> Project:
    """Return *project* with no containers but those of *services*."""
    if project.containers is None:
        return project
    kept = {name: s for name, s in project.containers.services.items() if name in services}
    document = {**project.containers.document, "services": kept}
    return replace(project, containers=replace(project.containers, document=document))
