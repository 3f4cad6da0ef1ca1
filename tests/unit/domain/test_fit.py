"""Devices of machines, and models on them."""

from dataclasses import replace
from pathlib import Path

import pytest

import machines
from frontier.domain.errors import DoesNotFitError
from frontier.domain.fit import Device, device_of, devices, judge, prompt_warning, require
from frontier.domain.machine import Cpu, Gpu, Machine, Memory, MigDevice
from frontier.domain.shape import Cache, Shape, Weights
from frontier.domain.sizing import Load

GIB = 2**30
SHAPE = Shape(layers=40, vocabulary=32_000, width=4096, caches=(Cache(layers=40, elements=2048),))
BIG = Weights(total_bytes=30 * GIB)


def gpu_machine(*gpus: Gpu, memory: int = 64) -> Machine:
    return Machine(
        os="linux",
        os_version="",
        arch="x86_64",
        cpu=Cpu(model="", physical=8, logical=8, usable=8),
        memory=Memory(total_bytes=memory * GIB, available_bytes=memory * GIB),
        disk=None,
        gpus=gpus,
    )


L4 = Gpu(
    vendor="nvidia",
    name="NVIDIA L4",
    memory_total_bytes=22 * GIB,
    memory_free_bytes=22 * GIB,
    compute_capability="8.9",
)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("small-vm", ["cpu"]),
        ("linux-rtx4090", ["cuda", "cpu"]),
        ("linux-8xh100", ["cuda", "cuda", "cpu"]),
        ("linux-mi300x", ["rocm", "rocm", "cpu"]),
        ("mac-studio-m2-ultra", ["metal", "cpu"]),
        ("dgx-spark", ["cuda", "cpu"]),
        ("linux-strix-halo", ["rocm", "cpu"]),
        ("laptop-nvidia-without-driver", ["cpu"]),
    ],
)
def test_a_machine_has_these_devices(name: str, seen: list[str], tmp_path: Path) -> None:
    found = devices(machines.seen(name, tmp_path))
    assert [device.accelerator for device in found] == seen


def test_metal_gets_no_more_than_macos_grants_and_three_quarters(tmp_path: Path) -> None:
    machine = machines.seen("mac-studio-m3-ultra-256", tmp_path)
    metal = devices(machine)[0]
    assert metal.total_bytes == 0.75 * 256 * GIB
    assert metal.free_bytes <= metal.total_bytes


def test_of_a_parted_gpu_the_largest_part_counts() -> None:
    parts = tuple(MigDevice(memory_total_bytes=n * GIB) for n in (10, 20, 5))
    parted = Gpu(vendor="nvidia", name="A100", memory_total_bytes=40 * GIB, is_mig=True, mig=parts)
    assert devices(gpu_machine(parted))[0].total_bytes == 20 * GIB


def test_llama_cpp_spreads_over_all_gpus_and_vllm_takes_one() -> None:
    two = gpu_machine(L4, L4)
    llama, vllm = (device_of(two, "cuda", engine=engine) for engine in ("llamacpp", "vllm"))
    assert llama is not None
    assert vllm is not None
    assert (llama.gpus, vllm.gpus) == (2, 1)


def test_a_gpu_whose_engine_gives_way_counts_as_empty() -> None:
    used = Gpu(vendor="nvidia", name="L4", memory_total_bytes=22 * GIB, memory_free_bytes=2 * GIB)
    found = devices(gpu_machine(used), held_bytes=1)
    assert found[0].free_bytes == 22 * GIB


def test_what_is_too_large_for_the_gpu_goes_there_in_part() -> None:
    device = devices(gpu_machine(L4))[0]

    found = judge("llamacpp", device, BIG, SHAPE, Load())

    assert found.status == "partly"
    assert found.gpu_layers is not None
    assert 20 < found.gpu_layers < 30
    assert found.host_needed_bytes > (40 - found.gpu_layers) / 40 * 30 * GIB
    require("m", found)


def test_a_part_that_main_memory_cannot_hold_is_refused() -> None:
    device = devices(gpu_machine(L4, memory=8))[0]

    found = judge("llamacpp", device, BIG, SHAPE, Load())

    assert found.status == "no"
    with pytest.raises(DoesNotFitError, match="main memory beside the GPU"):
        require("m", found)


def test_vllm_has_no_part_and_wants_its_whole_share_free() -> None:
    free = Device(
        name="L4",
        accelerator="cuda",
        total_bytes=22 * GIB,
        free_bytes=22 * GIB,
        host_free_bytes=64 * GIB,
        gpus=1,
    )
    small = Weights(total_bytes=8 * GIB)
    assert judge("vllm", free, small, SHAPE, Load()).status == "fits"
    assert judge("vllm", free, BIG, SHAPE, Load()).status == "no"
    used = Device(
        name="L4",
        accelerator="cuda",
        total_bytes=22 * GIB,
        free_bytes=20 * GIB,
        host_free_bytes=64 * GIB,
        gpus=1,
    )
    assert judge("vllm", used, small, SHAPE, Load()).status == "no"


def test_a_prompt_cache_that_has_no_room_is_told_with_what_to_set() -> None:
    tight = Memory(total_bytes=GIB, available_bytes=GIB // 2)
    device = devices(replace(gpu_machine(), memory=tight))[0]
    weights = Weights(total_bytes=GIB // 4)

    found = judge("llamacpp", device, weights, Shape(), Load())

    assert found.status == "fits"
    assert "frontier config set CACHE_SIZE 220" in prompt_warning(found)
    assert prompt_warning(judge("llamacpp", device, weights, Shape(), Load(prompts_bytes=0))) == ""
