"""Processor, memory and name of a Linux machine, from the kernel's files below *root*."""

import os
import re
from pathlib import Path

from frontier.adapters.machine import arm, cgroup
from frontier.adapters.machine.pci import read
from frontier.domain.machine import Cpu, Memory, NumaNode
from frontier.domain.vectors import families

# What llama.cpp and vLLM choose their kernels by, under the kernel's names for x86 and Arm.
_X86 = {"avx", "avx2", "f16c", "fma", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"}
_X86_512 = {"avx512f", "avx512_bf16", "avx512_fp16", "avx512_vnni"}
_ARM = {"asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2"}
FEATURES = frozenset(_X86 | _X86_512 | _ARM)


def version(root: Path) -> str:
    """Return the distribution's name for itself.

    Source: os-release(5).
    """
    text = (root / "etc/os-release").read_text(errors="replace")
    found = re.search(r"""(?m)^PRETTY_NAME=["']?(.*?)["']?$""", text)
    return found[1] if found else "unknown"


def cpu(root: Path, arch: str) -> Cpu:
    """Return the processor; affinity and cgroup quota limit what is usable."""
    info = (root / "proc/cpuinfo").read_text(errors="replace")
    logical = len(re.findall(r"(?m)^processor\s*:", info)) or os.cpu_count() or 1
    flags = set((_field("flags|Features", info) or "").split())
    siblings = _siblings(root)
    usable = _allowed(root) or logical
    quota = cgroup.cpu_quota(root)
    if quota is not None:
        usable = max(1, min(usable, int(quota)))
    return Cpu(
        model=_field("model name|Model|cpu model", info) or arm.model(info) or arch,
        physical=len(set(siblings.values())) or logical,
        logical=logical,
        usable=usable,
        features=tuple(sorted(flags & FEATURES)),
        vectors=families(flags),
        performance=_performance(root, siblings),
        quota=quota,
    )


def _siblings(root: Path) -> dict[int, str]:
    """Map each thread to the threads of its core, as the kernel lists them."""
    paths = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list")
    return {int(path.parts[-3].removeprefix("cpu")): read(path) for path in paths}


def _performance(root: Path, siblings: dict[int, str]) -> int | None:
    """Return the fast cores: Intel's hybrids name them, Arm's cores have a capacity."""
    if fast := _cpus(read(root / "sys/devices/cpu_core/cpus")):
        return len({siblings.get(cpu, str(cpu)) for cpu in fast})
    paths = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpu_capacity")
    capacities = [int(text) for path in paths if (text := read(path)).isdigit()]
    most = max(capacities, default=0)
    return capacities.count(most) if len(set(capacities)) > 1 else None


def numa(root: Path) -> tuple[NumaNode, ...]:
    """Return the NUMA nodes that have processors, none where there is but one node.

    Source: https://docs.kernel.org/admin-guide/mm/numaperf.html
    """
    folders = (root / "sys/devices/system/node").glob("node[0-9]*")
    nodes = [node for folder in folders if (node := _node(folder))]
    return tuple(sorted(nodes, key=lambda node: node.index)) if len(nodes) > 1 else ()


def _node(folder: Path) -> NumaNode | None:
    total = re.search(r"MemTotal:\s+(\d+) kB", read(folder / "meminfo"))
    if not (cpus := read(folder / "cpulist")):
        return None  # memory alone, as of an accelerator
    return NumaNode(
        index=int(folder.name.removeprefix("node")),
        cpus=cpus,
        memory_bytes=int(total[1]) << 10 if total else 0,
    )


def file_system(root: Path, path: Path) -> str:
    """Return the kind of the file system that *path* lies on.

    Source: proc_pid_mountinfo(5).
    """
    best, kind = -1, ""
    for row in (root / "proc/self/mountinfo").read_text(errors="replace").splitlines():
        left, _, right = row.partition(" - ")
        mount = Path(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), left.split(" ")[4]))
        if path.is_relative_to(mount) and len(mount.parts) >= best:
            best, kind = len(mount.parts), right.split(" ")[0]  # the last one mounted hides others
    return kind


def memory(root: Path) -> Memory:
    """Return main memory; files in the page cache count as available, swap does not.

    Source: proc_meminfo(5).
    """
    info = (root / "proc/meminfo").read_text()
    total, available = _kibibytes("MemTotal", info), _kibibytes("MemAvailable", info)
    limits = [limit for limit in cgroup.memory_limits(root) if limit.limit_bytes < total]
    left = [max(0, limit.limit_bytes - limit.held_bytes) for limit in limits]
    return Memory(
        total_bytes=total,
        available_bytes=min([available, *left]),
        limit_bytes=min((limit.limit_bytes for limit in limits), default=None),
    )


def _field(names: str, text: str) -> str:
    found = re.search(rf"(?m)^(?:{names})[ \t]*:[ \t]*(.*)$", text)
    return found[1].strip() if found else ""


def _allowed(root: Path) -> int:
    """Return how many CPUs the affinity mask leaves."""
    status = (root / "proc/self/status").read_text(errors="replace")
    return len(_cpus(_field("Cpus_allowed_list", status)))


def _cpus(text: str) -> list[int]:
    """Return the CPUs of a list like ``0-3,8``."""
    spans = [span.split("-") for span in text.split(",") if span]
    return [cpu for span in spans for cpu in range(int(span[0]), int(span[-1]) + 1)]


def _kibibytes(name: str, text: str) -> int:
    return int(_field(name, text).removesuffix(" kB")) << 10
