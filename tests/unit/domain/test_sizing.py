"""Memory in bytes: the rules one by one, against figures that others have published."""

from dataclasses import replace

import pytest

from frontier.domain.shape import Cache, Shape, Weights
from frontier.domain.sizing import (
    KvType,
    Load,
    estimate,
    kv_bytes,
    most_context,
    offloadable_layers,
    repacked_bytes,
)

GIB = 2**30
MIB = 2**20
WEIGHTS = Weights(total_bytes=4 * GIB, input_bytes=GIB // 2, output_bytes=GIB // 2)
SHAPE = Shape(
    context=32768,
    layers=36,
    width=2560,
    vocabulary=151_936,
    heads=32,
    caches=(Cache(layers=36, elements=8 * 256),),
)


@pytest.mark.parametrize(
    ("layers", "elements", "bytes_per_token"),
    [
        pytest.param(36, 8 * 256, 147_456, id="Qwen3-4B"),
        pytest.param(28, 8 * 256, 114_688, id="Llama-3.2-3B"),
        pytest.param(8, 4 * 512, 32_768, id="Qwen3.5-9B"),
        pytest.param(16, 4 * 512, 65_536, id="Qwen3.5-27B"),
        pytest.param(12, 8 * 128, 24_576, id="gpt-oss-20b, its layers without a window"),
        pytest.param(40, 8 * 256, 163_840, id="Devstral-24B"),
        pytest.param(61, 512 + 64, 70_272, id="DeepSeek-V3, latent"),
    ],
)
def test_a_token_takes_what_the_models_makers_say(
    layers: int, elements: int, bytes_per_token: int
) -> None:
    shape = Shape(caches=(Cache(layers=layers, elements=elements),))
    assert kv_bytes(shape, Load(context=1024)) == 1024 * bytes_per_token


@pytest.mark.parametrize(("kind", "share"), [("f16", 1.0), ("q8_0", 17 / 32), ("q4_0", 9 / 32)])
def test_fewer_bits_take_less_of_the_cache(kind: KvType, share: float) -> None:
    whole = kv_bytes(SHAPE, Load(context=4096))
    assert kv_bytes(SHAPE, Load(context=4096, kv_type=kind)) == whole * share


def test_a_layer_with_a_window_keeps_no_more_than_it_and_a_batch() -> None:
    slides = Shape(caches=(Cache(layers=1, elements=1, window=1024),))
    assert kv_bytes(slides, Load(context=131_072)) == 2 * (1024 + 512)
    assert kv_bytes(slides, Load(context=512)) == 2 * 512


def test_slots_add_up_and_each_has_a_state() -> None:
    shape = Shape(caches=(Cache(layers=1, elements=1),), state_bytes=1000)
    assert kv_bytes(shape, Load(context=1024, parallel=3)) == 3 * (2 * 1024 + 1000)


def test_a_large_vocabulary_costs_buffers() -> None:
    small = estimate("llamacpp", "cpu", WEIGHTS, replace(SHAPE, vocabulary=0), Load())
    large = estimate("llamacpp", "cpu", WEIGHTS, SHAPE, Load())
    assert large.compute_bytes - small.compute_bytes > 0.9 * 151_936 * 512 * 4


def test_without_flash_attention_scores_take_a_matrix() -> None:
    plain = estimate("llamacpp", "cpu", WEIGHTS, SHAPE, Load(has_flash=False))
    flash = estimate("llamacpp", "cpu", WEIGHTS, SHAPE, Load())
    assert plain.compute_bytes - flash.compute_bytes == 32 * 4096 * 512 * 4


def test_on_a_gpu_the_table_of_tokens_and_the_process_stay_in_main_memory() -> None:
    found = estimate("llamacpp", "cuda", WEIGHTS, SHAPE, Load())
    assert found.weights_bytes == WEIGHTS.total_bytes - WEIGHTS.input_bytes
    assert found.host_bytes > WEIGHTS.input_bytes + 151_936 * 512 * 4
    assert found.prompts_bytes == Load().prompts_bytes
    assert found.engine_bytes == 512 * MIB


def test_a_mac_has_one_memory_for_both() -> None:
    found = estimate("llamacpp", "metal", WEIGHTS, SHAPE, Load())
    assert found.host_bytes == 0
    assert found.weights_bytes == WEIGHTS.total_bytes


def test_vllm_takes_at_least_what_gpustack_counts() -> None:
    found = estimate("vllm", "cuda", WEIGHTS, SHAPE, Load())
    kv = 36 * 2048 * 2 * 4096
    assert found.needed_bytes == round(WEIGHTS.total_bytes * 1.2) + 2 * GIB + kv


def test_vllm_without_a_gpu_takes_the_cache_that_was_set() -> None:
    assert estimate("vllm", "cpu", WEIGHTS, SHAPE, Load()).kv_bytes == 4 * GIB


def test_ollama_takes_a_server_more_than_llama_cpp() -> None:
    ollama = estimate("ollama", "cpu", WEIGHTS, SHAPE, Load())
    llama = estimate("llamacpp", "cpu", WEIGHTS, SHAPE, Load())
    assert ollama.needed_bytes - llama.needed_bytes == 96 * MIB


def test_weights_in_another_order_are_resident_but_not_needed() -> None:
    weights = replace(WEIGHTS, matrix_bytes={"Q4_K": 3 * GIB, "Q6_K": GIB})
    assert repacked_bytes(weights, {"avx2"}) == 3 * GIB
    assert repacked_bytes(weights, {"asimddp"}) == 4 * GIB
    assert repacked_bytes(weights, ()) == 0
    found = estimate("llamacpp", "cpu", weights, SHAPE, Load(), features={"avx2"})
    assert found.mapped_bytes == 3 * GIB
    assert found.resident_bytes == found.needed_bytes + 3 * GIB + found.prompts_bytes


def test_a_gpu_holds_as_many_layers_as_there_is_room_for() -> None:
    found = estimate("llamacpp", "cuda", WEIGHTS, SHAPE, Load())
    fixed = found.compute_bytes + found.engine_bytes
    per_layer = (WEIGHTS.layer_bytes + found.kv_bytes) / 36

    def layers(free: float) -> int:
        return offloadable_layers(found, WEIGHTS, SHAPE, int(free))

    assert layers(found.needed_bytes) == 37
    assert layers(fixed + 10.5 * per_layer) == 10
    assert layers(fixed) == 0
    assert layers(0) == 0


def test_the_longest_context_that_fits_is_found() -> None:
    assert most_context(lambda n: n <= 40_000, 131_072) == 39 * 1024
    assert most_context(lambda _: True, 8192) == 8192
    assert most_context(lambda _: False, 8192) == 0
