"""Where stacks would run on machines that we do not have: the real decisions, no probing."""

from collections.abc import Callable
from pathlib import Path

from frontier.adapters.folders import StackFolders
from frontier.domain.accelerator import choose
from frontier.domain.docker import DockerFacts
from frontier.domain.gpu import Accelerator, DeviceNode, HostDevices, NativeEngine, Surroundings
from frontier.domain.machine import Machine
from frontier.domain.placement import Placement
from frontier.domain.runtime_choice import choose_runtime
from frontier.domain.stack import Stack


def place_on(machine: Machine, *, has_docker: bool) -> Callable[[Stack, Machine], Placement]:
    """Return what places stacks on *machine* with our llama.cpp, and Docker as it should be."""
    docker = _docker(machine) if has_docker else None

    def place(stack: Stack, _: Machine) -> Placement:
        around = Surroundings(
            machine=machine,
            docker=docker,
            devices=_devices(machine),
            native=_native(stack, machine),
        )
        runtime = choose_runtime(stack, around, wanted="auto")
        choice = choose(stack, around, asked="auto", place=runtime.engine)
        memory = docker.memory_bytes if docker and runtime.engine == "docker" else None
        return Placement(runtime=runtime.runtime, choice=choice, memory_bytes=memory)

    return place


def _docker(machine: Machine) -> DockerFacts:
    total = machine.memory.total_bytes if machine.memory else 0
    is_mac = machine.os == "macos"
    return DockerFacts(
        engine="29.0.0",
        api="1.52",
        compose="2.40.0",
        memory_bytes=total // 2 if is_mac else total,
        cpus=machine.cpu.logical,
        arch="aarch64" if machine.arch in ("arm64", "aarch64") else "x86_64",
        is_desktop=is_mac,
        runtimes=("runc", "nvidia")
        if any(g.vendor == "nvidia" for g in machine.gpus)
        else ("runc",),
    )


def _devices(machine: Machine) -> HostDevices:
    if not any(gpu.vendor == "amd" for gpu in machine.gpus):
        return HostDevices()
    return HostDevices(kfd=DeviceNode(path="/dev/kfd", gid=109, group="render"))


def _native(stack: Stack, machine: Machine) -> NativeEngine | None:
    if stack.engine != "llamacpp":
        return None
    found: frozenset[Accelerator] = frozenset({"metal"} if machine.apple else ())
    return NativeEngine(name="the embedded llama.cpp", accelerators=found)


def every_stack() -> list[Stack]:
    """Return the packaged stacks."""
    folders = StackFolders(own=Path("/nonexistent"))
    return [folders.load(name) for name in folders.names()]
