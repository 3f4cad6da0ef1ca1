"""Taking changed route files into use while requests run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.domain.errors import ConfigError
from frontier.gateway.routes import load_table

if TYPE_CHECKING:
    from frontier.gateway.core import Core

_Marks = tuple[tuple[int, int, int] | None, ...]


class Reloader:
    """Looks at the files once per call; two `stat` calls cost less than a watching thread.

    Unlike inotify this sees files on network and container mounts, and in folders that do
    not exist yet.

    Args:
        core: Gets every good table.
        paths: The route files as they were when *core* got its first table.
    """

    def __init__(self, core: "Core", paths: Sequence[Path]) -> None:
        self._core = core
        self._paths = paths
        self._seen = marks(paths)

    def check(self) -> None:
        """Load changed files; keep the old table and say why if they are wrong."""
        found = marks(self._paths)
        if found == self._seen:
            return
        self._seen = found
        try:
            table = load_table(self._paths)
        except ConfigError as error:
            self._core.reject(error.message)
            return
        self._core.config_error = ""
        self._core.use(table)
        self._core.event("config_loaded", models=len(table.targets))


def marks(paths: Sequence[Path]) -> _Marks:
    """Return what changes whenever a file is written or replaced; None for a missing one."""
    return tuple(_mark(path) for path in paths)


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
