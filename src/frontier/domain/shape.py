"""What the memory of a model follows from: its layers, its vocabulary, its weights; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """Layers that keep the same of each token.

    Attributes:
        layers: How many there are.
        elements: Numbers that one layer keeps of a token, keys and values together.
        window: Tokens that it looks back on, 0 for all.
    """

    layers: int
    elements: int
    window: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A model's architecture, as far as memory depends on it; 0 is unknown.

    Attributes:
        context: Tokens it was trained for.
        layers: All of them.
        width: Numbers of one token between layers (embedding length).
        vocabulary: Tokens it knows.
        heads: Attention heads of one layer.
        inner: Width of a feed-forward layer, of all experts together that compute a token.
        caches: What its layers keep; a layer that keeps nothing is in none.
        state_bytes: What layers without a cache keep of each sequence, however long it is.
    """

    context: int = 0
    layers: int = 0
    width: int = 0
    vocabulary: int = 0
    heads: int = 0
    inner: int = 0
    caches: tuple[Cache, ...] = ()
    state_bytes: int = 0

    @property
    def elements_per_token(self) -> int:
        """Return what all layers keep of a token while it is within every window."""
        return sum(cache.layers * cache.elements for cache in self.caches)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The bytes of a model's weights, by where engines put them.

    Attributes:
        total_bytes: All of them.
        input_bytes: The table of token embeddings, which llama.cpp leaves in main memory.
        output_bytes: What makes logits; 0 where the input's table does that, too.
        matrix_bytes: By type (``Q4_K``), of the matrices that tokens are multiplied with.
    """

    total_bytes: int
    input_bytes: int = 0
    output_bytes: int = 0
    matrix_bytes: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def layer_bytes(self) -> int:
        """Return what lies in the layers, all together."""
        return self.total_bytes - self.input_bytes - self.output_bytes
