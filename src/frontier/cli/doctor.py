"""`frontier doctor`: the machine, and what of it could not be read."""

import typer

from frontier.cli.output import size, table, text
from frontier.cli.session import Json, Session
from frontier.domain.machine import AppleChip, Cpu, Disk, Gpu, Machine, Memory


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(doctor)


def doctor(ctx: typer.Context, _json: Json = False) -> None:
    """Show the machine: processor, memory, disk and GPUs.

    Every probe that failed is named. Starts nothing and changes nothing.

    Example: frontier doctor --json
    """
    session: Session = ctx.obj
    session.show(session.services.machine())


@text.register
def _(machine: Machine) -> str:
    rows = [
        ("system", f"{machine.os_version}, {machine.arch}"),
        ("cpu", _cpu(machine.cpu)),
        ("memory", _memory(machine.memory)),
        ("disk", _disk(machine.disk)),
        *(("gpu", _gpu(gpu)) for gpu in machine.gpus),
    ]
    if machine.apple:
        rows.append(("gpu", _apple(machine.apple)))
    elif not machine.gpus:
        rows.append(("gpu", "none found: models run on the processor"))
    rows += [("problem", problem) for problem in machine.problems]
    return table(rows[0], rows[1:])


def _cpu(cpu: Cpu) -> str:
    counts = f"{cpu.physical} cores, {cpu.logical} threads, {cpu.usable} usable"
    return f"{cpu.model}: {counts}; {' '.join(cpu.features) or 'no vector features known'}"


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
    return f"{size(disk.free_bytes)} free of {size(disk.total_bytes)} at {disk.path}"


def _gpu(gpu: Gpu) -> str:
    about = [f"driver {gpu.driver}" if gpu.driver else "", gpu.compute_capability]
    return ", ".join([f"{gpu.name}: {_gpu_memory(gpu)}", *filter(None, about)])


def _gpu_memory(gpu: Gpu) -> str:
    if gpu.memory_total_bytes is None:
        return "memory not told by the driver"
    if gpu.memory_free_bytes is None:
        return size(gpu.memory_total_bytes)
    return f"{size(gpu.memory_free_bytes)} free of {size(gpu.memory_total_bytes)}"


def _apple(chip: AppleChip) -> str:
    cores = f"{chip.gpu_cores} GPU cores" if chip.gpu_cores else "GPU cores unknown"
    return f"{chip.name}: {cores}, {size(chip.unified_memory_bytes)} of unified memory"
