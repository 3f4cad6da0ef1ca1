"""What runs a stack, as a table of machines."""

from dataclasses import replace
from typing import Literal

import pytest

from frontier.domain.docker import DockerFacts
from frontier.domain.errors import RuntimeFailedError, UsageError
from frontier.domain.gpu import Asked, NativeEngine, Surroundings
from frontier.domain.machine import AppleChip, Cpu, Gpu, Machine
from frontier.domain.runtime_choice import choose_runtime
from frontier.domain.stack import Image, Stack

LINUX = Machine(
    os="linux",
    os_version="Debian 13",
    arch="x86_64",
    cpu=Cpu(model="EPYC", physical=8, logical=16, usable=16),
    memory=None,
    disk=None,
)
NVIDIA = replace(
    LINUX, gpus=(Gpu(vendor="nvidia", name="L4", driver="580.1", compute_capability="8.9"),)
)
WSL2 = replace(NVIDIA, os_version="Ubuntu 24.04 (WSL2)")
AMD = replace(LINUX, gpus=(Gpu(vendor="amd", name="MI300X"),))
MAC = replace(
    LINUX,
    os="macos",
    arch="arm64",
    apple=AppleChip(name="M2", gpu_cores=8, unified_memory_bytes=1 << 34),
)
DOCKER = DockerFacts(
    engine="28.3.0", api="1.51", compose="2.39.1", memory_bytes=1 << 36, cpus=16, arch="x86_64"
)
TOOLKIT = replace(DOCKER, runtimes=("nvidia", "runc"))
IMAGES = {"e": Image(references={"cpu": "e:cpu", "cuda": "e:cuda13", "rocm": "e:rocm"})}
LLAMACPP = Stack(
    name="llamacpp",
    title="llama.cpp",
    engine="e",
    backend="llamacpp",
    runtimes=("native", "docker"),
    images=IMAGES,
)
MISTRAL = replace(
    LLAMACPP, name="mistral", title="mistral.rs", backend="mistral", runtimes=("docker", "native")
)
VLLM = replace(LLAMACPP, name="vllm", title="vLLM", backend="vllm", runtimes=("docker",))
EMBEDDED = NativeEngine(name="the embedded llama.cpp")
WITH_CUDA = NativeEngine(name="llama.cpp at /bin/x", accelerators=frozenset({"cuda"}))
NONE = None


def on(machine: Machine, docker: DockerFacts | None, native: NativeEngine | None) -> Surroundings:
    return Surroundings(machine=machine, docker=docker, native=native)


@pytest.mark.parametrize(
    ("stack", "around", "runtime", "reason"),
    [
        # macOS: the engine on the host
        (
            LLAMACPP,
            on(MAC, DOCKER, EMBEDDED),
            "native",
            "is at hand, and Linux containers on a Mac",
        ),
        (LLAMACPP, on(MAC, NONE, EMBEDDED), "native", "the embedded llama.cpp is at hand"),
        (MISTRAL, on(MAC, DOCKER, EMBEDDED), "hybrid", "all but the engine runs in Docker"),
        (
            MISTRAL,
            on(MAC, NONE, EMBEDDED),
            "native",
            "Linux containers on a Mac cannot use its GPU",
        ),
        (VLLM, on(MAC, DOCKER, NONE), "docker", "though no container can use the Mac's GPU"),
        # Linux without a GPU
        (LLAMACPP, on(LINUX, DOCKER, EMBEDDED), "native", "is at hand and needs no image"),
        (LLAMACPP, on(LINUX, NONE, EMBEDDED), "native", "is at hand and needs no image"),
        (MISTRAL, on(LINUX, DOCKER, EMBEDDED), "docker", "mistral.rs prefers containers"),
        (MISTRAL, on(LINUX, NONE, EMBEDDED), "native", "is at hand"),
        (MISTRAL, on(LINUX, DOCKER, NONE), "docker", "is not installed on this machine"),
        (VLLM, on(LINUX, DOCKER, NONE), "docker", "is not installed on this machine"),
        # NVIDIA
        (LLAMACPP, on(NVIDIA, TOOLKIT, EMBEDDED), "docker", "containers can use the GPU (cuda)"),
        (LLAMACPP, on(WSL2, TOOLKIT, EMBEDDED), "docker", "containers can use the GPU (cuda)"),
        (LLAMACPP, on(NVIDIA, TOOLKIT, WITH_CUDA), "native", "llama.cpp at /bin/x is at hand"),
        (LLAMACPP, on(NVIDIA, DOCKER, EMBEDDED), "native", "is at hand and needs no image"),
        (VLLM, on(NVIDIA, DOCKER, NONE), "docker", "is not installed on this machine"),
        # AMD without /dev/kfd
        (LLAMACPP, on(AMD, DOCKER, EMBEDDED), "native", "is at hand and needs no image"),
    ],
)
def test_auto_runs_a_stack_where_its_engine_is_at_hand_and_can_use_the_gpu(
    stack: Stack, around: Surroundings, runtime: str, reason: str
) -> None:
    choice = choose_runtime(stack, around, wanted="auto")

    assert choice.runtime == runtime
    assert reason in str(choice)
    assert choice.engine == ("docker" if runtime == "docker" else "native")


