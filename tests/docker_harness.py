"""Real containers for tests: a workspace, its runtime, and projects of small services."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docker_fixtures import ComposeProject
from docker_images import docker
from frontier.adapters.docker import DockerRuntime
from frontier.adapters.engine_record import EngineRecord
from frontier.adapters.workspace import Workspace
from frontier.domain.containers import Containers, labelled
from frontier.domain.facts import Facts, Loads
from frontier.domain.project import Project, Route
from frontier.domain.state import DaemonState, ServiceState
from native_harness import Silent

SLEEP = ("sleep", "1000")
SERVE = ("busybox", "httpd", "-f", "-p", "8080", "-h", "/tmp")


def service(image: str, *command: str, **more: object) -> dict[str, Any]:
    """A service that ends at once when told to, as `init` makes any program do."""
    command = command or SLEEP
    return {"image": image, "command": list(command), "init": True, "labels": {}, **more}


def health(*test: str, interval: str = "30s", **more: object) -> dict[str, Any]:
    """A health check; Docker runs it for the first time after *interval*."""
    return {"test": ["CMD", *test], "interval": interval, "timeout": "5s", "retries": 2, **more}


def declare(
    name: str, services: Mapping[str, Any], *, document: Mapping[str, Any] = {}, **more: Any
) -> Project:
    containers = Containers(document={"name": name, "services": dict(services), **document}, **more)
    # every service counts as an engine of the model that is called as it is
    routes = tuple(Route(model=each, service=each, backend="test") for each in services)
    return Project(name=name, stack="test", containers=labelled(containers), routes=routes)


class Docked:
    """One workspace, its runtime, and its Compose project."""

    def __init__(self, root: Path, project: ComposeProject, image: str) -> None:
        self.workspace = Workspace(root)
        record = EngineRecord(self.workspace, lambda _state, _backend: None)
        self.runtime = DockerRuntime(self.workspace, record=record)
        self.project, self.image = project, image

    @property
    def name(self) -> str:
        return self.project.name

    def declare(self, **services: Mapping[str, Any]) -> Project:
        return declare(self.name, services)

    def service(self, *command: str, **more: object) -> dict[str, Any]:
        return service(self.image, *command, **more)

    def up(self, project: Project) -> DaemonState:
        self.runtime.apply(project)
        return self.runtime.wait_ready(project, Silent())

    def state(self, service: str) -> ServiceState:
        state = self.runtime.state()
        found = state.service(service) if state else None
        assert found is not None, state
        return found

    def loads(self, service: str) -> Loads:
        """How *service* was started so far, as the gateway's metrics tell it."""
        facts = Facts.from_json(self.workspace.facts_file.read_bytes())
        return facts.loads_of(("test", service))

    def container(self, service: str) -> str:
        labels = (
            f"com.docker.compose.project={self.name}",
            f"com.docker.compose.service={service}",
        )
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        return docker("ps", "--all", "--quiet", "--no-trunc", *filters)


def docker_children() -> list[str]:
    """The docker processes that this process started and that still live."""
    import psutil

    found = psutil.Process(os.getpid()).children(recursive=True)
    return [name for process in found if "docker" in (name := process.name())]
