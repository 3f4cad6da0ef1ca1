"""Headers of files, and what their models keep of a token."""

from pathlib import Path

import pytest

from fake_index import gguf
from frontier.adapters.gguf import read_header
from frontier.domain.shape import Cache, Shape


def shape(tmp_path: Path, kind: str = "llama", **fields: object) -> Shape:
    named = {f"{kind}.{name.replace('__', '.')}": value for name, value in fields.items()}
    common = {
        "general.architecture": kind,
        f"{kind}.context_length": 2048,
        f"{kind}.embedding_length": 64,
        f"{kind}.attention.head_count": 4,
    }
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf(4096, **common, **named))
    found = read_header(path).shape
    assert found is not None
    return found


def test_heads_that_differ_by_layer_are_counted_by_layer(tmp_path: Path) -> None:
    found = shape(tmp_path, block_count=4, attention__head_count_kv=[2, 2, 4, 0])
    assert set(found.caches) == {Cache(layers=2, elements=64), Cache(layers=1, elements=128)}


@pytest.mark.parametrize(
    ("kind", "more", "full", "sliding"),
    [
        ("gemma3", {}, 2, 10),
        ("gpt-oss", {}, 6, 6),
        ("gemma2", {}, 6, 6),
        ("any", {"attention__sliding_window_pattern": 4}, 3, 9),
        ("any", {"attention__sliding_window_pattern": [1] * 11 + [0]}, 1, 11),
        ("llama", {}, 12, 0),  # it ignores its window
    ],
)
def test_windows_are_where_the_architecture_has_them(
    tmp_path: Path, kind: str, more: dict[str, object], full: int, sliding: int
) -> None:
    found = shape(
        tmp_path,
        kind,
        block_count=12,
        attention__head_count_kv=2,
        attention__sliding_window=512,
        **more,
    )
    layers = {cache.window: cache.layers for cache in found.caches}
    assert (layers.get(0, 0), layers.get(512, 0)) == (full, sliding)


def test_a_latent_vector_has_no_values(tmp_path: Path) -> None:
    found = shape(
        tmp_path,
        "deepseek2",
        block_count=3,
        attention__head_count_kv=1,
        attention__kv_lora_rank=512,
        attention__key_length=576,
        attention__value_length=512,
        attention__key_length_mla=192,
    )
    assert found.caches == (Cache(layers=3, elements=576),)


def test_linear_layers_keep_a_state_and_no_cache(tmp_path: Path) -> None:
    found = shape(
        tmp_path,
        "qwen35",
        block_count=8,
        attention__head_count_kv=2,
        full_attention_interval=4,
        ssm__conv_kernel=4,
        ssm__inner_size=4096,
        ssm__state_size=128,
        ssm__group_count=16,
    )
    assert found.caches == (Cache(layers=2, elements=64),)
    assert found.state_bytes == 6 * 4 * (3 * (4096 + 2 * 16 * 128) + 128 * 4096)


def test_layers_that_share_a_cache_have_none(tmp_path: Path) -> None:
    found = shape(
        tmp_path, block_count=10, attention__head_count_kv=2, attention__shared_kv_layers=4
    )
    assert found.caches == (Cache(layers=6, elements=64),)


def test_experts_that_compute_make_a_layer_wide(tmp_path: Path) -> None:
    found = shape(
        tmp_path,
        "qwen3moe",
        block_count=2,
        expert_used_count=8,
        expert_feed_forward_length=768,
        feed_forward_length=6144,
    )
    assert found.inner == 8 * 768


def test_a_file_that_claims_a_million_layers_has_no_shape(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf(4096, **{"llama.block_count": 1_000_000}))
    assert read_header(path).shape is None


def test_tensors_are_weighed(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf(4096))
    weights = read_header(path).weights
    assert weights is not None
    assert weights.total_bytes == weights.input_bytes == 64 * 3 * 4
