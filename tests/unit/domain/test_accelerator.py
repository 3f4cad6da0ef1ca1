"""The decision where to compute, as tables of machines."""

from dataclasses import replace

import pytest

from frontier.domain.accelerator import Choice, choose, require_used
from frontier.domain.docker import DockerFacts
from frontier.domain.errors import RefusedError, RuntimeFailedError
from frontier.domain.gpu import (
    Accelerator,
    Asked,
    DeviceNode,
    HostDevices,
    NativeEngine,
    Place,
    Surroundings,
)
from frontier.domain.machine import AppleChip, Cpu, Gpu, Machine
from frontier.domain.offload import Compute
from frontier.domain.stack import Image, Stack

LINUX = Machine(
    os="linux",
    os_version="Debian 13",
    arch="x86_64",
    cpu=Cpu(model="EPYC", physical=8, logical=16, usable=16),
    memory=None,
    disk=None,
)
L4 = Gpu(vendor="nvidia", name="NVIDIA L4", driver="580.65.06", compute_capability="8.9")
MI300 = Gpu(vendor="amd", name="AMD Instinct MI300X", compute_capability="gfx942")
M2 = AppleChip(name="Apple M2 Max", gpu_cores=38, unified_memory_bytes=64 << 30)
ARC = Gpu(vendor="intel", name="Intel Arc B580", driver="xe")
UHD = Gpu(vendor="intel", name="Intel UHD Graphics 770", driver="i915", is_integrated=True)
RAPHAEL = Gpu(vendor="amd", name="AMD Raphael", compute_capability="gfx1036", is_integrated=True)
HALO = replace(RAPHAEL, name="Radeon 8060S", compute_capability="gfx1151")
GB10 = Gpu(vendor="nvidia", name="NVIDIA GB10", compute_capability="12.1", is_integrated=True)
NVIDIA = replace(LINUX, gpus=(L4,))
AMD = replace(LINUX, gpus=(MI300,))
MAC = replace(LINUX, os="macos", arch="arm64", apple=M2)
DOCKER = DockerFacts(
    engine="28.3.0", api="1.51", compose="2.39.1", memory_bytes=1 << 36, cpus=16, arch="x86_64"
)
TOOLKIT = replace(DOCKER, runtimes=("nvidia", "runc"))
KFD = DeviceNode(path="/dev/kfd", gid=109, group="render")
RENDER = DeviceNode(path="/dev/dri/renderD128", gid=109, group="render")
CARD = DeviceNode(path="/dev/dri/renderD129", gid=44, group="video")
AMD_FILES = HostDevices(kfd=KFD, render=(RENDER, CARD))
EMBEDDED = NativeEngine(name="the embedded llama.cpp")


def stack(backend: str = "llamacpp", **images: str) -> Stack:
    references = images or {
        "cpu": "llama.cpp:server-b1",
        "cuda": "llama.cpp:server-cuda13-b1",
        "rocm": "llama.cpp:server-rocm-b1",
    }
    image = Image(
        references=references,
        architectures={"rocm": ("amd64",)},
        setting=f"{backend.upper()}_IMAGE",
    )
    return Stack(
        name=backend,
        title=backend,
        engine=backend,
        backend=backend,
        runtimes=("native", "docker"),
        images={backend: image},
    )


def built(*accelerators: Accelerator) -> NativeEngine:
    return NativeEngine(
        name="llama.cpp at /usr/bin/llama-server", accelerators=frozenset(accelerators)
    )


def decide(
    around: Surroundings, *, asked: Asked = "auto", place: Place = "docker", of: Stack | None = None
) -> Choice:
    return choose(of or stack(), around, asked=asked, place=place)


def refusal(
    around: Surroundings, *, asked: Asked, place: Place = "docker", of: Stack | None = None
) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        decide(around, asked=asked, place=place, of=of)
    return caught.value


