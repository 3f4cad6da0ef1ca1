"""A change of what runs that was killed: what a later command finds of it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A command that ended before its change was whole.

    Attributes:
        command: What the person typed after ``frontier``: ``stack select mistral``.
        began: UTC, ISO 8601.
        declared: Whether the project that counts now is the one before or after the change.
        stack: The stack of that project, "" when nothing is declared.
        stage: What the command was doing last.
        is_completed: What it selects is written down.
    """

    command: str
    began: str
    declared: Literal["old", "new"]
    stack: str
    stage: str = ""
    is_completed: bool = False

    def __str__(self) -> str:
        """Return what happened, what counts now and what to type."""
        said = f"`frontier {self.command}` was interrupted; "
        if self.stack:
            return f"{said}declared is {self.stack}; bring it back with: frontier start"
        return f"{said}nothing is declared; clear up with: frontier stop"
