"""What a build of an engine needs of the machine: what was seen, what is missing, what mends it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from frontier.domain.errors import RefusedError
from frontier.domain.machine import Machine
from frontier.domain.units import size

Version = tuple[int, ...]

GIB: Final = 1 << 30
_DISK: Final = {"cpu": 3 * GIB, "metal": 4 * GIB, "cuda": 12 * GIB}
"""Bytes that a build writes before it is tidied; 1.8 GB measured for cpu on Linux."""

_MEMORY: Final = {"cpu": 4 * GIB, "metal": 4 * GIB, "cuda": 6 * GIB}
"""Bytes that a build needs; the largest crate takes 3.3 GiB, measured for cpu on Linux."""

JOB_BYTES: Final = {"cpu": 2 * GIB, "metal": 2 * GIB, "cuda": 4 * GIB}
"""Bytes for each of the compilers that run at a time; most take less than 1 GB."""

_INSTALL_RUST: Final = "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
_NEEDS_TOOLKIT: Final = (
    # compute capability, first toolkit that compiles for it
    ((12, 1), (12, 9)),
    ((12, 0), (12, 8)),
    ((10, 3), (12, 9)),
    ((10, 0), (12, 8)),
    ((8, 9), (11, 8)),
    ((8, 0), (11, 4)),
)
_TOOLKITS: Final = ((11, 4), (13, 2))
"""First and last CUDA toolkit that the build script of 0.8.1 knows; it refuses all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """The build tools of one machine; a version is "" where the tool is missing or broken.

    Attributes:
        rustc: Version of the Rust compiler.
        target: What it compiles for, such as ``x86_64-unknown-linux-gnu``.
        cargo: Version of cargo.
        cargo_path: Where it is.
        compiler: First line that the C++ compiler says about itself.
        nvcc: Version of the CUDA toolkit.
        nvcc_folder: Folder of ``nvcc``, "" where there is none.
        driver_cuda: Newest CUDA version that the NVIDIA driver runs.
        has_cudnn: cuDNN's headers and library are installed.
        metal: Path of Apple's Metal compiler.
        rustflags: RUSTFLAGS of the environment.
        problems: What a tool said instead of its version, by tool name.
    """

    rustc: str = ""
    target: str = ""
    cargo: str = ""
    cargo_path: str = ""
    compiler: str = ""
    nvcc: str = ""
    nvcc_folder: str = ""
    driver_cuda: str = ""
    has_cudnn: bool = False
    metal: str = ""
    rustflags: str = ""
    problems: tuple[tuple[str, str], ...] = ()

    def seen(self, tool: str, found: str) -> str:
        """Return *found*, or what is known about *tool* instead."""
        return found or dict(self.problems).get(tool, "not found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One prerequisite.

    Attributes:
        mend: The command that mends it, "" where all is well.
    """

    name: str
    seen: str
    needed: str
    mend: str = ""

    @property
    def is_met(self) -> bool:
        """Tell whether nothing has to be done."""
        return not self.mend

    def __str__(self) -> str:
        """Return one line for people."""
        return f"{self.name}: {self.seen}" + ("" if self.is_met else f", needs {self.needed}")


def version(text: str) -> Version:
    """Return the numbers of the first version in *text*; empty where there is none."""
    found = re.search(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def checks(
    tools: Toolchain, machine: Machine, *, accelerator: str, rust: str, capability: str = ""
) -> tuple[Check, ...]:
    """Return what a build for *accelerator* needs, met or not.

    Args:
        tools: What is installed.
        machine: Disk, memory and operating system.
        accelerator: ``cpu``, ``cuda`` or ``metal``.
        rust: Oldest Rust that compiles the engine.
        capability: Compute capability to compile for, with ``cuda``.
    """
    found = [_rust("rustc", tools, tools.rustc, rust), _rust("cargo", tools, tools.cargo, rust)]
    found.append(_compiler(tools, machine))
    if accelerator == "cuda":
        found += [_nvcc(tools, capability), _driver(tools)]
    if accelerator == "metal":
        found.append(_metal(tools))
    return (*found, *_room(machine, accelerator))


def require(what: str, found: Iterable[Check]) -> None:
    """Refuse to build *what* where a prerequisite is not met.

    Raises:
        RefusedError: names each of them; the hint is the command that mends the first.
    """
    missing = [check for check in found if not check.is_met]
    if missing:
        names = ", ".join(check.name for check in missing)
        raise RefusedError(
            f"{what} cannot be built here: {names}",
            details="\n".join(f"{check}: {check.mend}" for check in missing),
            hint=missing[0].mend,
        )


def _rust(name: str, tools: Toolchain, found: str, rust: str) -> Check:
    mend = "" if version(found) >= version(rust) else _INSTALL_RUST
    if mend and found:
        mend = "rustup update stable"
    return Check(name=name, seen=tools.seen(name, found), needed=f"{rust} or newer", mend=mend)


def _compiler(tools: Toolchain, machine: Machine) -> Check:
    mend = "" if tools.compiler else "sudo apt install build-essential"
    if mend and machine.os == "macos":
        mend = "xcode-select --install"
    seen = tools.seen("c++", tools.compiler)
    return Check(name="c++", seen=seen, needed="a C and C++ compiler with its linker", mend=mend)


def _nvcc(tools: Toolchain, capability: str) -> Check:
    first = oldest_toolkit(capability)
    known = f"{_dotted(first)} to {_dotted(_TOOLKITS[1])}"
    needed = f"a CUDA toolkit {known} for compute capability {capability}"
    is_fit = first <= version(tools.nvcc)[:2] <= _TOOLKITS[1]
    series = _dotted(version(tools.driver_cuda)[:2] or (12, 8)).replace(".", "-")
    mend = "" if is_fit else f"sudo apt install cuda-toolkit-{series}"
    return Check(name="nvcc", seen=tools.seen("nvcc", tools.nvcc), needed=needed, mend=mend)


def oldest_toolkit(capability: str) -> Version:
    """Return the first CUDA toolkit that compiles for *capability*."""
    for since, toolkit in _NEEDS_TOOLKIT:
        if version(capability) >= since:
            return max(toolkit, _TOOLKITS[0])
    return _TOOLKITS[0]


def _driver(tools: Toolchain) -> Check:
    """A program runs on drivers of its toolkit's major version and newer ones."""
    major = version(tools.nvcc)[:1]
    is_old = bool(tools.driver_cuda) and version(tools.driver_cuda)[:1] < major
    mend = "sudo apt install --only-upgrade cuda-drivers" if is_old else ""
    seen = f"CUDA {tools.driver_cuda}" if tools.driver_cuda else "version unknown"
    needed = f"a driver for CUDA {_dotted(major)}, the toolkit's version"
    return Check(name="NVIDIA driver", seen=seen, needed=needed, mend=mend)


def _metal(tools: Toolchain) -> Check:
    return Check(
        name="metal",
        seen=tools.seen("xcrun", tools.metal),
        needed="Apple's Metal compiler, which comes with Xcode",
        mend="" if tools.metal else "xcodebuild -downloadComponent MetalToolchain",
    )


def _room(machine: Machine, accelerator: str) -> Iterable[Check]:
    needed = _DISK[accelerator]
    if disk := machine.disk:
        mend = "" if disk.free_bytes >= needed else "frontier models list"
        seen = f"{size(disk.free_bytes)} free at {disk.path}"
        yield Check(name="disk", seen=seen, needed=f"{size(needed)} free", mend=mend)
    needed = _MEMORY[accelerator]
    if memory := machine.memory:
        mend = "" if memory.available_bytes >= needed else "frontier down"
        seen = f"{size(memory.available_bytes)} available"
        yield Check(name="memory", seen=seen, needed=f"{size(needed)} available", mend=mend)


def _dotted(numbers: Version) -> str:
    return ".".join(map(str, numbers))
