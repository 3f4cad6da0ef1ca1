"""The shape of a model as the catalog knows it, before anything of it is read; pure.

What the catalog leaves open is taken so that the estimate is rather too large than too small.
"""

import math
from typing import Final

from frontier.domain.catalog import Architecture, CatalogEntry
from frontier.domain.shape import Cache, Shape, Weights

_VOCABULARY: Final = {
    "smollm2": 49_152,
    "smollm3": 128_256,
    "qwen3": 151_936,
    "qwen3-coder": 151_936,
    "qwen3-coder-next": 151_936,
    "qwen3-embedding": 151_936,
    "qwen3.5": 248_320,
    "qwen3.6": 248_320,
    "gpt-oss": 201_088,
    "ministral-3": 131_072,
    "devstral-small-2": 131_072,
    "devstral-2": 131_072,
    "llama3.2": 128_256,
    "llama3.3": 128_256,
    "phi4": 100_352,
    "phi4-mini": 200_064,
    "deepseek-r1": 152_064,
    "nomic-embed-text": 30_528,
}
"""Tokens by family, as the makers' configurations have them."""

_LARGEST_VOCABULARY: Final = 262_144  # Gemma's
_LAYERS: Final = 32
_STATE_BYTES: Final = 4 * (3 * (4096 + 2 * 16 * 128) + 128 * 4096)
"""Of one layer of linear attention, as in Qwen3.5: 32 heads of 128, kernel 4, 16 groups."""

_UNKNOWN_ELEMENTS: Final = 73_728  # of a token: as in Qwen3-4B, much for its size
_BITS_16: Final = 2


def shape_of(entry: CatalogEntry) -> Shape:
    """Return the shape of *entry*, guessed where the catalog does not tell."""
    architecture = entry.architecture or Architecture()
    layers = architecture.layers or _LAYERS
    active = entry.active_parameters or entry.parameters
    return Shape(
        context=entry.context,
        layers=layers,
        width=_width(active, layers),
        vocabulary=_VOCABULARY.get(entry.family, _LARGEST_VOCABULARY),
        caches=_caches(architecture),
        state_bytes=_STATE_BYTES * _linear_layers(architecture),
    )


def weights_of(entry: CatalogEntry, size_bytes: int, quantisation: str) -> Weights:
    """Return the weights of one file of *entry*, shared out as they usually are."""
    shape = shape_of(entry)
    table = min(shape.vocabulary * shape.width, size_bytes // 5)
    kind = quantisation.removesuffix("_M").removesuffix("_S").removesuffix("_L").upper()
    return Weights(
        total_bytes=size_bytes, input_bytes=table, matrix_bytes={kind: size_bytes - table}
    )


def _width(parameters: int, layers: int) -> int:
    """Return the width that makes a dense model of *layers* have so many parameters."""
    return round(math.sqrt(parameters / (12 * layers)))


def _caches(architecture: Architecture) -> tuple[Cache, ...]:
    elements = architecture.cache_elements
    if architecture.kv_lora_rank:
        return (Cache(layers=architecture.kv_layers, elements=elements),)
    if not elements or not architecture.kv_layers:
        published = architecture.kv_bytes_published // _BITS_16
        return (Cache(layers=1, elements=published or _UNKNOWN_ELEMENTS),)
    full = Cache(layers=architecture.kv_layers, elements=elements)
    if not architecture.sliding_layers:
        return (full,)
    window = architecture.sliding_window
    return (full, Cache(layers=architecture.sliding_layers, elements=elements, window=window))


def _linear_layers(architecture: Architecture) -> int:
    if not architecture.kv_layers:
        return 0
    return max(0, architecture.layers - architecture.kv_layers - architecture.sliding_layers)
