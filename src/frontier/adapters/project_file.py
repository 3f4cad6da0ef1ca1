"""The rendered project on disk: what `frontier start` starts again."""

from pathlib import Path

from frontier.adapters.files import write_atomic
from frontier.domain.errors import ConfigError
from frontier.domain.project import Project


class ProjectFile:
    """One workspace's rendered project."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Project | None:
        """Return the project, None when nothing was brought up yet.

        Raises:
            ConfigError: the file is not what this version writes.
        """
        try:
            return Project.from_json(self._path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                f"{self._path}: not a project of this version: {error}",
                hint="`frontier up` renders it anew.",
            ) from error

    def save(self, project: Project) -> None:
        """Replace the project."""
        write_atomic(self._path, project.to_json())

    def clear(self) -> None:
        """Forget the project."""
        self._path.unlink(missing_ok=True)
