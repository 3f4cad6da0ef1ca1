"""Files of the workspace replaced all or nothing: what a kill interrupts is finished later.

First everything is staged in ``.frontier/staged``, which changes nothing and takes all the disk
that is needed. Then the journal ``.frontier/restoring`` is written; from that moment on the new
state counts. What follows are renames and removals, which can be repeated.
"""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.adapters.files import storage_errors, sync_folder, write_atomic
from frontier.adapters.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """What the journal says.

    Attributes:
        name: What is restored, for people.
        files: Paths relative to the workspace, staged under the same paths.
        scopes: Files and folders whose other content is removed.
    """

    name: str
    files: tuple[str, ...]
    scopes: tuple[str, ...]


class FileSwap:
    """The one change of files that is under way in a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._root = workspace.root
        self._state = workspace.state
        self.journal = workspace.state / "restoring"
        self.staged = workspace.state / "staged"

    @property
    def is_interrupted(self) -> bool:
        """Tell whether a swap was killed after it began to count."""
        return self.journal.exists()

    def begin(self) -> None:
        """Make room for files to be staged; what a killed command staged goes."""
        with storage_errors(self.staged):
            shutil.rmtree(self.staged, ignore_errors=True)
            self.staged.mkdir(parents=True, mode=0o700)

    def stage(self, name: str, data: bytes, mode: int) -> None:
        """Stage one file, to become *name* in the workspace."""
        present = self._root / name
        # root's containers have a user of their own, who reads what was given to it
        owner = present.stat().st_uid if os.geteuid() == 0 and present.exists() else None
        write_atomic(self.staged / name, data, mode=mode, owner=owner)

    def abandon(self) -> None:
        """Drop what was staged."""
        shutil.rmtree(self.staged, ignore_errors=True)

    def commit(self, swap: Swap) -> None:
        """Replace the workspace's files by the staged ones."""
        fields = {"name": swap.name, "files": swap.files, "scopes": swap.scopes}
        write_atomic(self.journal, json.dumps(fields))
        self._finish(swap)

    def recover(self) -> Swap | None:
        """Finish a swap that was killed; return it, None if there was none.

        A journal that an older Frontier wrote names a snapshot and nothing else; the caller
        deals with it.
        """
        swap = self.interrupted()
        if swap:
            self._finish(swap)
        return swap

    def interrupted(self) -> Swap | None:
        """Return the swap that was killed, None if there is none or an older Frontier's."""
        try:
            raw: Any = json.loads(self.journal.read_text())
            return Swap(name=raw["name"], files=tuple(raw["files"]), scopes=tuple(raw["scopes"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def _finish(self, swap: Swap) -> None:
        with storage_errors(self._root):
            for name in swap.files:
                self._move(name)
            for path in inside(self._root, swap.scopes):
                if str(path.relative_to(self._root)) not in swap.files:
                    path.unlink()
                    self._tidy(path.parent)
            self.journal.unlink()
            sync_folder(self._state)
        self.abandon()

    def _tidy(self, folder: Path) -> None:
        """Remove *folder* and those above it that got empty, but for the topmost ones."""
        for each in (folder, *folder.parents):
            if self._root in (each, each.parent) or any(each.iterdir()):
                return
            each.rmdir()

    def _move(self, name: str) -> None:
        source, target = self.staged / name, self._root / name
        with contextlib.suppress(FileNotFoundError):  # moved already, before the kill
            mode = source.stat().st_mode & 0o777
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                source.replace(target)
                sync_folder(target.parent)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                # the user keeps that folder on another file system
                write_atomic(target, source.read_bytes(), mode=mode)


def inside(root: Path, scopes: Sequence[str]) -> Iterator[Path]:
    """Yield the files that *scopes* name below *root*, those in folders included."""
    for scope in scopes:
        place = root / scope
        if place.is_file():
            yield place
        elif place.is_dir():
            yield from (path for path in sorted(place.rglob("*")) if path.is_file())
