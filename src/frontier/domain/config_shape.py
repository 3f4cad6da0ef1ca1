"""The shape of a model as its ``config.json`` on the hub tells it; pure.

Source: transformers, ``configuration_utils.py`` and the configurations of the models.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from frontier.domain.shape import Cache, Shape

_SLIDING: Final = ("sliding_attention", "chunked_attention")
_LINEAR: Final = ("linear_attention", "mamba", "conv", "recurrent")
_F32: Final = 4


def shape_of(config: Mapping[str, Any]) -> Shape | None:
    """Return the shape, None where *config* does not tell how many layers there are.

    Args:
        config: The document; what a multimodal model says of its text counts.
    """
    text: Mapping[str, Any] = config.get("text_config") or config
    layers = _number(text, "num_hidden_layers") or _number(text, "n_layer")
    if not layers:
        return None
    experts = _number(text, "num_experts_per_tok")
    inner = _number(text, "moe_intermediate_size") * experts or _number(text, "intermediate_size")
    return Shape(
        context=_number(text, "max_position_embeddings") or _number(text, "n_positions"),
        layers=layers,
        width=_number(text, "hidden_size") or _number(text, "n_embd"),
        vocabulary=_number(text, "vocab_size") or _number(config, "vocab_size"),
        heads=_number(text, "num_attention_heads") or _number(text, "n_head"),
        inner=inner,
        caches=_caches(text, _kinds(text, layers)),
        state_bytes=_state_bytes(text) * sum(k in _LINEAR for k in _kinds(text, layers)),
    )


def _number(text: Mapping[str, Any], key: str) -> int:
    value = text.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _kinds(text: Mapping[str, Any], layers: int) -> list[str]:
    """Return what each layer is: ``full_attention``, ``sliding_attention`` ..."""
    told: Sequence[str] | None = text.get("layer_types")
    if told and len(told) == layers:
        return list(told)
    if interval := _number(text, "full_attention_interval"):
        whole = "full_attention"
        return [whole if (n + 1) % interval == 0 else _LINEAR[0] for n in range(layers)]
    if period := _number(text, "sliding_window_pattern"):
        return [_SLIDING[0] if (n + 1) % period else "full_attention" for n in range(layers)]
    slides = _number(text, "sliding_window") and text.get("use_sliding_window", True)
    return [_SLIDING[0] if slides else "full_attention"] * layers


def _caches(text: Mapping[str, Any], kinds: list[str]) -> tuple[Cache, ...]:
    shared = _number(text, "num_kv_shared_layers")
    own = kinds[: len(kinds) - shared] if shared else kinds
    window, elements = _number(text, "sliding_window"), _elements(text)
    sliding = sum(kind in _SLIDING for kind in own) if window else 0
    full = sum(kind not in _LINEAR for kind in own) - sliding
    found = (
        Cache(layers=full, elements=elements),
        Cache(layers=sliding, elements=elements, window=window),
    )
    return tuple(cache for cache in found if cache.layers and cache.elements)


def _elements(text: Mapping[str, Any]) -> int:
    """Return the numbers that one layer keeps of a token."""
    if rank := _number(text, "kv_lora_rank"):
        return rank + _number(text, "qk_rope_head_dim")
    heads = _number(text, "num_attention_heads") or _number(text, "n_head")
    width = _number(text, "hidden_size") or _number(text, "n_embd")
    size = _number(text, "head_dim") or (width // heads if heads else 0)
    return 2 * (_number(text, "num_key_value_heads") or heads) * size


def _state_bytes(text: Mapping[str, Any]) -> int:
    """Return the state of one layer of linear attention, in 32 bits."""
    keys = _number(text, "linear_num_key_heads") * _number(text, "linear_key_head_dim")
    values = _number(text, "linear_num_value_heads") * _number(text, "linear_value_head_dim")
    kernel = _number(text, "linear_conv_kernel_dim")
    state = values * _number(text, "linear_key_head_dim")
    return _F32 * (max(0, kernel - 1) * (2 * keys + values) + state)
