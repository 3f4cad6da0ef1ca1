from dataclasses import replace
from pathlib import Path

import pytest

from frontier.domain.binary import Report, verify
from frontier.domain.build import MISTRAL, Recipe, Wish, accelerator_of, decide
from frontier.domain.errors import RefusedError, UsageError
from frontier.domain.machine import AppleChip, Cpu, Disk, Gpu, Machine, Memory
from frontier.domain.toolchain import Check, Toolchain, checks, oldest_toolkit, require, version

GIB = 1 << 30
APT = "apt install build-essential"
TOOLKIT = "apt install cuda-toolkit-12-8"
CPU = Cpu(model="x", physical=8, logical=8, usable=8, features=("avx2", "f16c", "fma"))
PLAIN = Machine(
    os="linux",
    os_version="Debian",
    arch="x86_64",
    cpu=CPU,
    memory=Memory(total_bytes=64 * GIB, available_bytes=60 * GIB),
    disk=Disk(path=Path("/d"), free_bytes=100 * GIB, total_bytes=200 * GIB),
)
OLD = replace(PLAIN, cpu=replace(CPU, features=()))
MAC = replace(
    PLAIN,
    os="macos",
    arch="arm64",
    apple=AppleChip(name="Apple M2 Max", gpu_cores=38, unified_memory_bytes=64 * GIB),
)
RUST = Toolchain(rustc="1.95.0", cargo="1.95.0", cargo_path="/c", compiler="c++ (Debian) 14.2.0")
CUDA = replace(RUST, nvcc="12.8", nvcc_folder="/usr/local/cuda/bin", driver_cuda="12.8")


def gpu(capability: str, name: str = "NVIDIA A") -> Gpu:
    return Gpu(vendor="nvidia", name=name, compute_capability=capability)


def with_gpus(*gpus: Gpu) -> Machine:
    return replace(PLAIN, gpus=gpus)


def features(machine: Machine, tools: Toolchain = CUDA, **wish: object) -> str:
    return " ".join(decide(Wish(**wish), machine, tools).features)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("machine", "tools", "expected"),
    [
        (PLAIN, RUST, ""),
        (MAC, RUST, "metal"),
        (replace(MAC, apple=None, arch="x86_64"), RUST, "accelerate"),
        (with_gpus(gpu("8.0")), CUDA, "cuda flash-attn"),
        (with_gpus(gpu("8.9")), replace(CUDA, has_cudnn=True), "cuda cudnn flash-attn"),
        (with_gpus(gpu("9.0")), CUDA, "cuda flash-attn-v3"),
        (with_gpus(gpu("9.0")), replace(CUDA, nvcc="12.2"), "cuda"),
        (with_gpus(gpu("12.0")), CUDA, "cuda"),
        (with_gpus(gpu("9.0"), gpu("8.6")), CUDA, "cuda flash-attn"),
        (with_gpus(Gpu(vendor="amd", name="MI300", compute_capability="gfx942")), RUST, ""),
    ],
)
def test_features_follow_from_the_hardware(
    machine: Machine, tools: Toolchain, expected: str
) -> None:
    assert features(machine, tools) == expected


def test_every_decision_carries_its_reason() -> None:
    tools = replace(CUDA, has_cudnn=True)

    reasons = decide(Wish(), with_gpus(gpu("8.9", "NVIDIA L4")), tools).reasons

    assert reasons == (
        "accelerator: cuda, because NVIDIA GPU: NVIDIA L4",
        "cuda: compute capability 8.9, the lowest of this machine's GPUs",
        "cudnn: its headers and library are installed",
        "flash-attn: Ampere or Ada (8.9)",
        "instructions: x86-64-v3, because the processor has avx2, fma, f16c",
    )


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (with_gpus(gpu("12.0")), "flash-attn: left out, it has no kernels for 12.0"),
        (PLAIN, "features: none, the portable kernels of the processor"),
        (replace(PLAIN, cpu=replace(CPU, features=("avx2",))),
         "slow: the processor has no f16c, fma"),
        (replace(PLAIN, memory=Memory(total_bytes=8 * GIB, available_bytes=5 * GIB)),
         "compilers at a time: 2, because memory holds no more"),
        (with_gpus(Gpu(vendor="amd", name="MI300")),
         "accelerator: cpu, because mistral.rs cannot use MI300: it has no ROCm support"),
    ],
)  # fmt: skip
def test_what_is_left_out_is_said(machine: Machine, reason: str) -> None:
    assert reason in decide(Wish(), machine, CUDA).reasons


