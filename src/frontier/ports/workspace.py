"""What a workspace declares and remembers."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Protocol

from frontier.domain.change import Interrupted
from frontier.domain.keys import Key
from frontier.domain.project import Project
from frontier.domain.snapshot import FileChanges, Snapshot
from frontier.domain.stack import Stack


class ProjectFile(Protocol):
    """The rendered project that should run."""

    def load(self) -> Project | None:
        """Return it, None when nothing was brought up yet."""
        ...

    def save(self, project: Project) -> None:
        """Replace it."""
        ...

    def clear(self) -> None:
        """Forget it."""
        ...


class KeyStore(Protocol):
    """The API keys of the gateway."""

    def load(self) -> tuple[Key, ...]:
        """Return all keys, the revoked ones included."""
        ...

    def save(self, keys: tuple[Key, ...]) -> None:
        """Replace all keys."""
        ...


class Journal(Protocol):
    """Remembers a change of what runs, so that a killed one is told and mended."""

    def during(
        self, command: str, to: Project | None = None
    ) -> AbstractContextManager[Callable[[str], None]]:
        """Note that *command* is bringing up *to* while the block runs; yields how to tell more.

        A FrontierError ends the note; anything else, a Ctrl-C included, leaves it.
        """
        ...

    def interrupted(self) -> Interrupted | None:
        """Return the change whose process is gone, None where there is none."""
        ...

    def clear(self) -> None:
        """Forget the change: what runs is what is declared."""
        ...


class SnapshotStore(Protocol):
    """What was before each change."""

    def take(self, before: str, *, keep: str = "") -> Snapshot:
        """Save the present state, before the command *before*; never drop *keep* for it."""
        ...

    def mark_good(self) -> None:
        """Remember that the present state has streamed a token."""
        ...

    def all(self) -> tuple[Snapshot, ...]:
        """Return all snapshots, newest first."""
        ...

    def find(self, snapshot_id: str) -> Snapshot:
        """Return the snapshot of that name, or the only one it begins."""
        ...

    def changes(self, snapshot: Snapshot) -> FileChanges:
        """Return what `restore` would do to the files, the project included."""
        ...

    def restore(self, snapshot: Snapshot, *, removing: Collection[str] = ()) -> None:
        """Bring back what *snapshot* holds; *removing* goes, and what Frontier wrote since."""
        ...

    def reset(self, snapshot: Snapshot) -> None:
        """Bring settings and project to their defaults; the rest is as in *snapshot*."""
        ...


class StackSource(Protocol):
    """Where stacks come from."""

    def names(self) -> tuple[str, ...]:
        """Return all names, sorted."""
        ...

    def load(self, name: str) -> Stack:
        """Return one stack."""
        ...
