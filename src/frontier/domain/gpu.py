"""GPUs as engines meet them: accelerators, device files, and what is around an engine."""

from dataclasses import dataclass, field
from typing import Final, Literal

from frontier.domain.docker import DockerFacts
from frontier.domain.machine import Gpu, Machine, Vendor

Accelerator = Literal["cpu", "cuda", "rocm", "metal", "vulkan"]
Asked = Literal["auto", "cpu", "cuda", "rocm", "metal"]
Place = Literal["native", "docker"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceNode:
    """One device file of a GPU; `is_open` tells whether this user may read and write it."""

    path: str
    gid: int
    group: str = ""
    is_open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDevices:
    """What of the GPUs is seen in the file system.

    Attributes:
        kfd: AMD's compute device ``/dev/kfd``, None where there is none.
        render: ``/dev/dri/renderD*``.
        cdi_specs: Files in ``/etc/cdi`` and ``/var/run/cdi`` that define ``nvidia.com/gpu``.
    """

    kfd: DeviceNode | None = None
    render: tuple[DeviceNode, ...] = ()
    cdi_specs: tuple[str, ...] = ()

    @property
    def gids(self) -> tuple[str, ...]:
        """Return the groups that may use them, root left out, as Compose takes them."""
        nodes = (*self.render, *((self.kfd,) if self.kfd else ()))
        return tuple(str(gid) for gid in sorted({node.gid for node in nodes}) if gid)


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeEngine:
    """The engine that is at hand on the host.

    Attributes:
        name: For people: ``the embedded llama.cpp``.
        accelerators: Those of the GPUs that it lists itself; none where it is built for the
            processor alone.
    """

    name: str
    accelerators: frozenset[Accelerator] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """All that the decision looks at.

    Attributes:
        machine: What the probes found.
        docker: The Docker of this machine, None where none works.
        devices: Device files and CDI specifications.
        native: The engine on the host, None where there is none.
    """

    machine: Machine
    docker: DockerFacts | None = None
    devices: HostDevices = field(default_factory=HostDevices)
    native: NativeEngine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why an accelerator cannot be used, and what to type."""

    why: str
    hint: str


_TOOLS: Final[dict[Vendor, tuple[str, ...]]] = {
    "nvidia": ("nvidia-smi:",),
    "amd": ("amd-smi:", "rocm-smi:", "amdgpu:"),
    "intel": ("xpu-smi:", "intel:"),
}

_ROCM_INTEGRATED: Final = frozenset({"gfx1150", "gfx1151"})
"""GPUs inside processors that ROCm's libraries have kernels for: Ryzen AI 300 and AI Max.

Source: https://rocm.docs.amd.com/projects/radeon-ryzen, "Linux support matrices", of ROCm 7.
"""


def gpus_of(machine: Machine, name: Accelerator) -> list[Gpu]:
    """Return the GPUs of *machine* that ``cuda`` or ``rocm`` stands for and can compute on."""
    vendors: dict[Accelerator, Vendor] = {"cuda": "nvidia", "rocm": "amd"}
    return [gpu for gpu in machine.gpus if gpu.vendor == vendors.get(name) and _computes(gpu)]


def _computes(gpu: Gpu) -> bool:
    return not gpu.hidden_by and _is_fit_to(gpu)


def _is_fit_to(gpu: Gpu) -> bool:
    is_weak = gpu.is_integrated and gpu.vendor != "nvidia"
    return not is_weak or gpu.compute_capability in _ROCM_INTEGRATED


def hidden_gpus(machine: Machine) -> tuple[Obstacle, ...]:
    """Return the GPUs that are built in but that no driver, or the environment, lets anyone use."""
    seen = {gpu.vendor for gpu in machine.gpus if _is_fit_to(gpu)}
    kept = tuple(
        Obstacle(
            why=f"{gpu.hidden_by} hides the {gpu.name}",
            hint=f"unset {gpu.hidden_by.partition('=')[0]}",
        )
        for gpu in machine.gpus
        if gpu.hidden_by and not any(g.vendor == gpu.vendor and _computes(g) for g in machine.gpus)
    )
    starts = tuple(start for vendor in _TOOLS if vendor not in seen for start in _TOOLS[vendor])
    if machine.os == "macos" and machine.apple is None:
        starts = (*starts, "sysctl:")  # which tells the chip
    lines = [line for line in machine.problems if line.startswith(starts)]
    return (*(Obstacle(why=line, hint="frontier doctor") for line in lines), *kept)


def unreached_gpus(machine: Machine) -> tuple[Obstacle, ...]:
    """Return the cards that engines reach through Vulkan alone, which none here is built for."""
    return tuple(
        Obstacle(
            why=f"the {gpu.name} is used through Vulkan alone, which no engine here is built for",
            hint="Put a llama-server that is built for Vulkan on PATH: "
            "https://github.com/ggml-org/llama.cpp/releases",
        )
        for gpu in machine.gpus
        if gpu.vendor == "intel" and not gpu.is_integrated
    )
