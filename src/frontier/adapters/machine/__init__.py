"""Looks at the machine: each part by a probe of its own, at the same time, none trusted to end."""

import os
import platform
import queue
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from frontier.adapters.machine import amd, linux, macos, nvidia
from frontier.adapters.machine.tools import Run, ToolError, one_line, runner
from frontier.domain.machine import AppleChip, Cpu, Disk, Gpu, Machine, Memory

T = TypeVar("T")
Gpus = tuple[tuple[Gpu, ...], tuple[str, ...]]

TIMEOUT_S = 5.0
# A tool that used up its time still needs a moment to be killed and reported.
_GRACE_S = 0.5


def probe_machine(
    path: Path,
    *,
    run: Run | None = None,
    root: Path = Path("/"),
    system: str = "",
    arch: str = "",
    timeout_s: float = TIMEOUT_S,
) -> Machine:
    """Return the machine and the file system below *path*; raises nothing.

    Args:
        path: A folder that need not exist yet.
        run: Runs the vendors' tools.
        root: The file system that holds ``proc``, ``sys`` and ``etc``.
        system: As `platform.system` names it, which is the default.
        arch: As `platform.machine` names it, which is the default.
        timeout_s: After this long, half a second added, what has not answered is a problem.
    """
    parts = _parts(
        run or runner(timeout_s),
        root,
        arch or platform.machine(),
        is_mac=(system or platform.system()) == "Darwin",
    )
    return _gather(parts, path, arch or platform.machine(), timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """How to read each part of this kind of machine."""

    os: str
    version: Callable[[], str]
    cpu: Callable[[], Cpu]
    memory: Callable[[], Memory]
    chip: Callable[[], AppleChip | None] = lambda: None
    gpu_cores: Callable[[], int | None] = lambda: None
    nvidia: Callable[[], Gpus] = lambda: ((), ())
    amd: Callable[[], Gpus] = lambda: ((), ())


def _parts(run: Run, root: Path, arch: str, *, is_mac: bool) -> _Parts:
    if is_mac:
        return _Parts(
            os="macos",
            version=partial(macos.version, run),
            cpu=partial(macos.cpu, run, arch),
            memory=partial(macos.memory, run),
            chip=partial(macos.chip, run),
            gpu_cores=partial(macos.gpu_cores, run),
        )
    return _Parts(
        os="linux",
        version=partial(linux.version, root),
        cpu=partial(linux.cpu, root, arch),
        memory=partial(linux.memory, root),
        nvidia=partial(nvidia.probe, run, root),
        amd=partial(amd.probe, run, root),
    )


def _gather(parts: _Parts, path: Path, arch: str, timeout_s: float) -> Machine:
    probes = _Probes(timeout_s)
    version = probes.start("os version", parts.version)
    cpu = probes.start("cpu", parts.cpu)
    memory = probes.start("memory", parts.memory)
    disk = probes.start("disk", partial(_disk, path))
    chip = probes.start("chip", parts.chip)
    gpu_cores = probes.start("gpu cores", parts.gpu_cores)
    nvidia_gpus = probes.start("nvidia", parts.nvidia)
    amd_gpus = probes.start("amd", parts.amd)
    gpus, gpu_problems = _joined(nvidia_gpus(), amd_gpus())
    apple, cores = chip(), gpu_cores()
    machine = Machine(
        os=parts.os,
        os_version=version() or "unknown",
        arch=arch,
        cpu=cpu() or _unknown_cpu(arch),
        memory=memory(),
        disk=disk(),
        apple=replace(apple, gpu_cores=cores) if apple else None,
        gpus=gpus,
    )
    return replace(machine, problems=(*probes.problems, *gpu_problems, *_emulated(machine)))


class _Probes:
    """Runs each piece of work in a thread of its own and stops waiting at one deadline."""

    def __init__(self, timeout_s: float) -> None:
        self.problems: list[str] = []
        self._deadline = time.monotonic() + timeout_s + _GRACE_S
        self._timeout_s = timeout_s

    def start(self, name: str, work: Callable[[], T]) -> Callable[[], T | None]:
        """Start *work*; the returned function gives its result, or None and adds a problem."""
        box: queue.SimpleQueue[T | _Failure] = queue.SimpleQueue()

        def put() -> None:
            try:
                box.put(work())
            except ToolError as error:
                box.put(_Failure(str(error)))
            except Exception as error:  # a probe may break in any way, the command may not
                box.put(_Failure(f"{name}: {type(error).__name__}: {one_line(str(error))}"))

        # A daemon, because a dead network file system holds its reader for ever.
        threading.Thread(target=put, name=f"probe {name}", daemon=True).start()
        return partial(self._result, name, box)

    def _result(self, name: str, box: "queue.SimpleQueue[T | _Failure]") -> T | None:
        try:
            found = box.get(timeout=max(0.0, self._deadline - time.monotonic()))
        except queue.Empty:
            found = _Failure(f"{name}: no answer after {self._timeout_s:g} s")
        if isinstance(found, _Failure):
            self.problems.append(found.message)
            return None
        return found


@dataclass(frozen=True, slots=True)
class _Failure:
    message: str


def _joined(*found: Gpus | None) -> Gpus:
    answers = [answer for answer in found if answer is not None]
    gpus = tuple(gpu for answer in answers for gpu in answer[0])
    return gpus, tuple(problem for answer in answers for problem in answer[1])


def _disk(path: Path) -> Disk:
    folder = path.absolute()
    existing = next(f for f in (folder, *folder.parents) if os.access(f, os.F_OK))
    usage = shutil.disk_usage(existing)
    return Disk(path=existing, free_bytes=usage.free, total_bytes=usage.total)


def _unknown_cpu(arch: str) -> Cpu:
    count = os.cpu_count() or 1
    return Cpu(model=arch, physical=count, logical=count, usable=count)


def _emulated(machine: Machine) -> tuple[str, ...]:
    if machine.apple is None or machine.arch == "arm64":
        return ()
    return ("python: an Intel build on Apple silicon cannot use Metal: install an arm64 Python",)
