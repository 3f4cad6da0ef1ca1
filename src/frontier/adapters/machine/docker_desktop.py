"""The limits of Docker Desktop, from its settings file: it need not run for that.

Source: https://docs.docker.com/desktop/settings-and-maintenance/settings; names and places of the
file as users of versions 4.30 to 4.63 reported them.
"""

import json
from pathlib import Path
from typing import Any

from frontier.domain.machine import DockerDesktop

_FOLDERS = ("Library/Group Containers/group.com.docker", ".docker/desktop")
_FILES = ("settings-store.json", "settings.json")  # the second up to version 4.34
_IMAGES = (
    "Library/Containers/com.docker.docker/Data/vms/0/data/Docker.raw",
    ".docker/desktop/vms/0/data/Docker.raw",
)
_BLOCK_BYTES = 512  # of st_blocks, on every system


def probe(home: Path | None) -> DockerDesktop | None:
    """Return the settings of the user whose home is *home*, None without Docker Desktop."""
    home = home or Path.home()
    files = (home / folder / name for folder in _FOLDERS for name in _FILES)
    found = next((path for path in files if path.is_file()), None)
    if found is None:
        return None
    # Its names began with a small letter once.
    settings = {key.lower(): value for key, value in json.loads(found.read_text()).items()}
    image = _image(home, settings)
    return DockerDesktop(
        cpus=_number(settings, "cpus"),
        memory_bytes=_mebibytes(settings, "memorymib"),
        disk_image=image,
        disk_used_bytes=image.stat().st_blocks * _BLOCK_BYTES if image else None,
        disk_limit_bytes=_mebibytes(settings, "disksizemib"),
    )


def _image(home: Path, settings: dict[str, Any]) -> Path | None:
    moved = settings.get("datafolder")  # where the user chose another place
    chosen = [Path(moved) / name for name in ("Docker.raw", "DockerDesktop/Docker.raw") if moved]
    images = (*chosen, *(home / name for name in _IMAGES))
    return next((path for path in images if path.is_file()), None)


def _number(settings: dict[str, Any], name: str) -> int | None:
    value = settings.get(name)
    return value if isinstance(value, int) and value > 0 else None


def _mebibytes(settings: dict[str, Any], name: str) -> int | None:
    value = _number(settings, name)
    return value << 20 if value else None
