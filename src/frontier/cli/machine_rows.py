"""The machine for people: one row for each part, and one for each probe that failed."""

from frontier.cli.output import size
from frontier.domain.machine import (
    AppleChip,
    Cpu,
    Disk,
    DockerDesktop,
    Gpu,
    Machine,
    Memory,
    MigDevice,
    Share,
    Virtual,
)

_VIRTUAL: dict[Virtual, str] = {
    "vm": "in a virtual machine",
    "wsl2": "in WSL 2",
    "container": "in a container",
}
_SHARES: dict[Share, str] = {
    "set": "set by iogpu.wired_limit_mb",
    "told": "as Metal tells",
    "estimated": "estimated",
}

Row = tuple[str, str]


def machine_rows(machine: Machine) -> list[Row]:
    """Return a name and what was found for each part of *machine*."""
    return [
        ("system", _system(machine)),
        ("cpu", _cpu(machine.cpu)),
        *_numa(machine),
        ("memory", _memory(machine.memory)),
        ("disk", _disk(machine.disk)),
        *_gpus(machine),
        *((("docker vm", _desktop(machine.docker_desktop)),) if machine.docker_desktop else ()),
        *(("problem", problem) for problem in machine.problems),
    ]


def _system(machine: Machine) -> str:
    name = f"macOS {machine.os_version}" if machine.os == "macos" else machine.os_version
    return ", ".join([name, machine.arch, *(_VIRTUAL[v] for v in machine.virtual)])


def _cpu(cpu: Cpu) -> str:
    fast = f" ({cpu.performance} fast)" if cpu.performance else ""
    quota = f" (a control group grants {cpu.quota:g})" if cpu.quota else ""
    cores, threads = _count(cpu.physical, "core"), _count(cpu.logical, "thread")
    counts = f"{cores}{fast}, {threads}, {cpu.usable} usable{quota}"
    features = " ".join(cpu.vectors or cpu.features)
    return f"{cpu.model}: {counts}; {features or 'no vector features known'}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _numa(machine: Machine) -> list[Row]:
    nodes = (f"{node.cpus} with {size(node.memory_bytes)}" for node in machine.numa)
    return [("numa", f"{len(machine.numa)} nodes: {', '.join(nodes)}")] if machine.numa else []


def _memory(memory: Memory | None) -> str:
    if memory is None:
        return "unknown"
    known = f"{size(memory.available_bytes)} available of {size(memory.total_bytes)}"
    if memory.limit_bytes is None:
        return known
    return f"{known}, limited to {size(memory.limit_bytes)} by a control group"


def _disk(disk: Disk | None) -> str:
    if disk is None:
        return "unknown"
    kind = f", {disk.file_system}" if disk.file_system else ""
    slow = ": slow, it is no disk of this system" if disk.is_remote else ""
    return f"{size(disk.free_bytes)} free of {size(disk.total_bytes)} at {disk.path}{kind}{slow}"


def _gpus(machine: Machine) -> list[Row]:
    rows = [("gpu", _gpu(gpu)) for gpu in machine.gpus]
    parts = [[("", _mig(device)) for device in gpu.mig] for gpu in machine.gpus]
    found = [row for gpu, mig in zip(rows, parts, strict=True) for row in (gpu, *mig)]
    if machine.apple:
        found.append(("gpu", _apple(machine.apple)))
    return found or [("gpu", "none found: models run on the processor")]


def _gpu(gpu: Gpu) -> str:
    about = [
        f"driver {gpu.driver}" if gpu.driver else "",
        f"CUDA {gpu.cuda_version}" if gpu.cuda_version else "",
        f"ROCm {gpu.rocm_version}" if gpu.rocm_version else "",
        gpu.compute_capability,
        "Level Zero" if gpu.has_level_zero else "",
        f"MIG, {_count(len(gpu.mig), 'device')}" if gpu.is_mig else "",
        f"hidden by {gpu.hidden_by}" if gpu.hidden_by else "",
    ]
    return ", ".join([f"{gpu.name}: {_gpu_memory(gpu)}", *filter(None, about)])


def _gpu_memory(gpu: Gpu) -> str:
    if gpu.is_integrated:
        own = f" and {size(gpu.memory_total_bytes)} kept for it" if gpu.memory_total_bytes else ""
        return f"part of the processor, with main memory{own}"
    return _of(gpu.memory_free_bytes, gpu.memory_total_bytes)


def _of(free: int | None, total: int | None) -> str:
    if total is None:
        return "memory not told by the driver"
    return size(total) if free is None else f"{size(free)} free of {size(total)}"


def _mig(device: MigDevice) -> str:
    return f"{device.profile or 'MIG device'}: " + _of(
        device.memory_free_bytes, device.memory_total_bytes
    )


def _apple(chip: AppleChip) -> str:
    cores = f"{chip.gpu_cores} GPU cores" if chip.gpu_cores else "GPU cores unknown"
    known = f"{chip.name}: {cores}, {size(chip.unified_memory_bytes)} of unified memory"
    if chip.gpu_memory_bytes is None or chip.gpu_memory_source is None:
        return known
    share = f"Metal may use {size(chip.gpu_memory_bytes)}"
    return f"{known}, {share} ({_SHARES[chip.gpu_memory_source]})"


def _desktop(desktop: DockerDesktop) -> str:
    memory, cpus = desktop.memory_bytes, desktop.cpus
    told = [
        _count(cpus, "CPU") if cpus else "all CPUs",
        size(memory) if memory else "Docker Desktop's default of memory",
    ]
    if desktop.disk_image and desktop.disk_used_bytes is not None:
        limit = f" of {size(desktop.disk_limit_bytes)}" if desktop.disk_limit_bytes else ""
        told.append(f"disk image {size(desktop.disk_used_bytes)}{limit} at {desktop.disk_image}")
    return ", ".join(told)
