"""Where engines compute, from what they print: see tests/fixtures/compute/README.md."""

import json
from pathlib import Path

import pytest

from frontier.domain.offload import (
    Compute,
    from_log,
    from_mistral_info,
    from_ollama_ps,
    listed_devices,
)

FIXTURES = Path(__file__).parents[2] / "fixtures" / "compute"


def said(name: str) -> list[str]:
    return (FIXTURES / name).read_text().splitlines()


def proof(name: str) -> Compute:
    found = from_log(name.partition("-")[0], said(name))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "cell", "evidence"),
    [
        (
            "llamacpp-cpu.log",
            "CPU",
            "load_tensors:   CPU_Mapped model buffer size =    92.10 MiB",
        ),
        (
            "llamacpp-cpu-debian.log",
            "CPU",
            "load_tensors:   CPU_Mapped model buffer size =    92.10 MiB",
        ),
        (
            "llamacpp-cuda.log",
            "CUDA0 (NVIDIA L4), 33/33 layers",
            "load_tensors: offloaded 33/33 layers to GPU",
        ),
        (
            "llamacpp-partial.log",
            "CUDA0 (NVIDIA L4), 10/33 layers",
            "load_tensors: offloaded 10/33 layers to GPU",
        ),
        ("llamacpp-none.log", "CPU", "load_tensors: offloaded 0/33 layers to GPU"),
        (
            "llamacpp-two-gpus.log",
            "CUDA0 (NVIDIA GeForce RTX 3090), CUDA1 (NVIDIA GeForce RTX 3090), 81/81 layers",
            "load_tensors: offloaded 81/81 layers to GPU",
        ),
        (
            "llamacpp-metal.log",
            "MTL0 (Apple M2 Max), 33/33 layers",
            "load_tensors: offloaded 33/33 layers to GPU",
        ),
        (
            "llamacpp-rocm.log",
            "ROCm0 (AMD Radeon RX 7900 XTX (gfx1100)), 33/33 layers",
            "load_tensors: offloaded 33/33 layers to GPU",
        ),
        (
            "ollama-cuda.log",
            "CUDA0 (NVIDIA L4), 33/33 layers",
            "load_tensors: offloaded 33/33 layers to GPU",
        ),
        ("vllm-cpu.log", "CPU", "device_config=cpu"),
        (
            "vllm-cuda.log",
            "CUDA",
            "device_config=cuda, Model loading took 7.56 GiB",
        ),
        ("mistral-cpu.log", "CPU", "Layers 0-29: cpu (24 GB)"),
        ("mistral-cuda.log", "cuda[0], 32/32 layers", "Layers 0-31: cuda[0] (23 GB)"),
        (
            "mistral-partial.log",
            "cuda[0], 10/32 layers",
            "Layers 0-9: cuda[0] (8 GB); Layers 10-31: cpu (31 GB)",
        ),
    ],
)
def test_each_engine_tells_where_it_computes_in_its_own_words(
    name: str, cell: str, evidence: str
) -> None:
    found = proof(name)

    assert str(found) == cell
    assert found.evidence.startswith(evidence)
    assert found.source == "log"


@pytest.mark.parametrize(
    ("name", "is_gpu", "is_partial"),
    [
        ("llamacpp-cuda.log", True, False),
        ("llamacpp-partial.log", True, True),
        ("llamacpp-none.log", False, False),
        ("llamacpp-cpu.log", False, False),
        ("mistral-partial.log", True, True),
        ("vllm-cuda.log", True, False),
    ],
)
def test_a_part_on_the_gpu_is_neither_all_nor_nothing(
    name: str, is_gpu: bool, is_partial: bool
) -> None:
    found = proof(name)

    assert (found.is_gpu, found.is_partial) == (is_gpu, is_partial)


def test_the_weights_in_the_memory_of_all_gpus_are_added_up() -> None:
    assert proof("llamacpp-two-gpus.log").vram_bytes == int((20038.81 + 19940.67) * 2**20)
    assert proof("vllm-cuda.log").vram_bytes == int(7.56 * 2**30)
    assert proof("llamacpp-cpu.log").vram_bytes is None


