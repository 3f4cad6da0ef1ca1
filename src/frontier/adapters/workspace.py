"""The workspace: where the user's configuration, data and state lie."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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
    def project_file(self) -> Path:
        """The rendered project that should run."""
        return self.state / "project" / "native.json"

    @property
    def secrets(self) -> Path:
        """Generated files that only the owner may read."""
        return self.state / "secrets"

    @property
    def snapshots(self) -> Path:
        """One folder per snapshot."""
        return self.state / "snapshots"

    @property
    def lock(self) -> Path:
        """Held by every command that changes the workspace."""
        return self.state / "lock"


def discover(chosen: Path | None, environ: Mapping[str, str], cwd: Path, home: Path) -> Workspace:
    """Return *chosen*, else FRONTIER_HOME, the nearest parent with a marker, the default."""
    if chosen is not None:
        return Workspace(chosen.expanduser().absolute())
    if from_env := environ.get("FRONTIER_HOME"):
        return Workspace(Path(from_env).expanduser().absolute())
    for folder in (cwd, *cwd.parents):
        if (folder / MARKER).is_dir():
            return Workspace(folder)
    return Workspace(home / "frontier-llm-stack")
