"""The files through which commands, the daemon and the gateway talk."""

import logging
from pathlib import Path

from frontier.adapters.files import write_atomic
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import ConfigError, FrontierError, NotFoundError
from frontier.domain.project import Project
from frontier.domain.state import DaemonState

_log = logging.getLogger(__name__)


class RunFiles:
    """Project, lock, state and routes of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.folder = workspace.run
        self.project = workspace.project_file
        self.lock = workspace.run / "daemon.lock"
        self.state = workspace.run / "daemon.json"
        self.routes = workspace.run / "routes.yaml"

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

    def remove(self) -> None:
        """Remove what only a living daemon has."""
        self.state.unlink(missing_ok=True)
        self.routes.unlink(missing_ok=True)

    @staticmethod
    def _write(path: Path, text: str) -> None:
        try:
            write_atomic(path, text)
        except FrontierError as error:
            _log.error("%s", error.message)
