"""`rollback --reset`: the clean slate, with all that was there saved first."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from frontier.domain.errors import RuntimeFailedError
from frontier.domain.sweep import Found
from frontier.ports import ContainerSweep, Journal, Reporter, SnapshotStore

COMMAND = "rollback --reset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """What `rollback --reset` did, or would do.

    Attributes:
        steps: What goes, one line each.
        stays: What was not asked to go.
        backup: The archive with the configuration before, "" in a dry run.
        snapshot: The same for `rollback`, "" in a dry run.
        notes: What could not be done, and what to do about it.
    """

    steps: tuple[str, ...]
    stays: tuple[str, ...]
    backup: str
    snapshot: str
    notes: tuple[str, ...]
    applied: bool


@dataclass(frozen=True, kw_only=True)
class Resetting:
    """One run of `rollback --reset`, with all it asks of the outside.

    It looks at no rendered project and no setting, because those may be what is broken.

    Attributes:
        native: Stops host processes; False if none ran.
        containers: What Docker has of this workspace.
        save: Makes a backup of the configuration, with True also of what services keep, and
            returns where it lies.
        forget: Removes what is made from the declared project.
        data: Folders that services write to.
        remove_data: Removes them.
        changing: Holds the workspace's lock.
    """

    native: Callable[[Reporter], bool]
    containers: ContainerSweep
    snapshots: SnapshotStore
    journal: Journal
    save: Callable[[bool], str]
    forget: Callable[[], None]
    data: tuple[str, ...]
    remove_data: Callable[[], None]
    changing: Callable[[str], AbstractContextManager[None]]
    reporter: Reporter

    def plan(self, *, volumes: bool, images: bool) -> Reset:
        """Return what `reset` would do; change nothing."""
        found, note = self._found()
        data = (*self.data, *found.volumes)
        going = (
            *(f"remove container {name}" for name in found.containers),
            *(f"remove network {name}" for name in found.networks),
            "stop host processes, forget the project",
            "settings and selection back to their defaults (.env)",
            *(f"remove volume {name}" for name in data if volumes),
            *(f"remove image {name}" for name in found.images if images),
        )
        staying = (
            "models, config/ and stacks/",
            *(f"volume {name} (--volumes removes it)" for name in data if not volumes),
            *(f"image {name} (--images removes it)" for name in found.images if not images),
        )
        return Reset(steps=going, stays=staying, backup="", snapshot="", notes=note, applied=False)

    def reset(self, *, volumes: bool, images: bool) -> Reset:
        """Save the configuration, then bring the workspace to where it began.

        Raises:
            StorageError: what goes cannot be saved; nothing was changed.
            RuntimeFailedError: something does not stop; the project is still declared.
        """
        plan = self.plan(volumes=volumes, images=images)
        backup = self.save(volumes)
        with self.changing(COMMAND):
            snapshot = self.snapshots.take(COMMAND)
            with self.journal.during(COMMAND) as stage:
                stage("stopping what runs")
                self.native(self.reporter)
                found, _ = self._found()
                self.containers.remove(found, self.reporter, volumes=volumes, images=images)
                self.snapshots.reset(snapshot)
                self.forget()
                if volumes:
                    self.remove_data()
        return Reset(
            steps=plan.steps,
            stays=plan.stays,
            backup=backup,
            snapshot=snapshot.id,
            notes=plan.notes,
            applied=True,
        )

    def _found(self) -> tuple[Found, tuple[str, ...]]:
        """Return what Docker has, and what to know where it does not answer."""
        try:
            return self.containers.find(), ()
        except RuntimeFailedError as error:
            if not self.containers.are_expected:
                return Found(), ()
            return Found(), (
                f"containers may be left: {error.message}; "
                "when Docker runs again: frontier rollback --reset",
            )
