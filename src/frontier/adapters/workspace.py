"""The workspace: where the user's configuration, data and state lie."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from frontier.domain.errors import ConfigError, UsageError

MARKER = ".frontier"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Paths below one root; nothing is created before something is written."""

    root: Path

    @property
    def env_file(self) -> Path:
        """What the user changed, nothing else."""
        return self.root / ".env"

    @property
    def config(self) -> Path:
        """The user's YAML files."""
        return self.root / "config"

    @property
    def models_yaml(self) -> Path:
        """The user's models and routes; the gateway reloads it when it changes."""
        return self.config / "models.yaml"

    @property
    def catalog(self) -> Path:
        """The user's own files of the model catalog."""
        return self.config / "catalog"

    @property
    def keys_yaml(self) -> Path:
        """API keys, hashed; the gateway reloads it when it changes."""
        return self.config / "keys.yaml"

    @property
    def stacks(self) -> Path:
        """The user's own stacks; a name found here wins over the packaged one."""
        return self.root / "stacks"

    @property
    def models(self) -> Path:
        """The model store."""
        return self.root / "data" / "models"

    @property
    def logs(self) -> Path:
        """One file per service, rotated."""
        return self.root / "logs"

    @property
    def state(self) -> Path:
        """Frontier's own state."""
        return self.root / MARKER

    @property
    def run(self) -> Path:
        """Run files of the daemon: lock, state, generated routes."""
        return self.state / "run"

    @property
    def targets(self) -> Path:
        """The engines of host processes, for a Prometheus of the user's own."""
        return self.run / "targets.json"

    @property
    def monitoring(self) -> Path:
        """The configuration of a Prometheus of the user's own."""
        return self.state / "monitoring"

    @property
    def project_file(self) -> Path:
        """The rendered project that should run: the truth that the project folder is made from."""
        return self.state / "declared" / "project.json"

    @property
    def project_folder(self) -> Path:
        """The rendered project as files that plain ``docker compose`` can run."""
        return self.state / "project"

    @property
    def compose_file(self) -> Path:
        """Written before the first container starts, and there as long as any may be."""
        return self.project_folder / "compose.yaml"

    @property
    def facts_file(self) -> Path:
        """What commands and the daemon tell the gateway, for its metrics."""
        return self.root / "data" / "gateway" / "facts.json"

    @property
    def builds(self) -> Path:
        """What Frontier built: engine binaries and contexts of images, one folder per input."""
        return self.root / "data" / "builds"

    @property
    def backups(self) -> Path:
        """Where backups lie unless BACKUP_PATH says otherwise."""
        return self.root / "backups"

    @property
    def secrets(self) -> Path:
        """Generated files that only the owner may read."""
        return self.state / "secrets"

    @property
    def snapshots(self) -> Path:
        """One folder per snapshot."""
        return self.state / "snapshots"

    @property
    def changing(self) -> Path:
        """There while a command changes what runs; tells which one was killed."""
        return self.state / "changing"

    @property
    def lock(self) -> Path:
        """Held by every command that changes the workspace."""
        return self.state / "lock"


def discover(
    chosen: Path | None,
    environ: Mapping[str, str],
    *,
    cwd: Callable[[], Path],
    home: Callable[[], Path],
) -> Workspace:
    """Return *chosen*, else FRONTIER_HOME, the nearest parent with a marker, the default.

    A marker that belongs to another user is passed over: `frontier start` runs what the
    workspace says, so nobody may lay one in the way of others.

    Args:
        chosen: The command line's.
        environ: The process environment.
        cwd: Returns the working folder; asked only where it matters, for it may be gone.
        home: Returns the user's home folder; likewise, for there may be none.

    Raises:
        ConfigError: neither of both can be found.
        UsageError: what was named is no folder.
    """
    if chosen is not None:
        return _named(chosen)
    if from_env := environ.get("FRONTIER_HOME"):
        return _named(Path(from_env))
    try:
        here = cwd()
        for folder in (here, *here.parents):
            if _is_ours(folder / MARKER):
                return Workspace(folder)
        return Workspace(home() / "frontier-llm-stack")
    except (OSError, RuntimeError) as error:
        raise ConfigError(
            f"no workspace can be found: {error}", hint="Name one: frontier --workspace DIR ..."
        ) from error


def _named(path: Path) -> Workspace:
    root = path.expanduser().absolute()
    if root.exists() and not root.is_dir():
        raise UsageError(
            f"the workspace {root} is a file, not a folder",
            hint="Name a folder; it need not exist yet: frontier --workspace DIR ...",
        )
    return Workspace(root)


def _is_ours(marker: Path) -> bool:
    return marker.is_dir() and marker.stat().st_uid == os.geteuid()
