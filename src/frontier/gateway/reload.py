"""Taking changed route files into use while requests run."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from frontier.domain.errors import ConfigError
from frontier.gateway.route_file import Content, read
from frontier.gateway.route_table import Source, build, parse

if TYPE_CHECKING:
    from frontier.gateway.core import Core

_Mark = tuple[int, int, int, int] | None
_Marks = tuple[_Mark, ...]

# Some file systems tell the time of a change only to two seconds.
_COARSE_S: Final = 2.5


class Reloader:
    """Looks at the files once per call; two `stat` calls cost less than a watching thread.

    Unlike inotify this sees files on network and container mounts, and in folders that do
    not exist yet. A wrong file stays as it was, the others are taken over all the same.

    Args:
        core: Gets every good table.
        sources: What *core* got its first table from.
    """

    def __init__(self, core: "Core", sources: Sequence[Source]) -> None:
        self._core = core
        self._sources = list(sources)
        self._paths = [source.path for source in sources]
        self._digests = [source.sha256 for source in sources]
        self._unreadable = [""] * len(sources)
        self._errors: dict[Path, str] = {}
        # None: read once more, in case a file has changed since it was loaded
        self._seen: _Marks | None = None
        self._read_again_at = 0.0
        self._is_doubtful = False

    def check(self) -> None:
        """Load changed files; keep the old ones and say why if they are wrong."""
        now = self._core.clock.now
        found = marks(self._paths)
        if found == self._seen and not 0 < self._read_again_at <= now:
            return
        contents = [read(path) for path in self._paths]
        if self._may_be_half_written(contents):
            return
        if found != self._seen:
            self._read_again_at = now + _COARSE_S
        else:
            self._read_again_at = 0.0
        self._seen = found
        self._take(contents)

    def _may_be_half_written(self, contents: Sequence[Content]) -> bool:
        """Doubt once that a file is gone or empty: editors leave it so for a moment."""
        is_empty = any(
            source.models and not content.data.strip()
            for source, content in zip(self._sources, contents, strict=True)
        )
        self._is_doubtful = is_empty and not self._is_doubtful
        return self._is_doubtful

    def _take(self, contents: Sequence[Content]) -> None:
        changed = [i for i, content in enumerate(contents) if self._is_changed(i, content)]
        if not changed:
            return
        wrong = [error for i in changed if (error := self._parse(i, contents[i]))]
        self._core.rejected = {
            str(path): digest
            for path, digest in zip(self._paths, self._digests, strict=True)
            if path in self._errors
        }
        self._core.config_error = "; ".join(self._errors.values())
        if wrong:
            self._core.reject("; ".join(wrong))
        if len(wrong) < len(changed):
            table = build(self._sources)
            self._core.use(table)
            self._core.event("config_loaded", models=len(table.targets))

    def _is_changed(self, index: int, content: Content) -> bool:
        last = self._digests[index], self._unreadable[index]
        return (content.sha256, content.error) != last

    def _parse(self, index: int, content: Content) -> str:
        """Take *content* over; return why not if it is wrong."""
        path = self._paths[index]
        self._digests[index], self._unreadable[index] = content.sha256, content.error
        self._errors.pop(path, None)
        try:
            self._sources[index] = parse(content)
        except ConfigError as error:
            self._errors[path] = error.message
        return self._errors.get(path, "")


def marks(paths: Sequence[Path]) -> _Marks:
    """Return what changes whenever a file is written or replaced; None for a missing one."""
    return tuple(_mark(path) for path in paths)


def _mark(path: Path) -> _Mark:
    try:
        stat = os.stat(path)  # noqa: PTH116 - ten times a second, in half the time
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_size
