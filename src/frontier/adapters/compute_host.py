"""What of the GPUs an engine on this host meets: device files, CDI specifications, its own list."""

import contextlib
import grp
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from frontier.adapters.machine.tools import ToolError, runner
from frontier.domain.gpu import Accelerator, DeviceNode, HostDevices
from frontier.domain.offload import listed_devices

_CDI_FOLDERS: Final = ("etc/cdi", "var/run/cdi")
_TIMEOUT_S: Final = 20.0  # the first look at a GPU after boot takes the driver seconds
_PREFIXES: Final[dict[str, Accelerator]] = {
    "CUDA": "cuda",
    "ROCm": "rocm",
    "MTL": "metal",
    "Metal": "metal",
    "Vulkan": "vulkan",
}


def read_devices(root: Path = Path("/")) -> HostDevices:
    """Return the device files below *root*; what cannot be read is not there."""
    kfd = root / "dev/kfd"
    render = sorted((root / "dev/dri").glob("renderD*"))
    specs = (spec for folder in _CDI_FOLDERS for spec in sorted((root / folder).glob("*")))
    return HostDevices(
        kfd=_node(kfd),
        render=tuple(node for path in render if (node := _node(path))),
        cdi_specs=tuple(str(spec) for spec in specs if _defines_nvidia(spec)),
    )


def _node(path: Path) -> DeviceNode | None:
    try:
        gid = path.stat().st_gid
    except OSError:
        return None
    group = str(gid)
    with contextlib.suppress(KeyError):
        group = grp.getgrgid(gid).gr_name
    is_open = os.access(path, os.R_OK | os.W_OK)
    return DeviceNode(
        path=f"/{path.relative_to(_root(path))}", gid=gid, group=group, is_open=is_open
    )


def _root(path: Path) -> Path:
    """Return the folder that holds ``dev``."""
    return next(parent.parent for parent in path.parents if parent.name == "dev")


def _defines_nvidia(spec: Path) -> bool:
    if spec.suffix not in (".yaml", ".yml", ".json"):
        return False
    try:
        return "nvidia.com/gpu" in spec.read_text(errors="replace")
    except OSError:
        return False


def list_accelerators(
    argv: Sequence[str], *, timeout_s: float = _TIMEOUT_S
) -> frozenset[Accelerator]:
    """Return what the llama.cpp server *argv* is built for and finds; empty where it fails.

    It is asked only where there is something to find: it loads the drivers, which takes time.
    """
    try:
        output = runner(timeout_s)([*argv, "--list-devices"])
    except ToolError:
        return frozenset()
    names = listed_devices(output)
    return frozenset(
        a for prefix, a in _PREFIXES.items() if any(n.startswith(prefix) for n in names)
    )