@pytest.mark.parametrize(
    ("asked", "runtime"), [("auto", "docker"), ("cuda", "docker"), ("cpu", "native")]
)
def test_the_processor_asked_for_needs_no_container_for_its_gpu(asked: Asked, runtime: str) -> None:
    around = Surroundings(machine=NVIDIA, docker=TOOLKIT, native=EMBEDDED)

    assert choose_runtime(LLAMACPP, around, wanted="auto", asked=asked).runtime == runtime


@pytest.mark.parametrize(
    ("stack", "wanted", "runtime", "reason"),
    [
        (LLAMACPP, "native", "native", "it was asked for"),
        (
            LLAMACPP,
            "docker",
            "docker",
            "it was asked for, though no container can use the Mac's GPU",
        ),
    ],
)
def test_what_was_asked_for_is_taken(
    stack: Stack, wanted: Literal["native", "docker"], runtime: str, reason: str
) -> None:
    around = Surroundings(machine=MAC, docker=DOCKER, native=EMBEDDED)

    choice = choose_runtime(stack, around, wanted=wanted)

    assert (choice.runtime, choice.reason) == (runtime, reason)


@pytest.mark.parametrize(
    ("stack", "wanted", "other"),
    [
        (VLLM, "native", "--runtime docker"),
        (replace(LLAMACPP, runtimes=("native",)), "docker", "--runtime native"),
    ],
)
def test_a_stack_that_cannot_run_there_names_where_it_can(
    stack: Stack, wanted: Literal["native", "docker"], other: str
) -> None:
    around = Surroundings(machine=LINUX, docker=DOCKER, native=EMBEDDED)

    with pytest.raises(UsageError) as caught:
        choose_runtime(stack, around, wanted=wanted)

    assert other in caught.value.hint


@pytest.mark.parametrize(
    ("stack", "wanted", "docker", "message", "hint"),
    [
        (VLLM, "auto", None, "needs Docker, which does not work here: no daemon", "engine/install"),
        (VLLM, "docker", None, "needs Docker", "docs.docker.com/engine/install"),
        (MISTRAL, "auto", None, "needs Docker", "; or frontier stack build mistral"),
        (MISTRAL, "native", None, "is not installed", "frontier stack build mistral"),
        (
            MISTRAL,
            "native",
            DOCKER,
            "is not installed",
            "frontier stack build mistral; or frontier up mistral --runtime docker",
        ),
        (
            replace(LLAMACPP, runtimes=("native",)),
            "auto",
            DOCKER,
            "the engine of the stack 'llamacpp' is not installed",
            "install llama.cpp",
        ),
    ],
)
def test_a_stack_that_nothing_here_can_run_says_what_to_install(
    stack: Stack,
    wanted: Literal["auto", "native", "docker"],
    docker: DockerFacts | None,
    message: str,
    hint: str,
) -> None:
    around = Surroundings(machine=LINUX, docker=docker)

    with pytest.raises(RuntimeFailedError) as caught:
        choose_runtime(stack, around, wanted=wanted, docker_problem="" if docker else "no daemon")

    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 4


DESKTOP = replace(DOCKER, is_desktop=True)


def test_an_engine_on_the_host_behind_containers_can_be_asked_for() -> None:
    choice = choose_runtime(LLAMACPP, on(MAC, DESKTOP, EMBEDDED), wanted="hybrid")

    assert (choice.runtime, choice.engine) == ("hybrid", "native")


@pytest.mark.parametrize(
    ("docker", "native", "words"),
    [
        (DOCKER, EMBEDDED, "only with Docker Desktop"),
        (NONE, EMBEDDED, "needs Docker"),
        (DESKTOP, NONE, "is not installed"),
    ],
)
def test_what_an_engine_behind_containers_lacks_is_told(
    docker: DockerFacts | None, native: NativeEngine | None, words: str
) -> None:
    with pytest.raises((UsageError, RuntimeFailedError), match=words):
        choose_runtime(LLAMACPP, on(LINUX, docker, native), wanted="hybrid")
