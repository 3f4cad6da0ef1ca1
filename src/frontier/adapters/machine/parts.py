"""How to read each part of each kind of machine."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from frontier.adapters.machine import amd, intel, linux, macos, metal, nvidia, virtual
from frontier.adapters.machine.tools import Run
from frontier.domain.machine import (
    AppleChip,
    Cpu,
    Disk,
    DockerDesktop,
    Gpu,
    Memory,
    NumaNode,
    Virtual,
)

Gpus = tuple[tuple[Gpu, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One function for each part; what this kind of machine lacks is the default."""

    os: str
    arch: str
    version: Callable[[], str]
    cpu: Callable[[], Cpu]
    memory: Callable[[], Memory]
    file_system: Callable[[Path], str]
    virtual: Callable[[], tuple[Virtual, ...]]
    numa: Callable[[], tuple[NumaNode, ...]] = tuple
    chip: Callable[[], AppleChip | None] = lambda: None
    gpu_cores: Callable[[], int | None] = lambda: None
    metal: Callable[[], int | None] = lambda: None
    nvidia: Callable[[], Gpus] = lambda: ((), ())
    amd: Callable[[], Gpus] = lambda: ((), ())
    intel: Callable[[], Gpus] = lambda: ((), ())
    desktop: Callable[[], DockerDesktop | None] = lambda: None


def of_mac(run: Run, arch: str) -> Parts:
    """Return how to read a Mac: its tools tell everything."""
    return Parts(
        os="macos",
        arch=arch,
        version=partial(macos.version, run),
        cpu=partial(macos.cpu, run, arch),
        memory=partial(macos.memory, run),
        file_system=partial(macos.file_system, run),
        virtual=partial(macos.virtual, run),
        chip=partial(macos.chip, run),
        gpu_cores=partial(macos.gpu_cores, run),
        metal=partial(metal.working_set, run) if arch == "arm64" else lambda: None,
    )


def of_linux(run: Run, root: Path, arch: str) -> Parts:
    """Return how to read Linux: the kernel's files below *root*, the vendors' tools for GPUs."""
    return Parts(
        os="linux",
        arch=arch,
        version=partial(linux.version, root),
        cpu=partial(linux.cpu, root, arch),
        memory=partial(linux.memory, root),
        file_system=partial(linux.file_system, root),
        virtual=partial(virtual.linux, root),
        numa=partial(linux.numa, root),
        nvidia=partial(nvidia.probe, run, root),
        amd=partial(amd.probe, run, root),
        intel=partial(intel.probe, run, root),
    )


def disk(path: Path) -> Disk:
    """Return the disk below *path*, which need not exist yet."""
    existing = existing_parent(path)
    usage = shutil.disk_usage(existing)
    return Disk(path=existing, free_bytes=usage.free, total_bytes=usage.total)


def existing_parent(path: Path) -> Path:
    """Return *path*, or the nearest folder above it that is there."""
    folder = path.absolute()
    return next(f for f in (folder, *folder.parents) if os.access(f, os.F_OK))
