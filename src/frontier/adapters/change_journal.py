"""``.frontier/changing``: which change of what runs is under way, or was killed."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from frontier.adapters.files import write_atomic
from frontier.domain.change import Interrupted
from frontier.domain.errors import ConfigError, FrontierError, HalfDoneError
from frontier.domain.project import Project
from frontier.ports import ProjectFile

_SAME_START_S = 1.0  # a corrected clock moves the start times of living processes a little


class ChangeJournal:
    """The change that is under way in one workspace.

    A change counts from the moment that the declared project is replaced.

    Args:
        path: The journal; exists only while something changes.
        project: What is declared.
    """

    def __init__(self, path: Path, project: ProjectFile) -> None:
        self._path, self._project = path, project

    @contextlib.contextmanager
    def during(self, command: str, to: Project | None = None) -> Generator[Callable[[str], None]]:
        """Note that *command* changes what runs while the block runs; yields how to tell more.

        A FrontierError ends the note: whoever raises it has gone back before. Anything else, a
        Ctrl-C included, leaves it, so that the next command puts things in order.

        Args:
            command: What the person typed after ``frontier``.
            to: The project that will be declared, None where that is not known yet.
        """
        note: dict[str, Any] = {
            "command": command,
            "pid": os.getpid(),
            "started": _start_time(os.getpid()),
            "began": datetime.now(UTC).isoformat(timespec="seconds"),
            "from": digest(self._declared()),
            "to": digest(to),
            "stage": "",
        }

        def stage(text: str) -> None:
            write_atomic(self._path, json.dumps({**note, "stage": text}))

        stage("begun")
        try:
            yield stage
        except HalfDoneError:
            raise
        except FrontierError:
            self.clear()
            raise
        self.clear()

    def interrupted(self) -> Interrupted | None:
        """Return the change whose process is gone, None where there is none; changes nothing."""
        note = self._read()
        if note is None or _lives(note.get("pid"), note.get("started")):
            return None
        project = self._declared()
        return Interrupted(
            command=str(note.get("command", "")),
            began=str(note.get("began", "")),
            declared=_which(note, digest(project)),
            stack=project.stack if project else "",
            stage=str(note.get("stage", "")),
            is_completed=bool(note.get("completed")),
        )

    def complete(self) -> None:
        """Note that what an interrupted change selects is written down; it stays to be told."""
        write_atomic(self._path, json.dumps({**(self._read() or {}), "completed": True}))

    def clear(self) -> None:
        """Forget the change: what runs is what is declared."""
        self._path.unlink(missing_ok=True)

    def _declared(self) -> Project | None:
        try:
            return self._project.load()
        except ConfigError:
            return None  # damaged

    def _read(self) -> dict[str, Any] | None:
        try:
            note: Any = json.loads(self._path.read_text())
            return dict(note)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            return {}  # a note all the same


def digest(project: Project | None) -> str:
    """Return the SHA-256 of *project*, restarts that were asked for left out; "" for None."""
    if project is None:
        return ""
    plain = project.with_generations(dict.fromkeys(project.generations, 0))
    return hashlib.sha256(plain.to_json().encode()).hexdigest()


def _which(note: dict[str, Any], declared: str) -> Literal["old", "new"]:
    return "old" if declared == note.get("from") and declared != note.get("to") else "new"


def _lives(pid: object, started: object) -> bool:
    if not isinstance(pid, int) or not isinstance(started, int | float):
        return False
    return abs(_start_time(pid) - started) < _SAME_START_S


def _start_time(pid: int) -> float:
    """Return when a process began, Unix time; 0 if there is none of that id."""
    import psutil

    try:
        begun: float = psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0
    return begun
