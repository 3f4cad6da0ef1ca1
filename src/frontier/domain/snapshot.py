"""A snapshot: what the configuration was before a command changed it, and going back to it."""

from dataclasses import dataclass
from typing import Final

SCOPES: Final = (".env", "config", "stacks", ".frontier/declared")
"""What a snapshot covers, relative to the workspace: files, and folders with all in them."""

DECLARED: Final = ".frontier/declared/project.json"
"""The rendered project, relative to the workspace."""


WRITTEN: Final = (".env", "config/images.lock.yaml", DECLARED)
"""What Frontier itself writes; going back removes nothing else that the snapshot does not hold."""


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

    @property
    def removable(self) -> tuple[str, ...]:
        """Return what of `WRITTEN` it covers and does not hold: gone once it is restored."""
        return tuple(
            name
            for name in WRITTEN
            if name not in self.files
            and any(name == scope or name.startswith(f"{scope}/") for scope in self.scopes)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChanges:
    """What a snapshot would do to the workspace's files, or did; paths relative to the workspace.

    Attributes:
        changed: Get the content that they had.
        added: Were removed since, and come back.
        removed: Frontier wrote them since.
        kept: The person made them since; they stay. No difference, then.
    """

    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether anything differs."""
        return bool(self.changed or self.added or self.removed)
