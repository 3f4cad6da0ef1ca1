"""What keeps an engine from a GPU, and the command that mends it."""

from typing import Final, assert_never

from frontier.domain.docker import DockerFacts
from frontier.domain.gpu import (
    Accelerator,
    HostDevices,
    Obstacle,
    Place,
    Surroundings,
    gpus_of,
    hidden_gpus,
)
from frontier.domain.gpu_needs import cuda_needs, driver_branch, parse_capability
from frontier.domain.machine import Gpu, Machine
from frontier.domain.stack import Image, Stack

TOOLKIT: Final = (
    "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker"
)
_ROOTLESS_TOOLKIT: Final = (
    "nvidia-ctk runtime configure --runtime=docker --config=$HOME/.config/docker/daemon.json"
    " && systemctl --user restart docker"
)
_PACKAGE: Final = " (nvidia-ctk is in the package nvidia-container-toolkit)"
_ANYWHERE: Final = "frontier config set ACCELERATOR auto"
_DOCKER_ARCH: Final = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_NAMES: Final = {"cuda": "NVIDIA", "rocm": "AMD", "vulkan": "Vulkan"}


def find_obstacle(
    stack: Stack, around: Surroundings, name: Accelerator, place: Place
) -> Obstacle | None:
    """Return the first thing that keeps the engine of *stack* from *name*, None where it can."""
    if place == "native":
        if around.native and name in around.native.accelerators:
            return None  # it lists the GPU itself
        return _missing(around.machine, name) or _native_obstacle(stack, around, name)
    return (
        _desktop_obstacle(stack, around, name)
        or _image_obstacle(stack, around, name)
        or _missing(around.machine, name)
        or _docker_obstacle(stack, around, name)
    )


def _missing(machine: Machine, name: Accelerator) -> Obstacle | None:
    if name == "metal":
        return _metal_obstacle(machine)
    if gpus_of(machine, name):
        return None
    if hidden := hidden_gpus(machine):
        return hidden[0]
    return Obstacle(why=f"this machine has no {_NAMES[name]} GPU", hint=_ANYWHERE)


def _metal_obstacle(machine: Machine) -> Obstacle | None:
    if machine.apple is None and machine.os == "macos" and (hidden := hidden_gpus(machine)):
        return hidden[0]
    if machine.apple is None:
        return Obstacle(why="this machine is no Mac with Apple silicon", hint=_ANYWHERE)
    if machine.arch != "arm64":
        return Obstacle(
            why="this Python is an Intel build, which cannot use Metal",
            hint="Install Frontier with an arm64 Python: https://www.python.org/downloads/macos",
        )
    return None


def _native_obstacle(stack: Stack, around: Surroundings, name: Accelerator) -> Obstacle | None:
    native = around.native
    if native is None:
        return Obstacle(
            why=f"the engine of {stack.name} is not installed here",
            hint=_native_hint(stack, name),
        )
    return _closed(around.devices, name) or Obstacle(
        why=f"{native.name} finds no GPU through {name}: it is built without it",
        hint=_native_hint(stack, name),
    )


def _closed(devices: HostDevices, name: Accelerator) -> Obstacle | None:
    """Return which of AMD's device files this user may not use."""
    nodes = (*((devices.kfd,) if devices.kfd else ()), *devices.render)
    closed = next((n for n in nodes if not n.is_open), None) if name == "rocm" else None
    if closed is None:
        return None
    return Obstacle(
        why=f"this user may not use {closed.path}, which belongs to the group {closed.group}",
        hint=f"sudo usermod -aG {closed.group} $USER, then log in again",
    )


def _native_hint(stack: Stack, name: Accelerator) -> str:
    if stack.backend == "mistral":
        return f"frontier stack build {stack.name} --accelerator {name}"
    if "docker" in stack.runtimes and name != "metal":
        return f"frontier up {stack.name} --runtime docker"
    if stack.backend == "llamacpp":
        return (
            f"Put a llama-server that is built for {name} on PATH: "
            "https://github.com/ggml-org/llama.cpp/releases"
        )
    return _ANYWHERE


def _desktop_obstacle(stack: Stack, around: Surroundings, name: Accelerator) -> Obstacle | None:
    if around.machine.os != "macos" and name != "metal":
        return None
    is_native = "native" in stack.runtimes
    return Obstacle(
        why="no GPU reaches the Linux containers of a Mac",
        hint=f"frontier up {stack.name} --runtime native" if is_native else _ANYWHERE,
    )


