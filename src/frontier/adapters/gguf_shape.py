"""What a GGUF header tells of the memory that its model takes.

Source: llama.cpp src/llama-model.cpp (``load_hparams``) and src/llama-hparams.cpp, build b11434;
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from frontier.domain.shape import Cache, Shape, Weights

# Type number to name, elements of a block and its bytes; a type that is not here counts nothing.
_TYPES: Final = {
    int(number): (name, int(elements), int(size))
    for number, name, elements, size in (
        row.split()
        for row in """
        0 F32 1 4      1 F16 1 2         2 Q4_0 32 18       3 Q4_1 32 20      6 Q5_0 32 22
        7 Q5_1 32 24   8 Q8_0 32 34      9 Q8_1 32 36       10 Q2_K 256 84    11 Q3_K 256 110
        12 Q4_K 256 144  13 Q5_K 256 176  14 Q6_K 256 210   15 Q8_K 256 292
        16 IQ2_XXS 256 66  17 IQ2_XS 256 74  18 IQ3_XXS 256 98  19 IQ1_S 256 50
        20 IQ4_NL 32 18  21 IQ3_S 256 110  22 IQ2_S 256 82  23 IQ4_XS 256 136
        24 I8 1 1      25 I16 1 2        26 I32 1 4         27 I64 1 8        28 F64 1 8
        29 IQ1_M 256 56  30 BF16 1 2     34 TQ1_0 256 54    35 TQ2_0 256 66
        39 MXFP4 32 17   40 NVFP4 64 36
        """.replace("  ", "\n").splitlines()
        if row.strip()
    )
}

# Layers of one period, of which the last looks back on everything; where the header is silent.
_PERIODS: Final = {
    "gemma2": 2,
    "gemma3": 6,
    "gemma3n": 5,
    "gemma-embedding": 6,
    "cohere2": 4,
    "gpt-oss": 2,
    "llama4": 4,
    "exaone4": 4,
    "olmo2": 4,
    "olmo3": 4,
    "afmoe": 4,
    "smallthinker": 4,
}
_SHARED_FROM: Final = {"gemma3n": 20}  # later layers use the cache of earlier ones
_MATRIX: Final = 2


@dataclass(frozen=True, slots=True)
class Elements:
    """An array's length, and its elements where they are numbers and few."""

    length: int
    numbers: tuple[float, ...] = ()


Value = int | float | str | bool | Elements


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: *shape* has the row's length first, *kind* is ggml's number of its type."""

    name: str
    shape: tuple[int, ...]
    kind: int

    @property
    def elements(self) -> int:
        """Return how many numbers it holds."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Return what it takes."""
        _, elements, size = _TYPES.get(self.kind, ("", 1, 0))
        return self.elements * size // elements

    @property
    def kind_name(self) -> str:
        """Return its type as ggml calls it, "" where that is unknown."""
        return _TYPES.get(self.kind, ("", 1, 0))[0]


@dataclass(frozen=True, slots=True)
class Fields:
    """Metadata; ``{a}`` in a key stands for the architecture."""

    values: Mapping[str, Value]

    @property
    def architecture(self) -> str:
        """Return what the keys begin with."""
        return self.text("general.architecture")

    def text(self, key: str) -> str:
        """Return a text, "" where there is none."""
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int | None:
        """Return a number that is not negative, None where there is none."""
        value = self.values.get(key.replace("{a}", self.architecture))
        return value if isinstance(value, int) and value >= 0 else None

    def numbers(self, key: str) -> Iterator[int]:
        """Yield the numbers of an array, or the only one."""
        value = self.values.get(key.replace("{a}", self.architecture))
        if isinstance(value, Elements):
            yield from (int(n) for n in value.numbers if math.isfinite(n) and n >= 0)
        elif isinstance(value, int) and value >= 0:
            yield value

    def length(self, key: str) -> int | None:
        """Return the length of an array, None where there is none."""
        value = self.values.get(key)
        return value.length if isinstance(value, Elements) else None

    def per_layer(self, key: str, layers: int, default: int) -> list[int]:
        """Return one number for each layer, of an array or of one for all."""
        found = list(self.numbers(key)) or [default]
        return found[:layers] if len(found) >= layers else [found[0]] * layers


