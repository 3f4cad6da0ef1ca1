"""What runs: host processes, containers, what they write and where they compute."""

import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from frontier.bootstrap.core import Core
from frontier.domain.errors import ConfigError

if TYPE_CHECKING:
    from frontier.adapters.all_logs import AllLogs
    from frontier.adapters.compute_record import ComputeRecord
    from frontier.adapters.docker import DockerRuntime
    from frontier.adapters.engine_record import EngineRecord
    from frontier.adapters.logs import Logs
    from frontier.adapters.native import NativeRuntime
    from frontier.adapters.runtimes import Runtimes
    from frontier.domain.accelerator import Choice
    from frontier.domain.project import Project


@dataclass
class Running:
    """Starts, stops and looks at the services of one workspace."""

    core: Core

    @cached_property
    def runtime(self) -> "Runtimes":
        """Runs host processes and containers."""
        from frontier.adapters.runtimes import Runtimes

        return Runtimes(
            self.native,
            lambda: self.docker,
            workspace=self.core.workspace,
            announce=self._record.announce,
        )

    @cached_property
    def _record(self) -> "EngineRecord":
        """Notes how engines start, for the gateway's metrics."""
        from frontier.adapters.engine_record import EngineRecord

        return EngineRecord(self.core.workspace, self.compute.of)

    @cached_property
    def native(self) -> "NativeRuntime":
        """Runs host processes."""
        from frontier.adapters.native import NativeRuntime

        return NativeRuntime(self.core.workspace, python=sys.executable)

    @property
    def docker(self) -> "DockerRuntime":
        """Runs containers through Docker Compose, also where a setting is wrong.

        What was started can then still be stopped, and brought back to what was.
        """
        from frontier.adapters.docker import DockerRuntime

        try:
            return self._docker
        except ConfigError:
            return DockerRuntime(self.core.workspace)

    @cached_property
    def _docker(self) -> "DockerRuntime":
        from frontier.adapters.docker import DockerRuntime

        settings = self.core.settings
        fields = {name: getattr(settings, name) for name in type(settings).model_fields}
        ports = {value: name.upper() for name, value in fields.items() if name.endswith("_port")}
        return DockerRuntime(
            self.core.workspace,
            pull_policy=settings.pull_policy,
            variables=ports,
            facts=lambda: self.core.docker_facts,
            record=self._record,
        )

    @cached_property
    def logs(self) -> "AllLogs":
        """What the services wrote."""
        from frontier.adapters.all_logs import AllLogs
        from frontier.adapters.container_logs import ContainerLogs

        workspace = self.core.workspace
        containers = ContainerLogs(str(workspace.root.resolve()), workspace.compose_file.exists)
        return AllLogs(self._log_files, containers)

    @cached_property
    def _log_files(self) -> "Logs":
        from frontier.adapters.logs import Logs

        return Logs(self.core.workspace.logs)

    @cached_property
    def compute(self) -> "ComputeRecord":
        """Where engines compute, in their own words."""
        from frontier.adapters.compute_record import ComputeRecord

        return ComputeRecord(
            self.core.workspace.run / "compute.json",
            self._log_files.tail,
            container_tail=self._container_tail,
        )

    def _container_tail(self, service: str, lines: int) -> list[str]:
        return self.docker.tail(service, lines)  # whatever Docker there is when somebody asks

    def require_used(self, project: "Project", choice: "Choice") -> str:
        """Return what to know about where the engines of *project* compute.

        Raises:
            RuntimeFailedError: a GPU was chosen, and one computes on the processor.
        """
        from frontier.domain.accelerator import require_used

        state = self.runtime.state()
        engines = {route.service: route.backend for route in project.routes}
        running = [s for s in state.services if s.name in engines] if state else []
        said = (require_used(choice, self.compute.of(s, engines[s.name]), s.name) for s in running)
        return "; ".join(warning for warning in said if warning)

    @property
    def project(self) -> "Project | None":
        """What runs, None when nothing does."""
        from frontier.usecases.lifecycle import running

        return running(self.runtime, self.core.project)

    @property
    def model(self) -> str:
        """The first model that runs, empty when nothing does."""
        project = self.project
        return project.routes[0].model if project and project.routes else ""

    @staticmethod
    def memory_of(pid: int) -> int | None:
        """Return the resident memory of a process and all it started, bytes.

        None where it cannot be read. A container's first process is a small init.
        """
        import psutil

        try:
            process = psutil.Process(pid)
            resident = [p.memory_info().rss for p in (process, *process.children(recursive=True))]
        except psutil.Error:
            return None
        return sum(resident)
