"""What backups, restores and resets need."""

import contextlib
import platform
import shutil
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.bootstrap.core import Core
from frontier.domain.backup import FOLDERS, SavedModel
from frontier.domain.errors import ConfigError, FrontierError, RuntimeFailedError

if TYPE_CHECKING:
    from frontier.adapters.backups import Backups as Store
    from frontier.adapters.data_stores import DataStores
    from frontier.adapters.docker_sweep import DockerSweep
    from frontier.adapters.docker_volumes import DockerVolumes
    from frontier.adapters.staging import Staging
    from frontier.bootstrap.models import Models
    from frontier.bootstrap.running import Running
    from frontier.ports import Reporter
    from frontier.usecases.backups import Making, Origin
    from frontier.usecases.reset import Resetting
    from frontier.usecases.restores import Restored


@dataclass
class Backups:
    """The ports of backups, restores and resets, built on first use.

    Attributes:
        is_lenient: Do without settings where they are wrong.
    """

    core: Core
    models: "Models"
    running: "Running"
    is_lenient: bool = False

    @cached_property
    def store(self) -> "Store":
        """The folder of backups."""
        from frontier.adapters.backups import Backups as Store

        return Store(self._folder, self._lock)

    @property
    def _lock(self) -> Path:
        return self.core.workspace.state / "backup.lock"

    @property
    def _folder(self) -> Path:
        """Return BACKUP_PATH; a relative one begins at the workspace."""
        workspace = self.core.workspace
        try:
            chosen = self.core.settings.backup_path
        except ConfigError:
            if not self.is_lenient:
                raise
            chosen = ""
        return workspace.root / Path(chosen).expanduser() if chosen else workspace.backups

    @cached_property
    def volumes(self) -> "DockerVolumes":
        """What services keep in Docker."""
        from frontier.adapters.docker_volumes import DockerVolumes

        workspace = self.core.workspace
        return DockerVolumes(workspace.root, workspace.state / "paused")

    @cached_property
    def data(self) -> "DataStores":
        """What services write all the time."""
        from frontier.adapters.data_stores import DataStores

        return DataStores(self.core.workspace, self.volumes)

    @cached_property
    def staging(self) -> "Staging":
        """Where files are gathered and prepared."""
        from frontier.adapters.staging import Staging

        return Staging(self.core.workspace, self.models.store, python=sys.executable)

    @property
    def origin(self) -> "Origin":
        """This machine, this version, this workspace."""
        from frontier import __version__
        from frontier.adapters.workspace_format import FORMAT
        from frontier.usecases.backups import Origin

        return Origin(
            frontier=__version__,
            workspace_format=FORMAT,
            host=platform.node(),
            root=str(self.core.workspace.root),
            python=sys.executable,
        )

    def making(self, reporter: "Reporter") -> "Making":
        """Return the use-case behind `backup create`."""
        from frontier.usecases.backups import Making

        self.mend(reporter)
        return Making(
            store=self.store,
            staging=self.staging,
            data=self.data,
            models=self.models.store,
            project=self.core.project,
            origin=self.origin,
            changing=self.core.changing,
            now=lambda: datetime.now(UTC),
            reporter=reporter,
        )

    def resetting(self, reporter: "Reporter") -> "Resetting":
        """Return the use-case behind `rollback --reset`; broken settings do not stop it."""
        from frontier.usecases.reset import Resetting

        lenient, core = replace(self, is_lenient=True), self.core
        workspace = core.workspace
        folders = [workspace.root / name for name in FOLDERS]
        return Resetting(
            native=self.running.native.stop,
            containers=lenient.sweep,
            snapshots=core.snapshots,
            journal=core.journal,
            save=lambda volumes: lenient.save_all(reporter, volumes=volumes),
            forget=lambda: _remove(workspace.project_folder),
            data=tuple(str(f.relative_to(workspace.root)) for f in folders if f.is_dir()),
            remove_data=lambda: _remove(*folders),
            changing=core.changing,
            reporter=reporter,
        )

    def save_all(self, reporter: "Reporter", *, volumes: bool) -> str:
        """Make a backup of all that a reset removes; return its name.

        Raises:
            StorageError: full disk, read-only file system.
        """
        compose = ""
        with contextlib.suppress(ConfigError, RuntimeFailedError):  # Docker removes none, then
            if volumes and self.sweep.find().volumes:
                compose = self.core.settings.project_name
        making = self.making(reporter)
        return making.create(with_volumes=volumes, undeclared=compose).name

    @property
    def sweep(self) -> "DockerSweep":
        """All that Docker has of this workspace."""
        from frontier.adapters.docker_sweep import DockerSweep

        return DockerSweep(self.core.workspace, self._project_names)

    def _project_names(self) -> set[str]:
        """Return the Compose projects that this workspace may have had, as far as can be read."""
        names: set[str] = set()
        with contextlib.suppress(ConfigError):
            names.add(self.core.settings.project_name)
        with contextlib.suppress(ConfigError):
            project = self.core.project.load()
            names.update([project.containers.name] if project and project.containers else [])
        return names

    def mend(self, reporter: "Reporter") -> None:
        """Finish what a killed backup or restore left, unless another one is under way.

        Raises:
            RuntimeFailedError: Docker is needed for it and does not answer.
        """
        from frontier.adapters.files import is_locked
        from frontier.usecases.restores import finish_volumes

        if is_locked(self._lock):
            return
        if self.volumes.is_interrupted:
            self.volumes.resume()
        if self.staging.pending() and self.running.runtime.state() is None:
            with self.core.changing("backup restore"):
                finish_volumes(staging=self.staging, data=self.data, reporter=reporter)

    def pull_missing(self, done: "Restored", reporter: "Reporter") -> "Restored":
        """Download the models that *done* misses; what cannot be had becomes a note."""
        failed: list[SavedModel] = []
        notes = list(done.notes)
        for model in done.missing:
            try:
                self.models.obtain(model.source, reporter, stored_as=model.name)
            except FrontierError as error:
                failed.append(model)
                notes.append(f"{model.name} was not downloaded: {error.message}")
        return replace(done, missing=tuple(failed), notes=tuple(notes))


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
