"""Processor, memory and chip of a Mac, from sysctl, vm_stat and system_profiler."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from frontier.adapters.machine.tools import Run, ToolError, one_line
from frontier.domain.machine import AppleChip, Cpu, Memory, Virtual
from frontier.domain.vectors import families

_ARM_PREFIX = "hw.optional.arm.FEAT_"
_ARM_FEATURES = frozenset({"DotProd", "I8MM", "BF16", "FP16", "SME", "SME2"})
_INTEL_FEATURES = frozenset({"AVX1.0", "AVX2", "F16C", "FMA", "AVX512F", "AVX512VNNI"})


def version(run: Run) -> str:
    """Return macOS's version, like ``15.5``."""
    text = run(["sw_vers", "-productVersion"]).strip()
    if not re.fullmatch(r"\d+(\.\d+)*", text):
        raise ToolError(f"sw_vers: unexpected output: {one_line(text) or 'nothing'}")
    return text


def sysctl(run: Run) -> dict[str, str]:
    """Return the kernel's state below ``hw`` and ``machdep.cpu``, and two names more.

    Whole branches, because asking for one name that an older kernel lacks fails; ``iogpu`` is
    last, because Macs with an Intel processor and macOS 13 have no such branch.
    """
    try:
        text = run(["sysctl", "hw", "machdep.cpu", "kern.hv_vmm_present", "iogpu"])
    except ToolError as error:
        if not error.stdout:
            raise
        text = error.stdout  # one unreadable name does not spoil the others
    state = {name: value for name, _, value in (row.partition(": ") for row in text.splitlines())}
    if "hw.memsize" not in state:  # every Mac tells it
        raise ToolError(f"sysctl: unexpected output: {one_line(text) or 'nothing'}")
    return state


def cpu(run: Run, arch: str) -> Cpu:
    """Return the processor; macOS limits no process to some of the cores."""
    state = sysctl(run)
    logical = int(state["hw.logicalcpu"])
    return Cpu(
        model=state.get("machdep.cpu.brand_string", arch),
        physical=int(state["hw.physicalcpu"]),
        logical=logical,
        usable=logical,
        features=tuple(sorted(_features(state))),
        vectors=families({*_features(state), *_always(state)}),
        performance=_performance(state),
    )


def _performance(state: Mapping[str, str]) -> int | None:
    """Return the cores that macOS does not call efficient: a chip may have two kinds of others."""
    names = (re.fullmatch(r"hw\.perflevel(\d)\.physicalcpu", name) for name in state)
    cores = {name[1]: int(state[name[0]]) for name in names if name}
    fast = sum(count for level, count in cores.items() if not _is_slow(level, state))
    return fast if 0 < fast < sum(cores.values()) else None


def _is_slow(level: str, state: Mapping[str, str]) -> bool:
    guess = "Performance" if level == "0" else "Efficiency"  # macOS 12 tells no names
    return state.get(f"hw.perflevel{level}.name", guess) == "Efficiency"


def _always(state: Mapping[str, str]) -> set[str]:
    """Return what each Apple chip has; the name for it changed with macOS 12."""
    names = ("hw.optional.neon", "hw.optional.AdvSIMD", "hw.optional.arm.AdvSIMD")
    return {"neon"} if any(state.get(name) == "1" for name in names) else set()


def _features(state: Mapping[str, str]) -> set[str]:
    intel = f"{state.get('machdep.cpu.features', '')} {state.get('machdep.cpu.leaf7_features', '')}"
    arm = {
        name.removeprefix(_ARM_PREFIX)
        for name, value in state.items()
        if name.startswith(_ARM_PREFIX) and value == "1"
    }
    return {name.lower() for name in (arm & _ARM_FEATURES) | (set(intel.split()) & _INTEL_FEATURES)}


def memory(run: Run) -> Memory:
    """Return main memory; free, speculative and inactive pages are available.

    Source: vm_stat(1); psutil adds up the same three.
    """
    pages = run(["vm_stat"])
    page_size = re.search(r"page size of (\d+) bytes", pages)
    counts = re.findall(r"(?m)^Pages (?:free|inactive|speculative):\s+(\d+)\.", pages)
    if page_size is None or not counts:
        raise ToolError("vm_stat: unexpected output")
    return Memory(
        total_bytes=int(sysctl(run)["hw.memsize"]),
        available_bytes=int(page_size[1]) * sum(map(int, counts)),
    )


def virtual(run: Run) -> tuple[Virtual, ...]:
    """Tell whether macOS runs in a virtual machine."""
    return ("vm",) if sysctl(run).get("kern.hv_vmm_present") == "1" else ()


def chip(run: Run) -> AppleChip | None:
    """Return the Apple chip without its GPU cores, None on a Mac with an Intel processor.

    What Metal may use is told only where somebody has set it: 0 stands for macOS's own choice.
    """
    state = sysctl(run)
    if state.get("hw.optional.arm64") != "1":
        return None
    limit = int(state.get("iogpu.wired_limit_mb", "0"))
    return AppleChip(
        name=state["machdep.cpu.brand_string"],
        gpu_cores=None,
        unified_memory_bytes=int(state["hw.memsize"]),
        gpu_memory_bytes=limit << 20 or None,
        gpu_memory_source="set" if limit else None,
    )


def gpu_cores(run: Run) -> int | None:
    """Return the cores of the built-in GPU, None where macOS hides them: in virtual machines.

    The registry answers within milliseconds, system_profiler takes up to seconds.
    """
    with suppress(ToolError):
        found = re.search(
            r'"gpu-core-count" = (\d+)', run(["ioreg", "-rc", "AGXAccelerator", "-d1"])
        )
        if found:
            return int(found[1])
    displays = json.loads(run(["system_profiler", "SPDisplaysDataType", "-json"]))
    counts = [display.get("sppci_cores") for display in displays["SPDisplaysDataType"]]
    return next((int(count) for count in counts if count), None)


def file_system(run: Run, path: Path) -> str:
    """Return the kind of the file system that *path* lies on, from mount(8)."""
    rows = re.findall(r"(?m)^.+? on (/.*) \((\w+)", run(["mount"]))
    if not rows:
        raise ToolError("mount: unexpected output")
    mounts = {Path(place): kind for place, kind in rows}
    return next((mounts[p] for p in (path, *path.parents) if p in mounts), "")
