"""`frontier doctor`: the machine and its Docker, and what of both could not be read."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Self

import typer

from frontier.cli.output import size, table, text
from frontier.cli.session import Json, Session
from frontier.domain.docker import DockerFacts
from frontier.domain.errors import FrontierError
from frontier.domain.machine import AppleChip, Cpu, Disk, Gpu, Machine, Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis(Machine):
    """The machine with its Docker.

    Attributes:
        docker: None where it cannot be used.
        docker_problem: Why not, "" where it can.
        docker_hint: What to do about it.
    """

    docker: DockerFacts | None = None
    docker_problem: str = ""
    docker_hint: str = ""

    @classmethod
    def of(cls, machine: Machine, docker: Callable[[], DockerFacts]) -> Self:
        """Return *machine* with what *docker* returns, or why it raises."""
        found = {field.name: getattr(machine, field.name) for field in fields(Machine)}
        try:
            return cls(**found, docker=docker())
        except FrontierError as error:
            return cls(**found, docker_problem=error.message, docker_hint=error.hint)


def register(app: typer.Typer) -> None:
    """Add the command to the root."""
    app.command()(doctor)


def doctor(ctx: typer.Context, _json: Json = False) -> None:
    """Show the machine: processor, memory, disk, GPUs and Docker.

    Every probe that failed is named. Starts nothing and changes nothing.

    Example: frontier doctor --json
    """
    session: Session = ctx.obj
    services = session.services
    session.show(Diagnosis.of(services.machine(), lambda: services.docker_facts))


@text.register
def _(machine: Machine) -> str:
    rows = _rows(machine)
    return table(rows[0], rows[1:])


@text.register
def _(found: Diagnosis) -> str:
    rows = [*_rows(found), ("docker", _docker(found.docker) or found.docker_problem)]
    if found.docker_hint:
        rows.append(("", found.docker_hint))
    return table(rows[0], rows[1:])


def _docker(facts: DockerFacts | None) -> str:
    if facts is None:
        return ""
    traits = {
        "Docker Desktop or the like": facts.is_desktop,
        "rootless": facts.is_rootless,
        "gives containers NVIDIA GPUs": facts.has_nvidia,
        f"context {facts.context}": facts.context not in ("", "default"),
    }
    known = [
        f"engine {facts.engine}, Compose {facts.compose}, the daemon answers",
        f"{facts.cpus} CPUs and {size(facts.memory_bytes)} for containers",
        *(trait for trait, has in traits.items() if has),
    ]
    return ", ".join(known)


def _rows(machine: Machine) -> list[tuple[str, str]]:
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
    return [*rows, *(("problem", problem) for problem in machine.problems)]


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
