"""Processor, memory and name of a Linux machine, from the kernel's files below *root*."""

import os
import re
from pathlib import Path

from frontier.adapters.machine import cgroup
from frontier.domain.machine import Cpu, Memory

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
    siblings = (root / "sys/devices/system/cpu").glob("cpu[0-9]*/topology/thread_siblings_list")
    flags = set((_field("flags|Features", info) or "").split())
    usable = _allowed(root) or logical
    quota = cgroup.cpu_quota(root)
    if quota is not None:
        usable = max(1, min(usable, int(quota)))
    return Cpu(
        model=_field("model name|Model|cpu model", info) or arch,
        physical=len({path.read_text() for path in siblings}) or logical,
        logical=logical,
        usable=usable,
        features=tuple(sorted(flags & FEATURES)),
    )


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
    """Return how many CPUs the affinity mask leaves: ``0-3,8`` is five."""
    text = _field("Cpus_allowed_list", (root / "proc/self/status").read_text(errors="replace"))
    spans = [span.split("-") for span in text.split(",") if span]
    return sum(int(span[-1]) - int(span[0]) + 1 for span in spans)


def _kibibytes(name: str, text: str) -> int:
    return int(_field(name, text).removesuffix(" kB")) << 10
