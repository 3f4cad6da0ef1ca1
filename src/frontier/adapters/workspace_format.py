"""The workspace's format: refused where it is newer than we know, brought up to date where older.

Format 1 (no number written): the project lies in ``.frontier/project/native.json``.
Format 2: the project lies in ``.frontier/declared/project.json``.
"""

import contextlib
import json
from pathlib import Path
from typing import Final

from frontier import __version__
from frontier.adapters.files import is_locked, storage_errors, sync_folder, write_atomic
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import RefusedError, WorkspaceFormatError
from frontier.domain.snapshot import DECLARED

FORMAT: Final = 2
"""The format that this version writes."""

_FIRST_PROJECT = ".frontier/project/native.json"
_ENDING = ("stop", "down", "rollback --reset")


def found(workspace: Workspace) -> int | None:
    """Return the format of *workspace*, None where nothing was written yet.

    Raises:
        WorkspaceFormatError: the number cannot be read.
    """
    path = workspace.state / "format"
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return 1 if workspace.state.is_dir() else None
    except (OSError, UnicodeDecodeError):
        text = "?"
    if not text.isdecimal():
        raise WorkspaceFormatError(
            f"{path} holds {text[:20]!r}, not the number of a format",
            hint=f"If this version wrote the workspace: echo {FORMAT} > {path}",
        )
    return int(text)


def require_known(workspace: Workspace) -> None:
    """Refuse a workspace of a format that this version does not know.

    Raises:
        WorkspaceFormatError: a newer Frontier wrote it, or the number cannot be read.
    """
    number = found(workspace)
    if number is not None and number > FORMAT:
        raise WorkspaceFormatError(
            f"{workspace.root} has format {number}: a newer Frontier wrote it "
            f"(this is {__version__}, which knows format {FORMAT})",
            hint="Upgrade: pip install --upgrade frontier-llm. "
            "Or choose another folder: frontier --workspace DIR ...",
        )


def note(workspace: Workspace) -> str:
    """Return what a reading command says about an older format, "" where there is nothing."""
    if not (workspace.root / _FIRST_PROJECT).exists():
        return ""
    return (
        f"{workspace.root} was written by an older Frontier; the next command that changes "
        "something brings it up to date, for instance: frontier start"
    )


def prepare(workspace: Workspace, command: str) -> None:
    """Bring *workspace* to `FORMAT`; the caller holds its lock, and may be killed anywhere.

    Raises:
        RefusedError: an older Frontier's daemon runs; it would look for its project in vain.
        StorageError: full disk, read-only file system, no permission.
    """
    if found(workspace) == FORMAT:
        return
    old = workspace.root / _FIRST_PROJECT
    if old.exists() and is_locked(workspace.run / "daemon.lock") and command not in _ENDING:
        raise RefusedError(
            "what runs was started by an older Frontier, which this one cannot steer",
            hint="frontier stop && frontier start",
        )
    with storage_errors(workspace.state):
        _move(old, workspace.project_file)
        with contextlib.suppress(OSError):  # there is none, or it holds something else
            old.parent.rmdir()
        for manifest in workspace.snapshots.glob("[0-9]*/snapshot.json"):
            _migrate(manifest)
    write_atomic(workspace.state / "format", f"{FORMAT}\n")


def _migrate(manifest: Path) -> None:
    """Give the project in a snapshot its new name; a damaged manifest stays as it is."""
    try:
        raw = json.loads(manifest.read_text())
        names = raw["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if _FIRST_PROJECT in names:
        files = manifest.parent / "files"
        _move(files / _FIRST_PROJECT, files / DECLARED)
        raw["files"] = [DECLARED if name == _FIRST_PROJECT else name for name in names]
        write_atomic(manifest, json.dumps(raw))


def _move(source: Path, target: Path) -> None:
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        sync_folder(target.parent)
