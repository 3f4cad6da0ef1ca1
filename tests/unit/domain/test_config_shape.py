"""Configurations of the hub, cut to what matters, and what their models keep of a token."""

from typing import Any

import pytest

from frontier.domain.config_shape import shape_of
from frontier.domain.shape import Cache

QWEN3_4B = {
    "num_hidden_layers": 36,
    "hidden_size": 2560,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "intermediate_size": 9728,
    "sliding_window": None,
    "use_sliding_window": False,
}
GPT_OSS_20B = {
    "num_hidden_layers": 24,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "sliding_window": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 12,
    "num_experts_per_tok": 4,
    "intermediate_size": 2880,
}
DEEPSEEK_V3 = {
    "num_hidden_layers": 61,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
}
QWEN35_9B = {
    "text_config": {
        "num_hidden_layers": 32,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "full_attention_interval": 4,
        "linear_num_key_heads": 16,
        "linear_key_head_dim": 128,
        "linear_num_value_heads": 32,
        "linear_value_head_dim": 128,
        "linear_conv_kernel_dim": 4,
    }
}
GEMMA_3N = {
    "text_config": {
        "num_hidden_layers": 30,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 256,
        "sliding_window": 512,
        "layer_types": (["sliding_attention"] * 4 + ["full_attention"]) * 6,
        "num_kv_shared_layers": 10,
    }
}


@pytest.mark.parametrize(
    ("config", "caches"),
    [
        pytest.param(QWEN3_4B, [Cache(layers=36, elements=2048)], id="Qwen3-4B"),
        pytest.param(
            GPT_OSS_20B,
            [Cache(layers=12, elements=1024), Cache(layers=12, elements=1024, window=128)],
            id="gpt-oss-20b",
        ),
        pytest.param(DEEPSEEK_V3, [Cache(layers=61, elements=576)], id="DeepSeek-V3"),
        pytest.param(QWEN35_9B, [Cache(layers=8, elements=2048)], id="Qwen3.5-9B"),
        pytest.param(
            GEMMA_3N,
            [Cache(layers=4, elements=1024), Cache(layers=16, elements=1024, window=512)],
            id="layers that share a cache",
        ),
    ],
)
def test_what_a_model_keeps_of_a_token(config: dict[str, Any], caches: list[Cache]) -> None:
    shape = shape_of(config)
    assert shape is not None
    assert list(shape.caches) == caches


def test_the_rest_of_the_shape_is_read() -> None:
    shape = shape_of(QWEN3_4B)
    assert shape is not None
    assert (shape.context, shape.width, shape.vocabulary) == (40960, 2560, 151936)
    assert (shape.heads, shape.inner, shape.layers) == (32, 9728, 36)


def test_linear_layers_keep_a_state() -> None:
    shape = shape_of(QWEN35_9B)
    assert shape is not None
    # a convolution of three tokens over keys and values, and a matrix for each head
    assert shape.state_bytes == 24 * 4 * (3 * (2 * 2048 + 4096) + 4096 * 128)


def test_a_configuration_without_layers_gives_nothing() -> None:
    assert shape_of({}) is None
    assert shape_of({"num_hidden_layers": "many"}) is None
