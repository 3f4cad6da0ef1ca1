"""What checks ask of the machine beside the probes of its hardware."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from frontier.domain.check import Finding
from frontier.domain.project import Project


class Host(Protocol):
    """This machine, this installation and this user."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The process environment."""
        ...

    def said(self, argv: Sequence[str]) -> str | None:
        """Return the first line that a program printed; None where it is missing or fails."""
        ...

    def lines(self, argv: Sequence[str]) -> tuple[str, ...]:
        """Return all lines that a program printed; none where it is missing or fails."""
        ...

    def text(self, path: str) -> str:
        """Return what a file of the system holds, "" where it cannot be read."""
        ...

    def exists(self, path: str) -> bool:
        """Tell whether there is something at *path*."""
        ...

    def python(self) -> str:
        """Return version and kind of the interpreter, for people."""
        ...

    def wrong_packages(self) -> tuple[str, ...]:
        """Return the packages that Frontier needs and that are missing or of another version."""
        ...

    def engine_problem(self) -> str:
        """Return why the embedded llama.cpp cannot be loaded, "" where it can."""
        ...

    def installed_at(self) -> float:
        """Return when this Frontier was installed, Unix time, seconds."""
        ...

    def open_files(self) -> int:
        """Return how many files one process may have open."""
        ...

    def unwritable(self, path: Path) -> str:
        """Return why this user cannot write below *path*, "" where it can; it need not exist."""
        ...

    def free_bytes(self, path: str) -> int | None:
        """Return the free bytes at *path*, None where they cannot be read."""
        ...

    def date(self, url: str) -> float | None:
        """Ask *url*, whatever it answers; return the server's Unix time, None if it tells none.

        Raises:
            DownloadError: nothing answers there; the message says why.
        """
        ...


class WorkspaceLook(Protocol):
    """What a workspace's folder looks like."""

    def misplaced(self) -> tuple[str, ...]:
        """Return what is a file and should be a folder, or the other way round; and foreign."""
        ...

    def exposed(self) -> tuple[Path, ...]:
        """Return the files with secrets that others may read."""
        ...

    def close(self) -> None:
        """Let nobody but the owner read what `exposed` returns."""
        ...

    def changed(self, project: Project) -> tuple[str, ...]:
        """Return the rendered files of *project* that are missing or were changed by hand."""
        ...


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What a server has answered.

    Attributes:
        status: HTTP status.
        text: The whole body.
        first_s: Seconds until its first byte; `whole_s` until its last.
    """

    status: int
    text: str
    first_s: float = 0.0
    whole_s: float = 0.0

    def at(self, *path: str) -> Any:
        """Return what the body's JSON holds at *path*, None where it is no JSON or holds none."""
        try:
            found: Any = json.loads(self.text)
        except ValueError:
            return None
        for name in path:
            if not isinstance(found, Mapping):
                return None
            found = cast("Mapping[str, Any]", found).get(name)
        return found

    def items(self, *path: str) -> list[dict[str, Any]]:
        """Return the objects of the list at *path*, none where there is no list."""
        found = self.at(*path)
        rows: list[Any] = [*found] if isinstance(found, list) else []
        return [cast("dict[str, Any]", row) for row in rows if isinstance(row, dict)]


class CodingTool(Protocol):
    """A program that writes code with a model."""

    def missing(self) -> str:
        """Return what is missing to run it, "" for nothing."""
        ...

    def edit(self, url: str, key: str, model: str, *, timeout_s: float) -> Finding:
        """Let it edit a throwaway file with *model*, and tell what came of it."""
        ...


class Web(Protocol):
    """Asks servers on this machine over HTTP, never through a proxy."""

    def ask(
        self, url: str, *, key: str = "", body: object = None, timeout_s: float = 5.0
    ) -> WebAnswer:
        """GET *url*, or POST *body* as JSON; whatever it answers is returned.

        Raises:
            NotRunningError: nothing listens there.
            RuntimeFailedError: it gives no answer in time, or breaks off.
        """
        ...