def test_the_last_start_counts() -> None:
    gpu, cpu = said("llamacpp-cuda.log"), said("llamacpp-cpu.log")

    assert str(from_log("llamacpp", [*gpu, *cpu])) == "CPU"
    assert str(from_log("llamacpp", [*cpu, *gpu])) == "CUDA0 (NVIDIA L4), 33/33 layers"


def test_a_start_that_tells_nothing_does_not_inherit_from_the_one_before() -> None:
    lines = [*said("llamacpp-cuda.log"), *said("llamacpp-quiet.log")]

    assert from_log("llamacpp", lines) is None


@pytest.mark.parametrize("backend", ["llamacpp", "mistral", "ollama", "vllm", "openai"])
def test_a_log_that_tells_nothing_proves_nothing(backend: str) -> None:
    assert from_log(backend, []) is None
    assert from_log(backend, ["", "listening on http://127.0.0.1:1"]) is None


def test_colours_of_a_terminal_do_not_hide_the_line() -> None:
    lines = [f"\x1b[34m{line}\x1b[0m" for line in said("llamacpp-cuda.log")]

    assert str(from_log("llamacpp", lines)) == "CUDA0 (NVIDIA L4), 33/33 layers"


def test_a_log_whose_beginning_was_rotated_away_still_tells_the_device() -> None:
    lines = [line for line in said("llamacpp-cuda.log") if "offloaded" not in line][4:]

    found = from_log("llamacpp", lines)

    assert found is not None
    assert str(found) == "CUDA0"
    assert found.evidence == "load_tensors:        CUDA0 model buffer size =  4403.49 MiB"


def test_ollama_without_a_loaded_model_tells_what_it_found() -> None:
    assert str(proof("ollama-idle.log")) == "CUDA0 (NVIDIA L4)"
    assert str(proof("ollama-cpu.log")) == "CPU"


def test_ollamas_later_start_counts_even_where_the_earlier_one_had_a_model_loaded() -> None:
    lines = [*said("ollama-cuda.log"), *said("ollama-cpu.log")]

    assert str(from_log("ollama", lines)) == "CPU"


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("ollama-ps-gpu.json", "GPU"),
        ("ollama-ps-partial.json", "GPU, 2.1 GiB of 5.3 GiB"),
        ("ollama-ps-cpu.json", "CPU"),
    ],
)
def test_ollamas_list_of_loaded_models_tells_how_much_the_gpu_holds(name: str, cell: str) -> None:
    found = from_ollama_ps(json.loads((FIXTURES / name).read_text()))

    assert found is not None
    assert str(found) == cell
    assert '"name": "llama3.1:8b"' in found.evidence


def test_ollama_that_has_loaded_nothing_proves_nothing() -> None:
    assert from_ollama_ps(json.loads((FIXTURES / "ollama-ps-idle.json").read_text())) is None
    assert from_ollama_ps({}) is None


def test_a_mistral_built_for_the_processor_alone_computes_there() -> None:
    found = from_mistral_info(json.loads((FIXTURES / "mistral-info-cpu.json").read_text()))

    assert found == Compute(
        device="CPU", source="api", evidence='build {"cuda": false, "metal": false}'
    )


def test_a_mistral_built_for_a_gpu_has_proved_nothing_yet() -> None:
    assert from_mistral_info(json.loads((FIXTURES / "mistral-info-cuda.json").read_text())) is None
    assert from_mistral_info({}) is None


@pytest.mark.parametrize(
    ("name", "devices"),
    [("devices-cuda.txt", ("CUDA0",)), ("devices-metal.txt", ("MTL0",)), ("devices-none.txt", ())],
)
def test_the_devices_that_a_llama_server_lists(name: str, devices: tuple[str, ...]) -> None:
    assert listed_devices((FIXTURES / name).read_text()) == devices
    assert listed_devices("error: unknown argument: --list-devices\n  CUDA0: x (1 MiB)") == ()
