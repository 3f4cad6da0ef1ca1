"""Taking changed files of routes and keys into use while requests run."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from frontier.domain.errors import ConfigError
from frontier.gateway import keys as key_files
from frontier.gateway.keys import KeySource
from frontier.gateway.route_file import Content, read
from frontier.gateway.route_table import Source, build, parse

if TYPE_CHECKING:
    from frontier.gateway.core import Core


class Parsed(Protocol):
    """A file, read and found right."""

    @property
    def path(self) -> Path:
        """Where it was read from."""
        ...

    @property
    def sha256(self) -> str:
        """Of the bytes that it was read from, hex."""
        ...

    @property
    def is_empty(self) -> bool:
        """Tell whether it says nothing."""
        ...


P = TypeVar("P", bound=Parsed)

_Mark = tuple[int, int, int, int] | None
_Marks = tuple[_Mark, ...]

# Some file systems tell the time of a change only to two seconds.
_COARSE_S: Final = 2.5


class _File:
    """One file that is looked at, of whichever kind.

    Attributes:
        digest: SHA-256 of what was seen last, right or wrong, hex.
        error: Why that is not in force, empty if it is.
    """

    def __init__(self, in_force: P, parse: Callable[[Content], P]) -> None:
        self.path = in_force.path
        self.digest, self.error = in_force.sha256, ""
        self.in_force: Parsed = in_force
        self._parse: Callable[[Content], Parsed] = parse
        self._unreadable = ""

    def has_changed(self, content: Content) -> bool:
        return (content.sha256, content.error) != (self.digest, self._unreadable)

    def take(self, content: Content) -> bool:
        """Take *content* over; return whether it is right."""
        self.digest, self._unreadable = content.sha256, content.error
        self.error = ""
        try:
            self.in_force = self._parse(content)
        except ConfigError as error:
            self.error = error.message
        return not self.error


class Reloader:
    """Looks at the files once per call; three `stat` calls cost less than a watching thread.

    Unlike inotify this sees files on network and container mounts, and in folders that do
    not exist yet. A wrong file stays as it was, the others are taken over all the same.

    Args:
        core: Gets every good table and every good ring of keys.
        sources: What *core* got its first table from.
        keys: What it got its first keys from.
    """

    def __init__(
        self, core: "Core", sources: Sequence[Source], keys: KeySource | None = None
    ) -> None:
        self._core = core
        self._routes = [_File(source, parse) for source in sources]
        self._keys = _File(keys, key_files.parse) if keys else None
        self._files = [*self._routes, *([self._keys] if self._keys else [])]
        self._paths = [file.path for file in self._files]
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
            not file.in_force.is_empty and not content.data.strip()
            for file, content in zip(self._files, contents, strict=True)
        )
        self._is_doubtful = is_empty and not self._is_doubtful
        return self._is_doubtful

    def _take(self, contents: Sequence[Content]) -> None:
        pairs = zip(self._files, contents, strict=True)
        changed = [(file, content) for file, content in pairs if file.has_changed(content)]
        if not changed:
            return
        good = [file for file, content in changed if file.take(content)]
        if self._keys in good:
            self._take_keys(self._keys)
        core = self._core
        core.rejected = {str(file.path): file.digest for file in self._files if file.error}
        core.config_error = "; ".join(file.error for file in self._files if file.error)
        if wrong := "; ".join(file.error for file, _ in changed if file.error):
            core.reject(wrong)
        if any(file in good for file in self._routes):
            self._take_routes()

    def _take_routes(self) -> None:
        in_force = [file.in_force for file in self._routes]
        table = build([source for source in in_force if isinstance(source, Source)])
        self._core.use(table)
        self._core.event("config_loaded", models=len(table.targets))

    def _take_keys(self, file: "_File | None") -> None:
        if file is None or not isinstance(file.in_force, KeySource):
            return
        try:
            self._core.gate.use(file.in_force)
        except ConfigError as error:
            file.error = error.message
        else:
            self._core.event("keys_loaded", keys=len(file.in_force.keys))


def marks(paths: Sequence[Path]) -> _Marks:
    """Return what changes whenever a file is written or replaced; None for a missing one."""
    return tuple(_mark(path) for path in paths)


def _mark(path: Path) -> _Mark:
    try:
        stat = os.stat(path)  # noqa: PTH116 - ten times a second, in half the time
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_size