@pytest.mark.parametrize(
    ("around", "place", "accelerator", "reason"),
    [
        (Surroundings(machine=LINUX, docker=DOCKER), "docker", "cpu", "there is no GPU"),
        (
            Surroundings(machine=NVIDIA, docker=TOOLKIT),
            "docker",
            "cuda",
            "Docker can use the NVIDIA L4",
        ),
        (
            Surroundings(machine=replace(NVIDIA, gpus=(L4, L4, L4)), docker=TOOLKIT),
            "docker",
            "cuda",
            "Docker can use the NVIDIA L4 and 2 more",
        ),
        (
            Surroundings(machine=AMD, docker=DOCKER, devices=AMD_FILES),
            "docker",
            "rocm",
            "Docker can use the AMD Instinct MI300X",
        ),
        (
            Surroundings(machine=replace(LINUX, gpus=(L4, RAPHAEL, UHD)), docker=TOOLKIT),
            "docker",
            "cuda",
            "Docker can use the NVIDIA L4",
        ),
        (
            Surroundings(machine=replace(LINUX, gpus=(GB10,)), docker=TOOLKIT),
            "docker",
            "cuda",
            "Docker can use the NVIDIA GB10",
        ),
        (
            Surroundings(machine=replace(LINUX, gpus=(HALO,)), docker=DOCKER, devices=AMD_FILES),
            "docker",
            "rocm",
            "Docker can use the Radeon 8060S",
        ),
        (
            Surroundings(machine=replace(LINUX, gpus=(RAPHAEL,)), docker=DOCKER, devices=AMD_FILES),
            "docker",
            "cpu",
            "the AMD Raphael is part of the processor, no engine here uses it",
        ),
        (
            Surroundings(machine=replace(LINUX, gpus=(ARC,)), native=built("vulkan")),
            "native",
            "vulkan",
            "llama.cpp at /usr/bin/llama-server can use a GPU through vulkan",
        ),
        (
            Surroundings(machine=MAC, native=built("metal")),
            "native",
            "metal",
            "llama.cpp at /usr/bin/llama-server can use the GPU of the Apple M2 Max",
        ),
        (
            Surroundings(machine=NVIDIA, native=built("cuda")),
            "native",
            "cuda",
            "llama.cpp at /usr/bin/llama-server can use the NVIDIA L4",
        ),
        (
            Surroundings(machine=NVIDIA, native=built("vulkan")),
            "native",
            "vulkan",
            "llama.cpp at /usr/bin/llama-server can use a GPU through vulkan",
        ),
        (
            Surroundings(machine=LINUX, native=built("cuda")),
            "native",
            "cuda",
            "llama.cpp at /usr/bin/llama-server can use a GPU through cuda",
        ),
    ],
)
def test_auto_takes_the_gpu_that_the_engine_can_use(
    around: Surroundings, place: Place, accelerator: str, reason: str
) -> None:
    choice = decide(around, place=place)

    assert (choice.accelerator, choice.reason) == (accelerator, reason)
    assert choice.is_gpu is (accelerator != "cpu")
    assert not choice.unused


@pytest.mark.parametrize(
    ("around", "place", "why"),
    [
        (
            Surroundings(machine=NVIDIA, docker=DOCKER),
            "docker",
            "Docker has no NVIDIA runtime and no CDI devices",
        ),
        (
            Surroundings(machine=NVIDIA, native=EMBEDDED),
            "native",
            "the embedded llama.cpp finds no GPU through cuda",
        ),
        (Surroundings(machine=MAC, docker=DOCKER), "docker", "no GPU reaches the Linux containers"),
        (
            Surroundings(
                machine=replace(
                    LINUX,
                    problems=("nvidia-smi: not installed, but this machine has an NVIDIA GPU",),
                ),
                docker=TOOLKIT,
            ),
            "docker",
            "nvidia-smi: not installed",
        ),
        (
            Surroundings(
                machine=replace(
                    LINUX,
                    gpus=(UHD,),
                    problems=("nvidia-smi: not installed, but this machine has an NVIDIA GPU",),
                ),
                docker=TOOLKIT,
            ),
            "docker",
            "nvidia-smi: not installed",
        ),
        (
            Surroundings(
                machine=replace(MAC, apple=None, problems=("sysctl: timed out after 5 s",)),
                native=EMBEDDED,
            ),
            "native",
            "sysctl: timed out after 5 s",
        ),
        (
            Surroundings(machine=replace(LINUX, gpus=(ARC, UHD)), native=EMBEDDED),
            "native",
            "the Intel Arc B580 is used through Vulkan alone",
        ),
        (
            Surroundings(machine=replace(LINUX, gpus=(ARC,)), docker=TOOLKIT),
            "docker",
            "the Intel Arc B580 is used through Vulkan alone",
        ),
    ],
)
def test_auto_says_loudly_that_a_gpu_stays_unused_and_how_to_use_it(
    around: Surroundings, place: Place, why: str
) -> None:
    choice = decide(around, place=place)

    assert choice.accelerator == "cpu"
    assert "the GPU is NOT used" in str(choice)
    assert why in choice.reason
    assert choice.unused[0].hint in choice.reason