def _image_obstacle(stack: Stack, around: Surroundings, name: Accelerator) -> Obstacle | None:
    image = stack.images.get(stack.engine)
    if image is None or name not in image.references:
        return Obstacle(
            why=f"{stack.title} has no image for {name}",
            hint="frontier stack list shows what the other stacks compute on.",
        )
    arch = _docker_arch(around)
    made_for = image.architectures.get(name, (arch,))
    if arch not in made_for:
        return Obstacle(
            why=f"the {name} image of {stack.title} exists for {', '.join(made_for)}, not {arch}",
            hint=_image_hint(image) or _ANYWHERE,
        )
    return None


def _docker_arch(around: Surroundings) -> str:
    arch = around.docker.arch if around.docker else around.machine.arch
    return _DOCKER_ARCH.get(arch, arch)


def _image_hint(image: Image) -> str:
    return f"frontier config set {image.setting} IMAGE" if image.setting else ""


def _docker_obstacle(stack: Stack, around: Surroundings, name: Accelerator) -> Obstacle | None:
    if around.docker is None:
        return Obstacle(why="Docker does not work here", hint="frontier doctor")
    match name:
        case "cuda":
            return _cuda_obstacle(stack, around) or _toolkit_obstacle(around.docker, around)
        case "rocm":
            return _rocm_obstacle(around)
        case "cpu" | "metal" | "vulkan":
            return None
        case _:
            assert_never(name)


def _cuda_obstacle(stack: Stack, around: Surroundings) -> Obstacle | None:
    """Return why no GPU here can run the stack's CUDA image; one that can is enough."""
    image, arch = stack.images[stack.engine], _docker_arch(around)
    gpus = gpus_of(around.machine, "cuda")
    obstacles = [_kernel_obstacle(stack, image, arch, g) or _old(stack, image, g) for g in gpus]
    return None if None in obstacles else obstacles[0]


def _kernel_obstacle(stack: Stack, image: Image, arch: str, gpu: Gpu) -> Obstacle | None:
    """Return why the image has no kernels for *gpu*."""
    capability, reference = parse_capability(gpu.compute_capability), image.references["cuda"]
    needs = cuda_needs(stack.backend, reference)
    built = image.capabilities.get("cuda", {}).get(arch)
    if built is not None and gpu.compute_capability not in built:
        wanted = f"exists for {', '.join(built) or 'none'}"
    elif capability and not needs.fits(capability):
        least = needs.built_for or needs.capability
        wanted = f"needs {least[0]}.{least[1]}" + ("" if needs.built_for else " or more")
    else:
        return None
    return Obstacle(
        why=f"the {gpu.name} has compute capability {gpu.compute_capability or 'unknown'}, "
        f"{reference} {wanted}",
        hint=_image_hint(image) or _ANYWHERE,
    )


def _old(stack: Stack, image: Image, gpu: Gpu) -> Obstacle | None:
    """Return why the driver of *gpu* cannot run the image."""
    capability, driver = parse_capability(gpu.compute_capability), driver_branch(gpu.driver)
    needs = cuda_needs(stack.backend, image.references["cuda"], capability)
    if driver is None or driver >= needs.driver:
        return None
    older = f"; or {_image_hint(image)}" if image.setting else ""
    return Obstacle(
        why=f"the NVIDIA driver {gpu.driver} is too old for CUDA {needs.cuda} in "
        f"{image.references['cuda']}",
        hint=f"Install driver {needs.driver} or newer (nvidia-smi shows it){older}",
    )


def _toolkit_obstacle(docker: DockerFacts, around: Surroundings) -> Obstacle | None:
    if docker.has_nvidia or around.devices.cdi_specs:
        return None
    command = _ROOTLESS_TOOLKIT if docker.is_rootless else TOOLKIT
    return Obstacle(
        why="Docker has no NVIDIA runtime and no CDI devices: the container toolkit is missing",
        hint=command + _PACKAGE,
    )


def _rocm_obstacle(around: Surroundings) -> Obstacle | None:
    if around.devices.kfd is None:
        return Obstacle(
            why="there is no /dev/kfd: AMD's kernel driver is not loaded",
            hint="sudo modprobe amdgpu; where it stays away, install ROCm's amdgpu-dkms",
        )
    if around.docker and around.docker.is_rootless:
        return _closed(around.devices, "rocm")  # its containers are this user
    return None
