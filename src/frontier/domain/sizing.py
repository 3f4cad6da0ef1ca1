"""How much memory a model takes in an engine, in bytes; the one estimate of Frontier; pure.

The terms for llama.cpp are its own allocations (build b11549), checked against the resident
memory of the real engine in tests/e2e/test_sizing.py. Those for vLLM and mistral.rs are rules of
thumb: no such engine could be measured.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from frontier.domain.gpu import Accelerator
from frontier.domain.shape import Cache, Shape, Weights

KvType = Literal["f16", "q8_0", "q4_0"]

_MIB: Final = 2**20
_GIB: Final = 2**30

KV_BYTES: Final[Mapping[KvType, float]] = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
"""Bytes of one element; source: llama.cpp gguf-py/gguf/constants.py."""

UBATCH: Final = 512
"""Tokens that llama.cpp computes at once unless told; its buffers are made for that many."""

MARGIN_BYTES: Final = _GIB
"""What llama.cpp leaves free on each GPU; source: llama.cpp common/arg.cpp, ``--fit-target``."""

_CELLS: Final = 256  # the cache is a multiple of it; source: llama.cpp src/llama-context.cpp
_F32: Final = 4
_F16: Final = 2
_HIDDEN: Final = 5  # copies of a batch's tokens that are alive while logits are made; measured
_CHECKPOINTS: Final = 32
_CHECKPOINT_TOKENS: Final = 8192

_PROCESS_BYTES: Final = 36 * _MIB  # the program and what it loads; measured, no model
_TOKEN_BYTES: Final = 200  # a token's text, score and places in tables; measured
_OLLAMA_BYTES: Final = 96 * _MIB  # its server beside llama.cpp

# Beside the model, per process and GPU: engines.md of the engines' own documentation and issues.
_CONTEXT_BYTES: Final[Mapping[Accelerator, int]] = {
    "cpu": 0,
    "cuda": 512 * _MIB,
    "rocm": 512 * _MIB,
    "vulkan": 256 * _MIB,
    "metal": 128 * _MIB,
}
_DRIVER_BYTES: Final = 384 * _MIB  # libraries of CUDA and ROCm in main memory

_VLLM_GRAPH_BYTES: Final = 2 * _GIB
_VLLM_FACTOR: Final = 0.2
_MISTRAL_BYTES: Final = 512 * _MIB

_AVX2: Final = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"})
_AVX512: Final = frozenset({"Q2_K"})
_DOTPROD: Final = frozenset({"Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "MXFP4"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What an engine is asked for.

    Attributes:
        context: Tokens of one request slot.
        parallel: Request slots.
        kv_type: Of the cache's elements.
        prompts_bytes: Memory of llama.cpp's prompt cache, in main memory.
        has_flash: Attention without a matrix of all scores; llama.cpp's own choice.
        share: Of a GPU's memory that vLLM takes.
        cpu_cache_bytes: What vLLM takes for its cache without a GPU.
        gpus: How many vLLM splits a model over.
        batch: Tokens of prompts that llama.cpp computes at once.
    """

    context: int = 4096
    parallel: int = 1
    kv_type: KvType = "f16"
    prompts_bytes: int = 512 * _MIB
    has_flash: bool = True
    share: float = 0.92
    cpu_cache_bytes: int = 4 * _GIB
    gpus: int = 1
    batch: int = UBATCH

    @property
    def tokens(self) -> int:
        """Return the context of all slots together."""
        return self.context * self.parallel


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Bytes, by what takes them where the engine computes.

    Attributes:
        weights_bytes: The model.
        kv_bytes: Keys, values and states of all slots.
        compute_bytes: Buffers for one batch.
        engine_bytes: The process itself and its driver.
        host_bytes: In main memory, where a GPU computes.
        prompts_bytes: What llama.cpp's prompt cache may grow to in main memory; nobody needs it.
        mapped_bytes: Of the file, read once and given back when memory gets short: they are
            resident, but nobody needs them.
    """

    weights_bytes: int
    kv_bytes: int = 0
    compute_bytes: int = 0
    engine_bytes: int = 0
    host_bytes: int = 0
    prompts_bytes: int = 0
    mapped_bytes: int = 0

    @property
    def needed_bytes(self) -> int:
        """Return what must be free where the engine computes."""
        return self.weights_bytes + self.kv_bytes + self.compute_bytes + self.engine_bytes

    @property
    def resident_bytes(self) -> int:
        """Return what is seen in memory while there is plenty."""
        return self.needed_bytes + self.mapped_bytes + self.prompts_bytes


def estimate(
    engine: str,
    accelerator: Accelerator,
    weights: Weights,
    shape: Shape,
    load: Load,
    *,
    features: Collection[str] = (),
) -> Estimate:
    """Return what *engine* takes; an unknown engine is taken for llama.cpp.

    Args:
        engine: Its kind, as the gateway's route files name it.
        accelerator: Where it computes.
        weights: Of the model.
        shape: Of the model; what is unknown in it counts nothing.
        load: What is asked of it.
        features: Of the processor, by the kernel's names.
    """
    special = {"vllm": _vllm, "mistral": _mistral}.get(engine)
    if special:
        return special(accelerator, weights, shape, load)
    found = _llamacpp(accelerator, weights, shape, load, features)
    if engine != "ollama":
        return found
    field = "engine_bytes" if accelerator == "cpu" else "host_bytes"
    return _added(found, field, _OLLAMA_BYTES)


def kv_bytes(shape: Shape, load: Load) -> int:
    """Return the cache of llama.cpp: cells for all slots, fewer where a layer looks back less."""
    per_element = KV_BYTES[load.kv_type]
    elements = sum(c.layers * c.elements * _cells(c, load) for c in shape.caches)
    return round(elements * per_element) + shape.state_bytes * load.parallel


def _cells(cache: Cache, load: Load) -> int:
    tokens = _padded(load.tokens)
    if not cache.window:
        return tokens
    return min(tokens, _padded(cache.window * load.parallel + load.batch))


def _padded(tokens: int) -> int:
    return -(-tokens // _CELLS) * _CELLS


def _logits_bytes(shape: Shape, load: Load) -> int:
    return shape.vocabulary * load.batch * _F32


def _compute_bytes(shape: Shape, load: Load) -> int:
    """Return the buffer that llama.cpp reserves for one batch.

    The most is alive either while logits are made or within the widest layer; masks are alive
    all the time, one per kind of window.
    """
    at_output = shape.vocabulary + _HIDDEN * shape.width
    in_layer = 3 * shape.inner + 4 * shape.width
    masks = sum(_cells(cache, load) for cache in _kinds(shape))
    scores = 0 if load.has_flash else shape.heads * _padded(load.tokens) * _F32
    return load.batch * (_F32 * max(at_output, in_layer) + _F16 * masks + scores)


def _kinds(shape: Shape) -> list[Cache]:
    """Return one cache per kind of window."""
    return list({cache.window: cache for cache in shape.caches}.values())


def _checkpoint_bytes(shape: Shape, load: Load) -> int:
    """Return what llama.cpp keeps of earlier moments, where a cache cannot be wound back."""
    windows = sum(c.layers * c.elements * c.window for c in shape.caches)
    one = round(windows * KV_BYTES[load.kv_type]) + shape.state_bytes
    most = min(_CHECKPOINTS, 2 + load.context // _CHECKPOINT_TOKENS)
    return one * most * load.parallel


def _process_bytes(shape: Shape, load: Load) -> int:
    """Return what llama.cpp has in main memory wherever it computes.

    A request for embeddings makes logits of all its tokens and copies them out.
    """
    return (
        _PROCESS_BYTES
        + shape.vocabulary * _TOKEN_BYTES
        + _logits_bytes(shape, load)
        + _checkpoint_bytes(shape, load)
    )


def _llamacpp(
    accelerator: Accelerator,
    weights: Weights,
    shape: Shape,
    load: Load,
    features: Collection[str],
) -> Estimate:
    kv, compute = kv_bytes(shape, load), _compute_bytes(shape, load)
    process, context = _process_bytes(shape, load), _CONTEXT_BYTES[accelerator]
    if accelerator == "cpu":
        return Estimate(
            weights_bytes=weights.total_bytes,
            kv_bytes=kv,
            compute_bytes=compute,
            engine_bytes=process,
            prompts_bytes=load.prompts_bytes,
            mapped_bytes=repacked_bytes(weights, features),
        )
    if accelerator == "metal":  # one memory for both
        return Estimate(
            weights_bytes=weights.total_bytes,
            kv_bytes=kv,
            compute_bytes=compute,
            engine_bytes=process + context,
            prompts_bytes=load.prompts_bytes,
        )
    inputs = load.batch * (_F32 * shape.width + _F16 * sum(_cells(c, load) for c in _kinds(shape)))
    return Estimate(
        weights_bytes=weights.total_bytes - (weights.input_bytes if weights.output_bytes else 0),
        kv_bytes=kv,
        compute_bytes=compute,
        engine_bytes=context,
        host_bytes=process + weights.input_bytes + inputs + _DRIVER_BYTES,
        prompts_bytes=load.prompts_bytes,
    )


def repacked_bytes(weights: Weights, features: Collection[str]) -> int:
    """Return the weights that llama.cpp copies into another order for this processor.

    Source: llama.cpp ggml/src/ggml-cpu/repack.cpp, ``ggml_repack_get_optimal_repack_type``.
    """
    kinds: set[str] = set()
    kinds |= _AVX2 if "avx2" in features else set()
    kinds |= _AVX512 if "avx512f" in features else set()
    kinds |= _DOTPROD if "asimddp" in features else set()
    return sum(size for kind, size in weights.matrix_bytes.items() if kind in kinds)


def _vllm(accelerator: Accelerator, weights: Weights, shape: Shape, load: Load) -> Estimate:
    """Return the least that vLLM starts with; it takes its whole share whatever that is.

    Source: gpustack/policies/utils.py (weights x 1.2 + 2 GiB), vLLM vllm/config/cache.py.
    """
    if accelerator == "cpu":
        return Estimate(
            weights_bytes=weights.total_bytes,
            kv_bytes=max(load.cpu_cache_bytes, _plain_kv_bytes(shape, load, 2.0)),
            engine_bytes=_VLLM_GRAPH_BYTES,
        )
    return Estimate(
        weights_bytes=weights.total_bytes,
        kv_bytes=_plain_kv_bytes(shape, load, 1.0 if load.kv_type == "q8_0" else 2.0),
        compute_bytes=round(weights.total_bytes * _VLLM_FACTOR),
        engine_bytes=_VLLM_GRAPH_BYTES * load.gpus,
        host_bytes=_VLLM_GRAPH_BYTES,
    )


def _mistral(accelerator: Accelerator, weights: Weights, shape: Shape, load: Load) -> Estimate:
    """Return what mistral.rs takes: its pool of cache on CUDA, a cache that grows elsewhere."""
    per_element = 4.0 if accelerator == "cpu" else 2.0  # it computes in 32 bits there
    return Estimate(
        weights_bytes=weights.total_bytes,
        kv_bytes=_plain_kv_bytes(shape, load, per_element),
        compute_bytes=_compute_bytes(shape, load),
        engine_bytes=_MISTRAL_BYTES + _CONTEXT_BYTES[accelerator],
        host_bytes=0 if accelerator in ("cpu", "metal") else _MISTRAL_BYTES,
    )


def _plain_kv_bytes(shape: Shape, load: Load, per_element: float) -> int:
    def cells(cache: Cache) -> int:
        return min(load.tokens, cache.window * load.parallel or load.tokens)

    elements = sum(c.layers * c.elements * cells(c) for c in shape.caches)
    return round(elements * per_element) + shape.state_bytes * load.parallel


def _added(found: Estimate, field: str, more: int) -> Estimate:
    return replace(found, **{field: getattr(found, field) + more})


def offloadable_layers(found: Estimate, weights: Weights, shape: Shape, free_bytes: int) -> int:
    """Return how many layers of llama.cpp a GPU holds; `Shape.layers` + 1 is all of them.

    The last to go there makes the logits, after all layers.

    Args:
        found: With all on the GPU.
        weights: Of the model.
        shape: Of the model.
        free_bytes: On the GPU, less `MARGIN_BYTES`, which llama.cpp leaves.
    """
    if found.needed_bytes <= free_bytes:
        return shape.layers + 1
    left = free_bytes - found.compute_bytes - found.engine_bytes
    per_layer = (weights.layer_bytes + found.kv_bytes) / max(shape.layers, 1)
    return max(0, min(shape.layers, int(left / per_layer))) if per_layer else 0


def most_context(
    fits: Callable[[int], bool], trained: int, *, step: int = 1024, least: int = 1024
) -> int:
    """Return the longest context that *fits*, in multiples of *step*; 0 where none does.

    Args:
        fits: Tells whether a context fits; what fits does so when it is shorter, too.
        trained: The longest that the model knows.
        step: The answer is a multiple of it, or *trained*.
        least: Nothing shorter is of use.
    """
    if fits(trained):
        return trained
    low, high = 0, trained // step + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle * step) else (low, middle)
    return low * step if low * step >= least else 0
