"""Configuration files of other people's programs: replaced with a backup, and put back."""

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from frontier.adapters.files import storage_errors, write_atomic
from frontier.domain.errors import ConfigError, NotFoundError, RefusedError


class _Record(TypedDict):
    """What was there before; `before` is base64, None for no file; `wrote` a SHA-256."""

    path: str
    before: str | None
    mode: int
    wrote: str


@dataclass(frozen=True, slots=True)
class LaunchFiles:
    """Files of the tools that one workspace launches.

    Attributes:
        folder: Frontier's own: one record per changed file, which holds what was there before.
        home: What the tools' paths begin from.
    """

    folder: Path
    home: Path

    def own(self, name: str) -> Path:
        """Return where Frontier's own file *name* lies."""
        return self.folder / name

    def path(self, file: str) -> Path:
        """Return where the tool's *file* lies; the target of a link, which stays one."""
        return (self.home / file).resolve()

    def read(self, file: str) -> str:
        """Return the text of the tool's *file*, "" where there is none.

        Raises:
            ConfigError: it is no text, or cannot be read.
        """
        path = self.path(file)
        try:
            return path.read_bytes().decode()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read as text: {error}") from error

    def write_own(self, name: str, text: str) -> Path:
        """Replace Frontier's own file *name*."""
        write_atomic(self.own(name), text, mode=0o600)
        return self.own(name)

    def replace(self, tool: str, file: str, text: str) -> Path | None:
        """Write *text* to the *file* of *tool*, the backup first; None where it is there already.

        What was there before the first of several launches is what `restore` brings back, unless
        somebody else wrote between them.

        Raises:
            StorageError: full disk, read-only file system, no permission.
        """
        path, data = self.path(file), text.encode()
        before = path.read_bytes() if path.exists() else None
        if before == data:
            return None
        record = self._record(tool)
        if record is None or before is None or _digest(before) != record["wrote"]:
            mode = path.stat().st_mode & 0o777 if before is not None else 0o600
            kept = None if before is None else base64.b64encode(before).decode()
            record = _Record(path=str(path), before=kept, mode=mode, wrote="")
        # the record first: a kill between the two leaves the old file, which `restore` knows
        record["wrote"] = _digest(data)
        self._save(tool, record)
        write_atomic(path, data, mode=record["mode"])
        return path

    def restore(self, tool: str) -> Path:
        """Bring back what was there before *tool* was launched, byte for byte.

        Raises:
            NotFoundError: nothing was changed for it.
            RefusedError: somebody changed the file since; it stays as it is.
        """
        record = self._record(tool)
        if record is None:
            raise NotFoundError(
                f"no file was changed for {tool}", hint=f"Look: frontier launch {tool} --print"
            )
        path = Path(record["path"])
        before = None if record["before"] is None else base64.b64decode(record["before"])
        now = path.read_bytes() if path.exists() else None
        if now not in (None, before) and _digest(now or b"") != record["wrote"]:
            saved = self.folder / f"{tool}.before"
            write_atomic(saved, before or b"", mode=0o600)
            raise RefusedError(
                f"{path} was changed since it was written; it stays as it is",
                hint=f"What was there before lies in {saved}.",
            )
        with storage_errors(path):
            if before is None:
                path.unlink(missing_ok=True)
            else:
                write_atomic(path, before, mode=record["mode"])
            self._file(tool).unlink()
        return path

    def _file(self, tool: str) -> Path:
        return self.folder / f"{tool}.json"

    def _record(self, tool: str) -> _Record | None:
        try:
            record: _Record = json.loads(self._file(tool).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ConfigError(
                f"{self._file(tool)}: damaged: {error}", hint="Remove it; the tool's file stays."
            ) from error
        return record

    def _save(self, tool: str, record: _Record) -> None:
        write_atomic(self._file(tool), json.dumps(record, indent=2) + "\n", mode=0o600)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
