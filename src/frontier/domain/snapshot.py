"""A snapshot: what the configuration was before a command changed it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One saved state of configuration and project; models are not in it.

    Attributes:
        id: Sortable name, UTC time first: ``20261121T041500.123456-config-set``.
        before: The command that was about to run.
        files: Paths relative to the workspace.
    """

    id: str
    before: str
    files: tuple[str, ...]
