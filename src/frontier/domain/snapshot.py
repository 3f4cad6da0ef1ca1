"""A snapshot: what the configuration was before a command changed it."""

from dataclasses import dataclass
from typing import Final

SCOPES: Final = (".env", "config", "stacks", ".frontier/declared")
"""What a snapshot covers, relative to the workspace: files, and folders with all in them."""

DECLARED: Final = ".frontier/declared/project.json"
"""The rendered project, relative to the workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One saved state of configuration and project; models are not in it.

    Attributes:
        id: Sortable name, UTC time first: ``20261121T041500.123456-config-set``.
        before: The command that was about to run, ``proof`` where a token had just come.
        files: Paths relative to the workspace.
        scopes: What it covers: a file in there that is not in *files* did not exist.
        good_at: When this state last streamed a token, UTC and sortable; "" if it never did.
    """

    id: str
    before: str
    files: tuple[str, ...]
    scopes: tuple[str, ...] = SCOPES
    good_at: str = ""

    @property
    def is_good(self) -> bool:
        """Tell whether this state has streamed a token."""
        return bool(self.good_at)
