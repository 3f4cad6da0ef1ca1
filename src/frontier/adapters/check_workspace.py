"""What a workspace's folder looks like: kinds, owners, permissions, changes by hand."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from frontier.adapters.project_folder import rendered
from frontier.adapters.workspace import Workspace
from frontier.domain.project import Project


@dataclass(frozen=True, slots=True)
class WorkspaceFolder:
    """Looks at one workspace."""

    workspace: Workspace

    def misplaced(self) -> tuple[str, ...]:
        """Return what is a file and should be a folder, or the other way round; and foreign."""
        return tuple(self._misplaced())

    def _misplaced(self) -> Iterator[str]:
        of = self.workspace
        for folder in (of.config, of.stacks, of.models, of.logs, of.state, of.secrets):
            if folder.exists() and not folder.is_dir():
                yield f"{folder} is a file, not a folder"
        for file in (of.env_file, of.models_yaml, of.keys_yaml, of.project_file):
            if file.is_dir():
                yield f"{file} is a folder, not a file"
        if of.state.exists() and of.state.stat().st_uid != os.geteuid():
            yield f"{of.state} belongs to another user"

    def exposed(self) -> tuple[Path, ...]:
        """Return the files with secrets that others may read."""
        of = self.workspace
        inside = sorted(of.secrets.iterdir()) if of.secrets.is_dir() else []
        files = [of.env_file, of.keys_yaml, *inside]
        return tuple(f for f in files if f.is_file() and _is_open(f))

    def close(self) -> None:
        """Let nobody but the owner read what `exposed` returns."""
        for path in self.exposed():
            path.chmod(path.stat().st_mode & stat.S_IRWXU)

    def changed(self, project: Project) -> tuple[str, ...]:
        """Return the rendered files of *project* that are missing or were changed by hand."""
        folder = self.workspace.project_folder
        return tuple(
            path
            for path, text in rendered(project, self.workspace).items()
            if _text(folder / path) != text
        )


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return None