def test_the_processor_is_taken_where_it_was_asked_for() -> None:
    choice = decide(Surroundings(machine=NVIDIA, docker=TOOLKIT), asked="cpu")

    assert str(choice) == "accelerator: cpu, because ACCELERATOR=cpu asks for it"
    assert choice.is_asked


def old(driver: str, capability: str = "8.9") -> Machine:
    return replace(LINUX, gpus=(replace(L4, driver=driver, compute_capability=capability),))


@pytest.mark.parametrize(
    ("around", "asked", "of", "message", "hint"),
    [
        (
            Surroundings(machine=LINUX, docker=TOOLKIT),
            "cuda",
            stack(),
            "ACCELERATOR=cuda, but this machine has no NVIDIA GPU",
            "frontier config set ACCELERATOR auto",
        ),
        (
            Surroundings(machine=NVIDIA, docker=DOCKER),
            "cuda",
            stack(),
            "no NVIDIA runtime and no CDI devices",
            "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
        ),
        (
            Surroundings(machine=NVIDIA, docker=replace(DOCKER, is_rootless=True)),
            "cuda",
            stack(),
            "no NVIDIA runtime",
            "--config=$HOME/.config/docker/daemon.json && systemctl --user restart docker",
        ),
        (
            Surroundings(machine=NVIDIA),
            "cuda",
            stack(),
            "Docker does not work here",
            "frontier doctor",
        ),
        (
            Surroundings(machine=old("570.133.20"), docker=TOOLKIT),
            "cuda",
            stack(),
            "the NVIDIA driver 570.133.20 is too old for CUDA 13 in llama.cpp:server-cuda13-b1",
            "Install driver 580 or newer (nvidia-smi shows it); or frontier config set LLAMACPP_",
        ),
        (
            Surroundings(machine=old("580.65.06", "6.1"), docker=TOOLKIT),
            "cuda",
            stack(),
            "compute capability 6.1, llama.cpp:server-cuda13-b1 needs 7.5 or more",
            "frontier config set LLAMACPP_IMAGE IMAGE",
        ),
        (
            Surroundings(machine=old("580.65.06", "7.0"), docker=TOOLKIT),
            "cuda",
            stack("vllm", cuda="vllm/vllm-openai:v0.31.0"),
            "needs 7.5 or more",
            "VLLM_IMAGE",
        ),
        (
            Surroundings(machine=AMD, docker=DOCKER, devices=AMD_FILES),
            "rocm",
            stack("mistral", cpu="mistral.rs:cpu-1", cuda="mistral.rs:cuda130-sm89-1"),
            "mistral has no image for rocm",
            "frontier stack list",
        ),
        (
            Surroundings(machine=AMD, docker=DOCKER),
            "rocm",
            stack(),
            "there is no /dev/kfd",
            "sudo modprobe amdgpu",
        ),
        (
            Surroundings(machine=AMD, docker=replace(DOCKER, arch="aarch64"), devices=AMD_FILES),
            "rocm",
            stack(),
            "the rocm image of llamacpp exists for amd64, not arm64",
            "LLAMACPP_IMAGE",
        ),
        (
            Surroundings(
                machine=AMD,
                docker=replace(DOCKER, is_rootless=True),
                devices=HostDevices(kfd=replace(KFD, is_open=False)),
            ),
            "rocm",
            stack(),
            "this user may not use /dev/kfd, which belongs to the group render",
            "sudo usermod -aG render $USER",
        ),
        (
            Surroundings(machine=MAC, docker=DOCKER),
            "metal",
            stack(),
            "no GPU reaches the Linux containers of a Mac",
            "frontier up llamacpp --runtime native",
        ),
        (
            Surroundings(machine=MAC, docker=DOCKER),
            "metal",
            replace(stack(), runtimes=("docker",)),
            "no GPU reaches",
            "frontier config set ACCELERATOR auto",
        ),
        (
            Surroundings(machine=replace(LINUX, problems=("amdgpu: no driver: install ROCm",))),
            "rocm",
            stack(),
            "amdgpu: no driver",
            "frontier doctor",
        ),
    ],
)
def test_a_gpu_asked_for_in_docker_that_cannot_be_used_is_refused_with_the_command_that_mends_it(
    around: Surroundings, asked: Asked, of: Stack, message: str, hint: str
) -> None:
    error = refusal(around, asked=asked, of=of)

    assert message in error.message
    assert hint in error.hint
    assert error.exit_code == 5