@pytest.mark.parametrize(
    ("wish", "accelerator", "why"),
    [
        (Wish(accelerator="cpu", cuda=True), "cpu", "--accelerator cpu"),
        (Wish(cuda=True, setting="cpu"), "cuda", "ENABLE_CUDA=true"),
        (Wish(cuda=False), "cpu", "ENABLE_CUDA=false"),
        (Wish(setting="cpu"), "cpu", "ACCELERATOR=cpu"),
        (Wish(setting="cuda"), "cuda", "ACCELERATOR=cuda"),
        (Wish(features="nccl"), "cuda", "--features nccl"),
        (Wish(features="mkl,ring"), "cpu", "--features mkl,ring"),
    ],
)
def test_the_command_line_wins_over_settings_and_those_over_the_hardware(
    wish: Wish, accelerator: str, why: str
) -> None:
    assert accelerator_of(wish, with_gpus(gpu("8.0"))) == (accelerator, why)


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (Wish(metal=True), "ENABLE_METAL=true"),
        (Wish(setting="metal"), "ACCELERATOR=metal"),
        (Wish(features="metal"), "--features metal"),
    ],
)
def test_metal_can_be_asked_for_in_three_ways(wish: Wish, why: str) -> None:
    assert accelerator_of(wish, MAC) == ("metal", why)


def test_a_mac_can_be_told_to_stay_on_its_processor() -> None:
    assert accelerator_of(Wish(metal=False), MAC) == ("cpu", "ENABLE_METAL=false")
    assert features(MAC, RUST, metal=False) == "accelerate"


def test_features_of_the_command_line_are_taken_with_what_they_imply() -> None:
    assert features(with_gpus(gpu("8.0")), features="flash-attn cudnn") == "cuda cudnn flash-attn"


