"""What pointing other people's tools at the gateway asks of the outside."""

from pathlib import Path
from typing import Protocol

from frontier.domain.launch import Api, Trial


class ToolTrial(Protocol):
    """The running gateway, asked as a tool does."""

    def contexts(self) -> dict[str, int]:
        """Map each model that can be asked for to its context in tokens, 0 for unknown.

        Raises:
            NotRunningError: nothing listens there.
        """
        ...

    def ask(self, api: Api, model: str, *, words: int, with_tool: bool) -> Trial:
        """Return what *model* made of a prompt of *words* words, and of a tool in *api*."""
        ...


class ToolFiles(Protocol):
    """Configuration files of tools, and Frontier's own beside them."""

    def own(self, name: str) -> Path:
        """Return where Frontier's own file *name* lies."""
        ...

    def path(self, file: str) -> Path:
        """Return where the tool's *file* lies."""
        ...

    def read(self, file: str) -> str:
        """Return the text of the tool's *file*, "" where there is none."""
        ...

    def write_own(self, name: str, text: str) -> Path:
        """Replace Frontier's own file *name*."""
        ...

    def replace(self, tool: str, file: str, text: str) -> Path | None:
        """Write *text* to the *file* of *tool*, the backup first; None where it is there."""
        ...

    def restore(self, tool: str) -> Path:
        """Bring back what was there before *tool* was launched, byte for byte."""
        ...
