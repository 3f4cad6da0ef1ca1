"""What checks ask of this machine, this installation and this user."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from importlib import metadata
from pathlib import Path
from typing import Final

from frontier.adapters.machine.tools import ToolError, ToolMissingError, one_line, runner
from frontier.domain.errors import DownloadError

_PACKAGE: Final = "frontier-llm"
_TOOL_S: Final = 5.0
_ENGINE_S: Final = 20.0
_ASK_S: Final = 6.0
_SIGILL: Final = "-4"


@dataclass(frozen=True, slots=True)
class LocalHost:
    """Asks the real thing.

    Attributes:
        ca_file: File or folder of certificates trusted besides the system's, "" for none.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    ca_file: str = ""

    def said(self, argv: Sequence[str]) -> str | None:
        """Return the first line that a program printed; None where it is missing or fails."""
        try:
            return one_line(runner(_TOOL_S)(argv).strip().partition("\n")[0])
        except ToolError:
            return None

    def lines(self, argv: Sequence[str]) -> tuple[str, ...]:
        """Return all lines that a program printed; none where it is missing or fails."""
        try:
            return tuple(runner(_TOOL_S)(argv).splitlines())
        except ToolError:
            return ()

    def text(self, path: str) -> str:
        """Return what a file of the system holds, "" where it cannot be read."""
        try:
            return Path(path).read_text(errors="replace")
        except OSError:
            return ""

    def exists(self, path: str) -> bool:
        """Tell whether there is something at *path*."""
        return os.path.lexists(path)

    def python(self) -> str:
        """Return version and kind of the interpreter, for people."""
        return (
            f"{platform.python_implementation()} {platform.python_version()} for "
            f"{platform.machine()} at {sys.executable}"
        )

    def wrong_packages(self) -> tuple[str, ...]:
        """Return the packages that Frontier needs and that are missing or of another version."""
        try:
            required = metadata.requires(_PACKAGE) or ()
        except metadata.PackageNotFoundError:
            return (f"{_PACKAGE} itself has no metadata: it was copied, not installed",)
        return tuple(_wrong(required))

    def engine_problem(self) -> str:
        """Return why the embedded llama.cpp cannot be loaded, "" where it can.

        It is loaded by a process of its own: built for another processor it ends that process.
        """
        try:
            runner(_ENGINE_S)((sys.executable, "-c", "import xllamacpp"))
        except ToolMissingError as error:
            return str(error)
        except ToolError as error:
            if f"exit code {_SIGILL}:" in str(error):
                return "xllamacpp uses instructions that this processor does not have (SIGILL)"
            return f"xllamacpp cannot be loaded: {error}"
        return ""

    def installed_at(self) -> float:
        """Return when this Frontier was installed, Unix time, seconds."""
        return Path(__file__).stat().st_mtime

    def open_files(self) -> int:
        """Return how many files one process may have open: what it may raise its limit to."""
        import resource

        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        return hard if hard != resource.RLIM_INFINITY else sys.maxsize

    def unwritable(self, path: Path) -> str:
        """Return why this user cannot write below *path*, "" where it can; it need not exist."""
        there = _existing(path)
        if not there.is_dir():
            return f"{there} is a file, not a folder"
        try:
            with tempfile.TemporaryFile(dir=there):
                return ""
        except OSError as error:
            return f"{there}: {error.strerror}"

    def free_bytes(self, path: str) -> int | None:
        """Return the free bytes at *path*, None where they cannot be read."""
        try:
            return shutil.disk_usage(path).free if path else None
        except OSError:
            return None

    def date(self, url: str) -> float | None:
        """Ask *url*, whatever it answers; return the server's Unix time, None if it tells none.

        Raises:
            DownloadError: nothing answers there; the message says why.
        """
        import httpx2

        from frontier.adapters.fetch_client import open_client
        from frontier.domain.source import public_url

        try:
            with (
                open_client(ca_file=self.ca_file) as client,
                client.stream("GET", url, timeout=_ASK_S) as answer,
            ):
                told = answer.headers.get("date", "")
        except httpx2.HTTPError as error:
            why = one_line(str(error)) or type(error).__name__
            raise DownloadError(f"{public_url(url)} does not answer: {why}") from error
        try:
            return parsedate_to_datetime(told).timestamp() if told else None
        except ValueError:
            return None


def _existing(path: Path) -> Path:
    """Return *path*, or the nearest folder above it that is there."""
    whole = path.absolute()
    return next((p for p in (whole, *whole.parents) if p.exists()), Path("/"))


def _wrong(required: Sequence[str]) -> Iterator[str]:
    from packaging.requirements import Requirement

    for text in required:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield f"{requirement.name} is not installed"
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            yield f"{requirement.name} is {version}, {requirement.specifier} is needed"