@pytest.mark.parametrize(
    ("around", "asked", "of", "message", "hint"),
    [
        (
            Surroundings(machine=NVIDIA, native=EMBEDDED),
            "cuda",
            stack(),
            "the embedded llama.cpp finds no GPU through cuda: it is built without it",
            "frontier up llamacpp --runtime docker",
        ),
        (
            Surroundings(machine=NVIDIA, native=EMBEDDED),
            "cuda",
            replace(stack(), runtimes=("native",)),
            "built without it",
            "Put a llama-server that is built for cuda on PATH",
        ),
        (
            Surroundings(machine=NVIDIA, native=EMBEDDED),
            "cuda",
            replace(stack("vllm"), runtimes=("native",)),
            "built without it",
            "frontier config set ACCELERATOR auto",
        ),
        (
            Surroundings(machine=NVIDIA, native=NativeEngine(name="mistral.rs")),
            "cuda",
            stack("mistral"),
            "mistral.rs finds no GPU",
            "frontier stack build mistral --accelerator cuda",
        ),
        (
            Surroundings(machine=NVIDIA),
            "cuda",
            stack("mistral"),
            "the engine of mistral is not installed here",
            "frontier stack build mistral",
        ),
        (
            Surroundings(
                machine=AMD,
                native=EMBEDDED,
                devices=HostDevices(kfd=KFD, render=(replace(RENDER, is_open=False),)),
            ),
            "rocm",
            stack(),
            "this user may not use /dev/dri/renderD128, which belongs to the group render",
            "sudo usermod -aG render $USER, then log in again",
        ),
        (
            Surroundings(machine=replace(MAC, arch="x86_64"), native=EMBEDDED),
            "metal",
            stack(),
            "this Python is an Intel build",
            "arm64 Python",
        ),
        (
            Surroundings(
                machine=replace(MAC, apple=None, problems=("sysctl: not installed",)),
                native=EMBEDDED,
            ),
            "metal",
            stack(),
            "sysctl: not installed",
            "frontier doctor",
        ),
        (
            Surroundings(machine=LINUX, native=EMBEDDED),
            "metal",
            stack(),
            "this machine is no Mac with Apple silicon",
            "frontier config set ACCELERATOR auto",
        ),
    ],
)
def test_a_gpu_asked_for_natively_that_cannot_be_used_is_refused_with_the_command_that_mends_it(
    around: Surroundings, asked: Asked, of: Stack, message: str, hint: str
) -> None:
    error = refusal(around, asked=asked, place="native", of=of)

    assert message in error.message
    assert hint in error.hint


def test_a_mistral_image_is_for_the_generation_of_gpus_that_its_tag_names() -> None:
    of = stack("mistral", cuda="mistral.rs:cuda130-sm80-0.9.4")
    ada = Surroundings(machine=NVIDIA, docker=TOOLKIT)
    hopper = Surroundings(machine=old("580.1", "9.0"), docker=TOOLKIT)

    assert decide(ada, asked="cuda", of=of).accelerator == "cuda"
    assert "needs 8.0" in refusal(hopper, asked="cuda", of=of).message


def test_an_image_per_capability_must_have_the_one_of_the_gpu() -> None:
    of = stack("mistral", cuda="mistral.rs:cuda130-sm{sm}-0.9.4")
    image = replace(of.images["mistral"], capabilities={"cuda": {"amd64": ("8.0", "9.0")}})
    of = replace(of, images={"mistral": image})

    error = refusal(Surroundings(machine=NVIDIA, docker=TOOLKIT), asked="cuda", of=of)

    assert "compute capability 8.9" in error.message
    assert "exists for 8.0, 9.0" in error.message


def test_one_gpu_that_can_is_enough() -> None:
    both = replace(LINUX, gpus=(replace(L4, compute_capability="6.1"), L4))

    assert decide(Surroundings(machine=both, docker=TOOLKIT)).accelerator == "cuda"


@pytest.mark.parametrize("fields", [{"driver": ""}, {"compute_capability": ""}, {"driver": "n/a"}])
def test_what_a_driver_does_not_tell_keeps_nobody_from_trying(fields: dict[str, str]) -> None:
    machine = replace(LINUX, gpus=(replace(L4, **fields),))

    assert decide(Surroundings(machine=machine, docker=TOOLKIT), asked="cuda").is_gpu


