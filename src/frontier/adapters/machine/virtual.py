"""Whether this is a virtual machine, WSL or a container, from the kernel's files."""

import re
from pathlib import Path

from frontier.adapters.machine.pci import read
from frontier.domain.machine import Virtual

_CONTAINER_FILES = (".dockerenv", "run/.containerenv", "run/systemd/container")
_CONTAINER_GROUPS = re.compile(
    r"(?m)^\d+:[^:]*:.*(?:/docker[-/][0-9a-f]{12}|/kubepods|/libpod-|/cri-containerd-|/lxc[./])"
)
_HYPERVISOR_FILES = ("sys/hypervisor/type", "proc/device-tree/hypervisor/compatible")


def linux(root: Path) -> tuple[Virtual, ...]:
    """Return what stands between this process and the hardware, outermost first.

    Source: systemd's src/basic/virt.c, https://learn.microsoft.com/windows/wsl.
    """
    machine: tuple[Virtual, ...] = ("vm",) if _is_virtual(root) else ()
    if "microsoft" in read(root / "proc/sys/kernel/osrelease").lower():
        machine = ("wsl2",)
    return (*machine, "container") if _is_container(root) else machine


def _is_virtual(root: Path) -> bool:
    flags = re.search(r"(?m)^flags\s*:(.*)$", read(root / "proc/cpuinfo"))
    has_flag = flags is not None and "hypervisor" in flags[1].split()
    return has_flag or any((root / name).exists() for name in _HYPERVISOR_FILES)


def _is_container(root: Path) -> bool:
    if any((root / name).exists() for name in _CONTAINER_FILES) and not _has_own_disk(root):
        return True
    return _CONTAINER_GROUPS.search(read(root / "proc/self/cgroup")) is not None


def _has_own_disk(root: Path) -> bool:
    """Tell whether ``/`` is the top of a block device: machines made from images keep the files."""
    rows = re.findall(
        r"(?m)^\S+ \S+ \S+ (\S+) / .* - \S+ (\S+) ", f"{read(root / 'proc/self/mountinfo')}\n"
    )
    return bool(rows) and rows[-1][0] == "/" and rows[-1][1].startswith("/dev/")