@pytest.mark.parametrize(
    ("wish", "machine", "message"),
    [
        (Wish(features="vulkan"), PLAIN, "mistral.rs 0.8.1 has no feature 'vulkan'"),
        (Wish(features="metal", accelerator="cpu"), MAC, "--accelerator cpu and --features metal"),
        (Wish(metal=True, cuda=True), PLAIN, "ENABLE_METAL and ENABLE_CUDA are both on"),
    ],
)
def test_a_wish_that_contradicts_itself_is_a_mistake(
    wish: Wish, machine: Machine, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        accelerator_of(wish, machine)

    assert caught.value.hint


@pytest.mark.parametrize(
    ("wish", "machine", "message"),
    [
        (Wish(), with_gpus(gpu("7.5")), "needs compute capability 8.0.*this machine has 7.5"),
        (Wish(), with_gpus(gpu("8.9"), gpu("6.1")), "this machine has 6.1"),
        (Wish(), with_gpus(gpu("")), "its driver tells no compute capability"),
        (Wish(accelerator="cuda"), PLAIN, "--accelerator cuda.*there is no NVIDIA GPU"),
        (Wish(metal=True), PLAIN, "ENABLE_METAL=true.*no Apple silicon"),
        (Wish(setting="rocm"), PLAIN, "no ROCm support"),
    ],
)
def test_hardware_that_is_not_there_is_refused_with_the_next_command(
    wish: Wish, machine: Machine, message: str
) -> None:
    with pytest.raises(RefusedError, match=message) as caught:
        accelerator_of(wish, machine)

    assert caught.value.hint.startswith("frontier stack build mistral --accelerator")


def test_equal_inputs_have_one_key_and_each_input_another() -> None:
    recipe = decide(Wish(), with_gpus(gpu("8.9")), CUDA)

    assert recipe.key == replace(recipe, jobs=1, reasons=("another",)).key
    others = [
        replace(recipe, version="0.8.2"),
        replace(recipe, features=()),
        replace(recipe, capability="8.0"),
        replace(recipe, toolkit="12.6"),
        replace(recipe, rustc="1.96.0"),
        replace(recipe, target="aarch64-unknown-linux-gnu"),
        replace(recipe, rustflags=""),
    ]
    assert len({recipe.key, *(other.key for other in others)}) == len(others) + 1


def test_build_scripts_learn_the_hardware_from_the_environment() -> None:
    small = replace(with_gpus(gpu("8.9")), memory=Memory(total_bytes=GIB, available_bytes=GIB))
    tools = replace(CUDA, rustflags="-C linker=clang")

    assert decide(Wish(), small, tools).env == {
        "CARGO_BUILD_JOBS": "1",
        "CUDA_COMPUTE_CAP": "89",
        "RUSTFLAGS": "-C linker=clang -C target-cpu=x86-64-v3",
    }


@pytest.mark.parametrize(
    ("machine", "given"),
    [(MAC, ""), (PLAIN, "-C target-cpu=native"), (OLD, "")],
)  # fmt: skip
def test_the_instruction_set_is_left_alone_where_it_is_right_given_or_missing(
    machine: Machine, given: str
) -> None:
    assert decide(Wish(), machine, replace(RUST, rustflags=given)).rustflags == given


def test_where_memory_is_unknown_cargo_decides_how_much_it_does_at_once() -> None:
    assert decide(Wish(), replace(PLAIN, memory=None), RUST).env.get("CARGO_BUILD_JOBS") is None


RECIPE = Recipe(version="0.8.1", accelerator="cuda", features=("cuda", "flash-attn", "nccl"))


@pytest.mark.parametrize(
    ("report", "problem"),
    [
        (Report(version="0.8.1", features=("cuda", "flash-attn")), ""),
        (Report(version="0.7.0"), "it says version 0.7.0, not 0.8.1"),
        (Report(version=""), "it says version ?, not 0.8.1"),
        (Report(version="0.8.1", features=("cuda",)), "it was compiled without flash-attn"),
        (Report(version="0.8.1", features=("cuda", "flash-attn"), problem="no GPU"), "no GPU"),
    ],
)
def test_what_was_compiled_is_compared_with_what_was_asked_for(
    report: Report, problem: str
) -> None:
    assert verify(RECIPE, report) == problem


@pytest.mark.parametrize("name", ["cuda", "metal", "cpu"])
def test_a_report_tells_what_a_program_computes_on(name: str) -> None:
    assert Report(version="1", features=(name, "mkl")).accelerator == name


def found(
    tools: Toolchain = RUST,
    machine: Machine = PLAIN,
    accelerator: str = "cpu",
    capability: str = "",
) -> dict[str, Check]:
    every = checks(
        tools, machine, accelerator=accelerator, rust=MISTRAL.rust, capability=capability
    )
    return {check.name: check for check in every if not check.is_met}


def test_a_machine_with_all_it_needs_meets_every_check() -> None:
    assert found() == {}
    assert found(replace(RUST, metal="/x/metal"), MAC, "metal") == {}
    assert found(CUDA, with_gpus(gpu("8.9")), "cuda", "8.9") == {}


@pytest.mark.parametrize(
    ("tools", "machine", "accelerator", "name", "seen", "mend"),
    [
        (replace(RUST, rustc="1.87.0"), PLAIN, "cpu", "rustc", "1.87.0", "rustup update stable"),
        (replace(RUST, rustc=""), PLAIN, "cpu", "rustc", "not found", "curl --proto"),
        (replace(RUST, cargo="", problems=(("cargo", "exit code 1: no toolchain"),)), PLAIN, "cpu",
         "cargo", "exit code 1: no toolchain", "curl --proto"),
        (replace(RUST, compiler=""), PLAIN, "cpu", "c++", "not found", APT),
        (replace(RUST, compiler=""), MAC, "cpu", "c++", "not found", "xcode-select --install"),
        (RUST, MAC, "metal", "metal", "not found", "xcodebuild -downloadComponent"),
        (RUST, PLAIN, "cuda", "nvcc", "not found", TOOLKIT),
        (replace(CUDA, nvcc="11.5"), PLAIN, "cuda", "nvcc", "11.5", TOOLKIT),
        (replace(CUDA, nvcc="13.3", driver_cuda="13.3"), PLAIN, "cuda", "nvcc", "13.3", "apt"),
        (replace(CUDA, nvcc="13.0"), PLAIN, "cuda", "NVIDIA driver", "CUDA 12.8", "cuda-drivers"),
        (RUST, replace(PLAIN, disk=Disk(path=Path("/d"), free_bytes=GIB, total_bytes=GIB)), "cpu",
         "disk", "1.0 GiB free at /d", "frontier models list"),
        (RUST, replace(PLAIN, memory=Memory(total_bytes=GIB, available_bytes=GIB)), "cpu",
         "memory", "1.0 GiB available", "frontier down"),
    ],
)  # fmt: skip
def test_a_missing_prerequisite_says_what_was_seen_and_what_mends_it(  # noqa: PLR0917 a table
    tools: Toolchain, machine: Machine, accelerator: str, name: str, seen: str, mend: str
) -> None:
    check = found(tools, machine, accelerator, "8.9")[name]

    assert check.seen == seen
    assert mend in check.mend
    assert check.needed in str(check)


def test_what_cannot_be_read_stops_no_build() -> None:
    assert found(RUST, replace(PLAIN, disk=None, memory=None)) == {}


@pytest.mark.parametrize(
    ("capability", "toolkit"),
    [("7.5", (11, 4)), ("8.6", (11, 4)), ("8.9", (11, 8)), ("9.0", (11, 8)), ("10.0", (12, 8)),
     ("10.3", (12, 9)), ("12.0", (12, 8)), ("12.1", (12, 9)), ("", (11, 4))],
)  # fmt: skip
def test_newer_gpus_need_newer_toolkits(capability: str, toolkit: tuple[int, int]) -> None:
    assert oldest_toolkit(capability) == toolkit


def test_all_that_is_missing_is_told_at_once() -> None:
    missing = checks(Toolchain(), PLAIN, accelerator="cpu", rust="1.88")

    with pytest.raises(
        RefusedError, match="mistral cannot be built here: rustc, cargo, c\\+\\+"
    ) as e:
        require("mistral", missing)

    assert e.value.hint.startswith("curl --proto")
    assert e.value.details.count("\n") == 2
    assert "c++: not found, needs a C and C++ compiler with its linker: sudo apt" in e.value.details


def test_nothing_missing_is_no_error() -> None:
    require("mistral", checks(RUST, PLAIN, accelerator="cpu", rust="1.88"))


@pytest.mark.parametrize(
    ("text", "numbers"), [("1.88", (1, 88)), ("V12.8.61", (12, 8, 61)), ("", ()), ("nightly", ())]
)
def test_versions_are_numbers(text: str, numbers: tuple[int, ...]) -> None:
    assert version(text) == numbers
