"""Where an engine will compute, and why: decided before anything is started."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frontier.domain.errors import RefusedError, RuntimeFailedError
from frontier.domain.gpu import (
    Accelerator,
    Asked,
    Obstacle,
    Place,
    Surroundings,
    gpus_of,
    hidden_gpus,
    unreached_gpus,
)
from frontier.domain.gpu_obstacle import find_obstacle
from frontier.domain.machine import Machine
from frontier.domain.offload import Compute
from frontier.domain.stack import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where an engine will compute.

    Attributes:
        reason: Why, for people.
        is_asked: The person asked for it by name.
        unused: The GPUs that are there and will not be used, with the command that mends it.
        container: What the engine's Compose service needs for it, merged into the service.
    """

    accelerator: Accelerator
    reason: str
    is_asked: bool = False
    unused: tuple[Obstacle, ...] = ()
    container: Mapping[str, Any] | None = None

    @property
    def is_gpu(self) -> bool:
        """Tell whether a GPU will compute."""
        return self.accelerator != "cpu"

    def __str__(self) -> str:
        """Return the decision with its reason, as one line."""
        return f"accelerator: {self.accelerator}, because {self.reason}"


def choose(stack: Stack, around: Surroundings, *, asked: Asked, place: Place) -> Choice:
    """Return where the engine of *stack* will compute.

    Raises:
        RefusedError: *asked* names an accelerator that cannot be used; the hint is the command
            that mends it.
    """
    if asked == "cpu":
        return Choice(accelerator="cpu", reason="ACCELERATOR=cpu asks for it", is_asked=True)
    if asked != "auto":
        if obstacle := find_obstacle(stack, around, asked, place):
            raise RefusedError(f"ACCELERATOR={asked}, but {obstacle.why}", hint=obstacle.hint)
        return _usable(around, asked, place, is_asked=True)
    found: list[tuple[Accelerator, Obstacle | None]] = [
        (n, find_obstacle(stack, around, n, place)) for n in _present(around, place)
    ]
    for name, obstacle in found:
        if obstacle is None:
            return _usable(around, name, place, is_asked=False)
    machine = around.machine
    unused = (*(o for _, o in found if o), *hidden_gpus(machine), *unreached_gpus(machine))
    return Choice(accelerator="cpu", reason=_why_cpu(machine, unused), unused=unused)


def _usable(around: Surroundings, name: Accelerator, place: Place, *, is_asked: bool) -> Choice:
    named = _gpu_name(around.machine, name)
    by = "Docker can use" if place == "docker" else f"{_engine(around)} can use"
    container = _reservation(name, around) if place == "docker" else None
    return Choice(accelerator=name, reason=f"{by} {named}", is_asked=is_asked, container=container)


def _engine(around: Surroundings) -> str:
    return around.native.name if around.native else "the engine"


def _why_cpu(machine: Machine, unused: tuple[Obstacle, ...]) -> str:
    if not unused and machine.gpus:
        return f"the {machine.gpus[0].name} is part of the processor, no engine here uses it"
    if not unused:
        return "there is no GPU"
    return "; ".join(f"the GPU is NOT used: {o.why} (to use it: {o.hint})" for o in unused)


def _present(around: Surroundings, place: Place) -> tuple[Accelerator, ...]:
    """Return what there are GPUs for, preferred first; the engine may see what no tool shows."""
    machine = around.machine
    native = around.native if place == "native" else None
    seen: frozenset[Accelerator] = native.accelerators if native else frozenset()
    found: list[tuple[bool, Accelerator]] = [
        (bool(gpus_of(machine, "cuda")), "cuda"),
        (bool(gpus_of(machine, "rocm")), "rocm"),
        (machine.apple is not None, "metal"),
        (False, "vulkan"),
    ]
    there: list[Accelerator] = [name for is_there, name in found if is_there or name in seen]
    return tuple(sorted(there, key=lambda name: name not in seen))  # stable: the rest keeps order


def _gpu_name(machine: Machine, name: Accelerator) -> str:
    if name == "metal" and machine.apple:
        return f"the GPU of the {machine.apple.name}"
    gpus = gpus_of(machine, name)
    if not gpus:
        return f"a GPU through {name}"
    return f"the {gpus[0].name}" + (f" and {len(gpus) - 1} more" if len(gpus) > 1 else "")


def _reservation(name: Accelerator, around: Surroundings) -> Mapping[str, Any] | None:
    """Return the keys of a Compose service that give it the GPU.

    Source: https://docs.docker.com/compose/how-tos/gpu-support,
    https://rocm.docs.amd.com/projects/install-on-linux/en/latest/how-to/docker.html
    """
    if name == "rocm":
        groups = list(around.devices.gids)
        found: dict[str, Any] = {"devices": ["/dev/kfd", "/dev/dri"]}
        return {**found, "group_add": groups} if groups else found
    if name != "cuda":
        return None
    device: dict[str, Any] = {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    if around.docker and "nvidia" not in around.docker.runtimes:
        device = {
            "driver": "cdi",
            "device_ids": ["nvidia.com/gpu=all"],
            "capabilities": ["gpu"],
        }
    return {"deploy": {"resources": {"reservations": {"devices": [device]}}}}


def require_used(choice: Choice, compute: Compute | None, service: str) -> str:
    """Return what the person should know about where *service* computes, "" when all is well.

    Args:
        choice: What was decided before it started.
        compute: What it says itself, None where it tells nothing.
        service: Its name, for messages.

    Raises:
        RuntimeFailedError: a GPU was chosen and the processor computes.
    """
    if not choice.is_gpu:
        if choice.is_asked and compute and compute.is_gpu:
            return f"{service} computes on {compute}, though ACCELERATOR=cpu asked for none"
        return ""
    if compute is None:
        return f"{service} does not tell where it computes: nothing proves that the GPU does"
    if not compute.is_gpu:
        raise _not_used(choice, compute, service)
    if compute.is_partial:
        return (
            f"{service} computes partly on the CPU ({compute}): the GPU's memory is too small "
            "for all of it; take a smaller model or lower MAX_CONTEXT_LENGTH"
        )
    return ""


def _not_used(choice: Choice, compute: Compute, service: str) -> RuntimeFailedError:
    by = f"ACCELERATOR={choice.accelerator} asks for a GPU"
    chosen = by if choice.is_asked else f"{choice.accelerator} was chosen, because {choice.reason}"
    return RuntimeFailedError(
        f"{chosen}, and {service} computes on the CPU",
        hint=f"frontier logs {service} -n 400 tells why; frontier config set ACCELERATOR cpu "
        "accepts the CPU",
        details=compute.evidence,
    )