def test_ollama_asks_more_of_the_driver_for_an_old_gpu() -> None:
    of = stack("ollama", cuda="ollama/ollama:0.35.1")

    assert decide(Surroundings(machine=old("550.54", "8.9"), docker=TOOLKIT), asked="cuda", of=of)
    error = refusal(Surroundings(machine=old("550.54", "6.1"), docker=TOOLKIT), asked="cuda", of=of)
    assert "Install driver 570" in error.hint


def test_the_older_cuda_image_runs_with_an_older_driver() -> None:
    of = stack("vllm", cuda="vllm/vllm-openai:v0.31.0-cu129")

    choice = decide(Surroundings(machine=old("550.54"), docker=TOOLKIT), asked="cuda", of=of)

    assert choice.accelerator == "cuda"


def devices(choice: Choice) -> object:
    assert choice.container is not None
    return choice.container["deploy"]["resources"]["reservations"]["devices"]


def test_a_container_gets_nvidias_gpus_by_the_runtime_or_else_by_cdi() -> None:
    by_runtime = decide(Surroundings(machine=NVIDIA, docker=TOOLKIT))
    listed = replace(DOCKER, cdi_devices=("nvidia.com/gpu=all",))
    by_list = decide(Surroundings(machine=NVIDIA, docker=listed))
    specs = HostDevices(cdi_specs=("/etc/cdi/nvidia.yaml",))
    by_file = decide(Surroundings(machine=NVIDIA, docker=DOCKER, devices=specs))

    assert devices(by_runtime) == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    cdi = {"driver": "cdi", "device_ids": ["nvidia.com/gpu=all"], "capabilities": ["gpu"]}
    assert devices(by_list) == [cdi]
    assert devices(by_file) == [cdi]


def test_a_container_gets_amds_devices_with_the_numbers_of_this_machines_groups() -> None:
    choice = decide(Surroundings(machine=AMD, docker=DOCKER, devices=AMD_FILES))
    of_root = HostDevices(kfd=replace(KFD, gid=0))
    without = decide(Surroundings(machine=AMD, docker=DOCKER, devices=of_root))

    assert choice.container == {"devices": ["/dev/kfd", "/dev/dri"], "group_add": ["44", "109"]}
    assert without.container == {"devices": ["/dev/kfd", "/dev/dri"]}


def test_no_container_reserves_a_gpu_for_the_processor_or_for_an_engine_on_the_host() -> None:
    on_host = decide(Surroundings(machine=NVIDIA, native=built("cuda")), place="native")

    assert decide(Surroundings(machine=LINUX, docker=DOCKER)).container is None
    assert on_host.container is None


CUDA = Choice(accelerator="cuda", reason="Docker can use the NVIDIA L4")
ON_CPU = Compute(device="CPU", source="log", evidence="load_tensors: CPU_Mapped model buffer")
ON_GPU = Compute(device="CUDA0", offloaded_layers=(33, 33), source="log", evidence="e")


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (replace(CUDA, is_asked=True), "ACCELERATOR=cuda asks for a GPU"),
        (CUDA, "cuda was chosen, because Docker can use the NVIDIA L4"),
    ],
)
def test_an_engine_on_the_processor_where_a_gpu_was_chosen_fails_with_its_own_line(
    choice: Choice, message: str
) -> None:
    with pytest.raises(RuntimeFailedError) as caught:
        require_used(choice, ON_CPU, "llamacpp")

    assert caught.value.message == f"{message}, and llamacpp computes on the CPU"
    assert caught.value.details == ON_CPU.evidence
    assert "frontier logs llamacpp" in caught.value.hint
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("choice", "compute", "warning"),
    [
        (CUDA, ON_GPU, ""),
        (CUDA, replace(ON_GPU, offloaded_layers=(10, 33)), "CUDA0, 10/33 layers"),
        (CUDA, None, "nothing proves that the GPU does"),
        (Choice(accelerator="cpu", reason=""), ON_CPU, ""),
        (Choice(accelerator="cpu", reason=""), ON_GPU, ""),
        (Choice(accelerator="cpu", reason="", is_asked=True), ON_GPU, "asked for none"),
    ],
)
def test_what_is_not_as_chosen_but_works_is_told(
    choice: Choice, compute: Compute | None, warning: str
) -> None:
    said = require_used(choice, compute, "llamacpp")

    assert warning in said
    assert bool(said) is bool(warning)
