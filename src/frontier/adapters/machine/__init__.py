"""Looks at the machine: each part by a probe of its own, at the same time, none trusted to end."""

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from frontier.adapters.machine import docker_desktop
from frontier.adapters.machine.parts import (
    Gpus,
    Parts,
    disk,
    existing_parent,
    of_linux,
    of_mac,
)
from frontier.adapters.machine.probes import Probes
from frontier.adapters.machine.tools import Run, runner
from frontier.domain.gpu_visible import hide
from frontier.domain.machine import AppleChip, Cpu, Disk, Gpu, Machine
from frontier.domain.metal import estimate

TIMEOUT_S = 5.0


def probe_machine(
    path: Path,
    *,
    run: Run | None = None,
    root: Path = Path("/"),
    home: Path | None = None,
    environ: Mapping[str, str] = os.environ,
    system: str = "",
    arch: str = "",
    timeout_s: float = TIMEOUT_S,
) -> Machine:
    """Return the machine and the file system below *path*; raises nothing.

    Args:
        path: A folder that need not exist yet.
        run: Runs the vendors' tools.
        root: The file system that holds ``proc``, ``sys`` and ``etc``.
        home: The user's folder, where Docker Desktop keeps its settings.
        environ: May hide GPUs from programs.
        system: As `platform.system` names it, which is the default.
        arch: As `platform.machine` names it, which is the default.
        timeout_s: After this long, half a second added, what has not answered is a problem.
    """
    run, arch = run or runner(timeout_s), arch or platform.machine()
    is_mac = (system or platform.system()) == "Darwin"
    parts = of_mac(run, arch) if is_mac else of_linux(run, root, arch)
    parts = replace(parts, desktop=partial(docker_desktop.probe, home))
    return _gather(parts, path, environ, timeout_s)


def _gather(parts: Parts, path: Path, environ: Mapping[str, str], timeout_s: float) -> Machine:
    probes = Probes(timeout_s)
    version = probes.start("os version", parts.version)
    cpu = probes.start("cpu", parts.cpu)
    memory = probes.start("memory", parts.memory)
    whole_disk = _start_disk(probes, parts, path)
    virtual = probes.start("virtual", parts.virtual)
    numa = probes.start("numa", parts.numa)
    desktop = probes.start("docker desktop", parts.desktop)
    apple = _start_apple(probes, parts)
    gpus = _start_gpus(probes, parts, environ)
    os_version = version() or "unknown"
    found_gpus, gpu_problems = gpus()
    machine = Machine(
        os=parts.os,
        os_version=os_version,
        arch=parts.arch,
        cpu=cpu() or _unknown_cpu(parts.arch),
        memory=memory(),
        disk=whole_disk(),
        apple=apple(os_version),
        gpus=found_gpus,
        virtual=virtual() or (),
        numa=numa() or (),
        docker_desktop=desktop(),
    )
    return replace(machine, problems=(*probes.problems, *gpu_problems, *_emulated(machine)))


def _start_disk(probes: Probes, parts: Parts, path: Path) -> Callable[[], Disk | None]:
    usage = probes.start("disk", lambda: disk(path))
    kind = probes.start("file system", lambda: parts.file_system(existing_parent(path)))

    def whole() -> Disk | None:
        found = usage()
        return replace(found, file_system=kind() or "") if found else None

    return whole


def _start_apple(probes: Probes, parts: Parts) -> Callable[[str], AppleChip | None]:
    chip = probes.start("chip", parts.chip)
    gpu_cores = probes.start("gpu cores", parts.gpu_cores)
    metal = probes.start("metal", parts.metal)

    def whole(os_version: str) -> AppleChip | None:
        found, cores, told = chip(), gpu_cores(), metal()
        return _with_metal(replace(found, gpu_cores=cores), told, os_version) if found else None

    return whole


def _with_metal(chip: AppleChip, told: int | None, os_version: str) -> AppleChip:
    """Return *chip* with what Metal may use: what was set counts, then what Metal tells."""
    if chip.gpu_memory_source == "set":
        return chip
    if told:
        return replace(chip, gpu_memory_bytes=told, gpu_memory_source="told")
    major = os_version.partition(".")[0]
    share = estimate(chip.unified_memory_bytes, int(major) if major.isdigit() else 0)
    return replace(chip, gpu_memory_bytes=share, gpu_memory_source="estimated")


def _start_gpus(probes: Probes, parts: Parts, environ: Mapping[str, str]) -> Callable[[], Gpus]:
    started = (
        probes.start("nvidia", parts.nvidia),
        probes.start("amd", parts.amd),
        probes.start("intel", parts.intel),
    )

    def joined() -> Gpus:
        answers = [answer for vendor in started if (answer := vendor()) is not None]
        gpus: list[Gpu] = [gpu for answer in answers for gpu in hide(answer[0], environ)]
        gpus.sort(key=lambda gpu: gpu.is_integrated)  # stable: cards first, each kind in order
        return tuple(gpus), tuple(problem for answer in answers for problem in answer[1])

    return joined


def _unknown_cpu(arch: str) -> Cpu:
    count = os.cpu_count() or 1
    return Cpu(model=arch, physical=count, logical=count, usable=count)


def _emulated(machine: Machine) -> tuple[str, ...]:
    if machine.apple is None or machine.arch == "arm64":
        return ()
    return ("python: an Intel build on Apple silicon cannot use Metal: install an arm64 Python",)
