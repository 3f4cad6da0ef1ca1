"""The machine as Frontier sees it: what computes, how much fits, and what could not be read."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Vendor = Literal["nvidia", "amd", "intel"]
Virtual = Literal["vm", "wsl2", "container"]
Share = Literal["set", "told", "estimated"]

_REMOTE: Final = ("9p", "drvfs", "nfs", "cifs", "smb", "virtiofs", "fuse.sshfs", "afpfs", "ceph")


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
        vectors: The families of *features*, widest last: ``AVX2``, ``AVX-512``, ``AMX``, ``NEON``,
            ``SVE``, ``SME``.
        performance: Fast cores of a processor that has slow ones too, None where all are alike
            or the kernel does not tell.
        quota: CPUs that the cgroup grants, like 1.5; None without a limit.
    """

    model: str
    physical: int
    logical: int
    usable: int
    features: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    performance: int | None = None
    quota: float | None = None

    @property
    def engine_threads(self) -> int:
        """How many threads compute fastest: one per fast core, of those that may be used.

        A core's second thread adds nothing to matrix products, and all threads wait for the slow
        cores. Source: llama.cpp common/common.cpp, common_cpu_get_num_math.
        """
        return min(self.usable, self.performance or self.physical)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumaNode:
    """Processors and the memory that is near them; `cpus` is a list like ``0-31,64-95``."""

    index: int
    cpus: str
    memory_bytes: int


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
    """The file system below *path*; `free_bytes` is what an ordinary user may still write.

    Attributes:
        file_system: ``ext4``, ``apfs``, ``9p`` for a Windows drive in WSL; empty if unknown.
    """

    path: Path
    free_bytes: int
    total_bytes: int
    file_system: str = ""

    @property
    def is_remote(self) -> bool:
        """Tell whether every byte crosses a network or the border of a virtual machine."""
        return self.file_system.startswith(_REMOTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppleChip:
    """Apple silicon: GPU and CPU share one memory.

    Attributes:
        gpu_cores: None where macOS hides it.
        unified_memory_bytes: All memory of the Mac.
        gpu_memory_bytes: The share that Metal may use, None where nothing tells.
        gpu_memory_source: ``set`` by ``iogpu.wired_limit_mb``, ``told`` by Metal, ``estimated``
            from the size of the memory and the version of macOS.
    """

    name: str
    gpu_cores: int | None
    unified_memory_bytes: int
    gpu_memory_bytes: int | None = None
    gpu_memory_source: Share | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MigDevice:
    """A part of an NVIDIA GPU that is a GPU of its own to programs.

    Attributes:
        profile: ``1g.10gb``, empty if unknown.
        uuid: What CUDA_VISIBLE_DEVICES takes, ``MIG-...``; empty if unknown.
    """

    profile: str = ""
    uuid: str = ""
    memory_total_bytes: int | None = None
    memory_free_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One GPU.

    Attributes:
        memory_total_bytes: None where the driver does not tell, as on chips with unified memory.
        memory_free_bytes: Likewise.
        driver: Version of the kernel driver, empty if unknown.
        compute_capability: ``9.0`` for NVIDIA, ``gfx942`` for AMD, empty if unknown.
        cuda_version: The newest CUDA that the driver runs, ``13.0``; empty if unknown.
        rocm_version: The ROCm that is installed, ``7.0.2``; empty without one.
        has_level_zero: Intel's library for computing is installed, which SYCL programs need.
        uuid: ``GPU-...``, empty if unknown.
        address: On the PCI bus, ``0000:01:00.0``; empty if unknown.
        is_integrated: Part of the processor: its memory is main memory.
        memory_shared_bytes: Main memory that it may use beside its own, None if not told.
        is_mig: MIG mode is on: programs see *mig*, never the GPU itself.
        hidden_by: The environment variable that keeps it from programs, with its value; empty
            where none does.
    """

    vendor: Vendor
    name: str
    memory_total_bytes: int | None = None
    memory_free_bytes: int | None = None
    driver: str = ""
    compute_capability: str = ""
    cuda_version: str = ""
    rocm_version: str = ""
    has_level_zero: bool = False
    uuid: str = ""
    address: str = ""
    is_integrated: bool = False
    memory_shared_bytes: int | None = None
    is_mig: bool = False
    mig: tuple[MigDevice, ...] = ()
    hidden_by: str = ""

    @property
    def largest_total_bytes(self) -> int | None:
        """What one program can get at most: of the largest MIG device where MIG is on."""
        if self.is_mig:
            return _largest([device.memory_total_bytes for device in self.mig])
        return self.memory_total_bytes

    @property
    def largest_free_bytes(self) -> int | None:
        """What one program can get now, in the same sense; 0 without any MIG device."""
        if self.is_mig:
            return _largest([device.memory_free_bytes for device in self.mig])
        return self.memory_free_bytes


def _largest(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return max(known, default=None if sizes else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerDesktop:
    """The limits of Docker Desktop's virtual machine, as its settings file names them.

    Attributes:
        cpus: None where its default holds: all of them.
        memory_bytes: None where its default holds: half of the machine's.
        disk_image: The file that holds images, volumes and containers, None where there is none.
        disk_used_bytes: What that file takes of the disk now, None without it.
        disk_limit_bytes: What it may grow to, None where the default holds.
    """

    cpus: int | None = None
    memory_bytes: int | None = None
    disk_image: Path | None = None
    disk_used_bytes: int | None = None
    disk_limit_bytes: int | None = None

    @property
    def disk_left_bytes(self) -> int | None:
        """What the disk image may still grow by, None where its limit is not told."""
        if self.disk_limit_bytes is None:
            return None
        return max(0, self.disk_limit_bytes - (self.disk_used_bytes or 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Everything that was found; a part that could not be read is None or empty.

    Attributes:
        os: ``linux`` or ``macos``.
        os_version: For people: ``Debian GNU/Linux 12 (bookworm)``, ``15.5``.
        arch: ``x86_64``, ``aarch64``, ``arm64``: as the running Python sees it.
        virtual: What stands between this process and the hardware, outermost first.
        numa: Nodes, where memory is nearer to some processors than to others; else empty.
        docker_desktop: Its settings, None where it is not installed.
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
    virtual: tuple[Virtual, ...] = ()
    numa: tuple[NumaNode, ...] = ()
    docker_desktop: DockerDesktop | None = None
    problems: tuple[str, ...] = ()
