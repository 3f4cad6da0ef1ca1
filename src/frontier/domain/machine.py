"""The machine as Frontier sees it: what computes, how much fits, and what could not be read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Vendor = Literal["nvidia", "amd"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """The processor.

    Attributes:
        model: The maker's name for it, or its architecture where the kernel tells no name.
        physical: Cores; equal to `logical` where the kernel does not tell.
        logical: Hardware threads that are online.
        usable: Threads this process may keep busy: CPU affinity and the cgroup's quota applied,
            a fraction of a CPU rounded down, at least 1.
        features: Instruction sets that matter to inference, by the kernel's names, sorted.
    """

    model: str
    physical: int
    logical: int
    usable: int
    features: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Main memory, swap left out: a model in swap answers in minutes.

    Attributes:
        total_bytes: What the kernel manages.
        available_bytes: What can be taken now without swapping, the cgroup's limit applied.
        limit_bytes: The tightest cgroup limit above this process, None without one.
    """

    total_bytes: int
    available_bytes: int
    limit_bytes: int | None = None

    @property
    def ceiling_bytes(self) -> int:
        """What this process could ever get: the total, or the limit where that is lower."""
        return min(self.total_bytes, self.limit_bytes or self.total_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """The file system below *path*; `free_bytes` is what an ordinary user may still write."""

    path: Path
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppleChip:
    """Apple silicon: GPU and CPU share one memory; `gpu_cores` is None where macOS hides it."""

    name: str
    gpu_cores: int | None
    unified_memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU with memory of its own.

    Attributes:
        memory_total_bytes: None where the driver does not tell, as on chips with unified memory.
        memory_free_bytes: Likewise.
        driver: Version of the kernel driver, empty if unknown.
        compute_capability: ``9.0`` for NVIDIA, ``gfx942`` for AMD, empty if unknown.
    """

    vendor: Vendor
    name: str
    memory_total_bytes: int | None = None
    memory_free_bytes: int | None = None
    driver: str = ""
    compute_capability: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Everything that was found; a part that could not be read is None or empty.

    Attributes:
        os: ``linux`` or ``macos``.
        os_version: For people: ``Debian GNU/Linux 12 (bookworm)``, ``15.5``.
        arch: ``x86_64``, ``aarch64``, ``arm64``: as the running Python sees it.
        problems: One line per probe that failed, so that missing hardware is never silent.
    """

    os: str
    os_version: str
    arch: str
    cpu: Cpu
    memory: Memory | None
    disk: Disk | None
    apple: AppleChip | None = None
    gpus: tuple[Gpu, ...] = ()
    problems: tuple[str, ...] = ()
