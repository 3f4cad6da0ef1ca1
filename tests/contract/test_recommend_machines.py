"""Every machine that was described gets what the rules of sizing call for."""

from pathlib import Path

import pytest

import machines
from frontier.adapters.catalog import PackagedCatalog
from frontier.domain.catalog import choose
from frontier.domain.recommend import Recommendation
from frontier.usecases.recommend import recommend
from placed import every_stack, place_on

GIB = 2**30

WITH_DOCKER = {
    # fewer than two CPUs: what reads half a gigabyte for a token and core
    "container-cgroup2": "llamacpp native cpu qwen3.5:0.8b-q8_0 Q8_0",
    # 112 GiB for processor and GPU, of which 273 GB/s read 27 GB ten times a second
    "dgx-spark": "llamacpp docker cuda gemma4:31b Q4_K_M",
    # the processor: experts, of which few compute
    "laptop-nvidia-without-driver": "llamacpp native cpu gemma4:26b Q4_K_M",
    "linux-arc-b580": "llamacpp native cpu qwen3.6:35b UD-Q4_K_M",
    # its driver runs CUDA 12 only, as Ollama has it; others hold memory that vLLM would want
    "linux-8xh100": "ollama docker cuda devstral-2:123b ",
    "linux-a100-mig": "ollama docker cuda gemma4:31b ",
    # 40 GiB or more on one GPU that is free: many at once
    "linux-h200": "vllm docker cuda gemma4:31b BF16",
    "linux-mi300x": "vllm docker rocm gemma4:31b BF16",
    # 24 GB: the largest with 16,384 tokens of context or more
    "linux-rtx4090": "llamacpp docker cuda qwen3.6:27b Q4_K_M",
    "wsl2-rtx4090": "llamacpp docker cuda qwen3.6:27b Q4_K_M",
    "linux-rx7900xtx-kernel-only": "llamacpp docker rocm qwen3.6:27b Q4_K_M",
    "linux-strix-halo": "llamacpp docker rocm gemma4:31b Q4_K_M",
    # Metal is outside of containers; twice the bits where half of the memory stays free
    "mac-studio-m2-ultra": "llamacpp native metal gemma4:31b-q8_0 Q8_0",
    "mac-studio-m3-ultra-256": "llamacpp native metal gemma4:31b-q8_0 Q8_0",
    "mac-studio-m3-ultra-512": "llamacpp native metal gemma4:31b-q8_0 Q8_0",
    "small-vm": "llamacpp native cpu smollm2:135m-q8_0 Q8_0",
}


def recommended(name: str, root: Path, *, has_docker: bool) -> tuple[Recommendation, ...]:
    machine = machines.seen(name, root)
    place = place_on(machine, has_docker=has_docker)
    return recommend(machine, catalog=PackagedCatalog(), stacks=every_stack(), place=place)


def test_every_machine_is_in_the_table() -> None:
    assert set(WITH_DOCKER) == set(machines.NAMES)


@pytest.mark.parametrize("name", machines.NAMES)
def test_a_machine_gets_what_the_rules_call_for(name: str, tmp_path: Path) -> None:
    best, *others = recommended(name, tmp_path, has_docker=True)

    said = f"{best.stack} {best.runtime} {best.accelerator} {best.model} {best.quantisation}"
    assert said == WITH_DOCKER[name]
    assert all(r.needed_bytes <= r.free_bytes for r in (best, *others))
    assert len(others) >= 2 or best.free_bytes < GIB


@pytest.mark.parametrize("name", machines.NAMES)
def test_without_docker_the_embedded_engine_is_what_there_is(name: str, tmp_path: Path) -> None:
    found = recommended(name, tmp_path, has_docker=False)

    accelerator = "metal" if name.startswith("mac") else "cpu"
    assert {(r.stack, r.runtime, r.accelerator) for r in found} == {
        ("llamacpp", "native", accelerator)
    }


@pytest.mark.parametrize("name", machines.NAMES)
def test_what_is_recommended_can_be_had(name: str, tmp_path: Path) -> None:
    entries = PackagedCatalog().entries
    for one in recommended(name, tmp_path, has_docker=True):
        entry = entries[one.entry]
        assert not entry.gated
        assert not entry.embedding
        if one.stack == "llamacpp":
            chosen = choose(one.model, entries)
            assert chosen is not None
            assert chosen.file is not None
            assert chosen.file.name == one.quantisation


def test_the_first_three_are_three_families(tmp_path: Path) -> None:
    first = recommended("linux-rtx4090", tmp_path, has_docker=True)[:3]
    assert len({one.family for one in first}) == 3
