"""The files through which commands, the daemon and the gateway talk."""

import asyncio
import logging
from pathlib import Path

from frontier.adapters.compute_record import ComputeRecord
from frontier.adapters.engine_record import EngineRecord
from frontier.adapters.files import write_atomic
from frontier.adapters.logs import Logs
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import ConfigError, FrontierError, NotFoundError
from frontier.domain.project import Project
from frontier.domain.state import DaemonState, ServiceState

_log = logging.getLogger(__name__)


class RunFiles:
    """Project, lock, state, routes and targets of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.folder = workspace.run
        self.project = workspace.project_file
        self.lock = workspace.run / "daemon.lock"
        self.state = workspace.run / "daemon.json"
        self.routes = workspace.run / "routes.yaml"
        self.targets = workspace.targets
        compute = ComputeRecord(workspace.run / "compute.json", Logs(workspace.logs).tail)
        self._record = EngineRecord(workspace, compute.of)

    def load(self) -> Project:
        """Return what should run.

        Raises:
            NotFoundError: nothing was ever started here.
            ConfigError: the file is damaged.
        """
        try:
            return Project.from_json(self.project.read_text())
        except FileNotFoundError as error:
            raise NotFoundError(f"no project at {self.project}", hint="frontier up") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                f"{self.project} is damaged: {error}", hint="`frontier up` writes it anew."
            ) from error

    def publish(self, state: DaemonState) -> None:
        """Replace the state file; a full disk costs the news, not the services."""
        self._write(self.state, state.to_json())

    def publish_routes(self, text: str) -> None:
        """Replace the gateway's generated routing file."""
        self._write(self.routes, text)

    def publish_targets(self, text: str) -> None:
        """Replace what a Prometheus of the user's own reads."""
        self._write(self.targets, text)

    async def note_start(self, project: Project, state: ServiceState) -> None:
        """Note how a start of a service went: it is ready, or it failed.

        In a thread: engines are asked where they compute.
        """
        if state.phase == "ready":
            await asyncio.to_thread(self._record.ready, project, [state])
        else:
            await asyncio.to_thread(self._record.failed, project, state.name)

    def remove(self) -> None:
        """Remove what only a living daemon has."""
        self.state.unlink(missing_ok=True)
        self.routes.unlink(missing_ok=True)
        self.targets.unlink(missing_ok=True)

    @staticmethod
    def _write(path: Path, text: str) -> None:
        try:
            write_atomic(path, text)
        except FrontierError as error:
            _log.error("%s", error.message)