def weights_of(tensors: Sequence[Tensor]) -> Weights:
    """Return the bytes of *tensors* by where engines put them."""
    sizes = {tensor.name: tensor.size_bytes for tensor in tensors}
    matrices = dict[str, int]()
    for tensor in tensors:
        if len(tensor.shape) >= _MATRIX and tensor.name != "token_embd.weight":
            matrices[tensor.kind_name] = matrices.get(tensor.kind_name, 0) + tensor.size_bytes
    return Weights(
        total_bytes=sum(sizes.values()),
        input_bytes=sizes.get("token_embd.weight", 0),
        output_bytes=sizes.get("output.weight", 0),
        matrix_bytes=matrices,
    )


def shape_of(fields: Fields) -> Shape | None:
    """Return the shape, None where the header does not tell how many layers there are."""
    layers = fields.number("{a}.block_count")
    if not layers or layers > _MOST_LAYERS:
        return None
    heads = max(fields.numbers("{a}.attention.head_count"), default=0)
    inner = max(fields.numbers("{a}.feed_forward_length"), default=0)
    expert = fields.number("{a}.expert_feed_forward_length") or inner
    used = fields.number("{a}.expert_used_count") or 0
    return Shape(
        context=fields.number("{a}.context_length") or 0,
        layers=layers,
        width=fields.number("{a}.embedding_length") or 0,
        vocabulary=fields.number("{a}.vocab_size") or fields.length("tokenizer.ggml.tokens") or 0,
        heads=heads,
        inner=expert * used if used else inner,
        caches=_caches(fields, layers, heads),
        state_bytes=_state_bytes(fields, layers),
    )


_MOST_LAYERS: Final = 1024


def _caches(fields: Fields, layers: int, heads: int) -> tuple[Cache, ...]:
    """Return what the layers keep, those alike together."""
    kv_heads = fields.per_layer("{a}.attention.head_count_kv", layers, heads)
    windows = _windows(fields, layers)
    found = dict[tuple[int, int], int]()
    for layer in _with_cache(fields, layers):
        kind = (_elements(fields, heads, kv_heads[layer], windows[layer]), windows[layer])
        found[kind] = found.get(kind, 0) + 1
    return tuple(
        Cache(layers=count, elements=elements, window=window)
        for (elements, window), count in found.items()
        if elements
    )


def _elements(fields: Fields, heads: int, kv_heads: int, window: int) -> int:
    """Return the numbers that one layer keeps of a token."""
    width = fields.number("{a}.embedding_length") or 0
    head = width // heads if heads else 0
    key = fields.number("{a}.attention.key_length") or head
    value = fields.number("{a}.attention.value_length") or head
    if fields.number("{a}.attention.kv_lora_rank") and fields.number(
        "{a}.attention.key_length_mla"
    ):
        return key  # one latent vector for all heads; values are a part of it
    if window:
        key = fields.number("{a}.attention.key_length_swa") or key
        value = fields.number("{a}.attention.value_length_swa") or value
    return kv_heads * (key + value)


def _windows(fields: Fields, layers: int) -> list[int]:
    """Return the tokens that each layer looks back on, 0 for all."""
    window = fields.number("{a}.attention.sliding_window") or 0
    told = list(fields.numbers("{a}.attention.sliding_window_pattern"))
    if not window:
        return [0] * layers
    if len(told) >= layers:
        return [window if slides else 0 for slides in told[:layers]]
    period = told[0] if told else _PERIODS.get(fields.architecture, 1)
    return [window if layer % period < period - 1 else 0 for layer in range(layers)]


def _with_cache(fields: Fields, layers: int) -> list[int]:
    """Return the layers that keep keys and values of their own."""
    interval = fields.number("{a}.full_attention_interval")
    if interval:
        return [layer for layer in range(layers) if (layer + 1) % interval == 0]
    shared = fields.number("{a}.attention.shared_kv_layers") or 0
    last = _SHARED_FROM.get(fields.architecture, layers - shared)
    return list(range(max(0, min(layers, last))))


def _state_bytes(fields: Fields, layers: int) -> int:
    """Return the state of layers that keep one instead of a cache, in 32 bits.

    Source: llama.cpp src/llama-hparams.cpp, ``n_embd_r`` and ``n_embd_s``.
    """
    inner, size = (fields.number(f"{{a}}.ssm.{name}") or 0 for name in ("inner_size", "state_size"))
    kernel = fields.number("{a}.ssm.conv_kernel") or 0
    groups = fields.number("{a}.ssm.group_count") or 0
    if not inner:
        return 0
    kv_heads = fields.per_layer("{a}.attention.head_count_kv", layers, 0)
    interval = fields.number("{a}.full_attention_interval")
    count = layers - layers // interval if interval else kv_heads.count(0)
    return count * 4 * (max(0, kernel - 1) * (inner + 2 * groups * size) + size * inner)
