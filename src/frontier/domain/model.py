"""Models as the store and their own headers know them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from frontier.domain.catalog import CatalogEntry
from frontier.domain.shape import Shape, Weights

Health = Literal["ok", "truncated", "corrupt", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One stored model: a name and the blob it points to.

    Attributes:
        name: What people and clients ask for, ``family:tag``.
        digest: SHA-256 of the blob, 64 hex digits.
        size_bytes: Length of the blob.
        source: Where it came from, with its prefix (``pypi:``, ``https:``, ``hf:``, ``file:``).
        file_name: The original file name, for people.
        path: The blob on disk; engines open it read-only.
        pulled_at: UTC, ISO 8601; "" while it is only planned.
    """

    name: str
    digest: str
    size_bytes: int
    source: str
    file_name: str
    path: Path
    pulled_at: str = ""


@dataclass(frozen=True, slots=True)
class Damage:
    """A stretch of a blob that is not what it was: bytes from *begin* up to *end*."""

    begin: int
    end: int

    @property
    def size_bytes(self) -> int:
        """Return how long it is."""
        return self.end - self.begin


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufHeader:
    """What a GGUF file says about itself; None or "" where it is silent.

    Attributes:
        parameters: Elements of all tensors.
        quantisation: Name of ``general.file_type``, for instance ``Q4_K_M``.
        context_length: Tokens it was trained for.
        head_count_kv: One number, or one per layer where layers differ.
        key_length: Elements of one head's key.
        value_length: Elements of one head's value.
        expert_count: 0 for a dense model.
        can_think: Its chat template knows thoughts.
        can_fill: It was trained to fill gaps in a text.
        shape: What its memory follows from, None where it does not tell.
        weights: Bytes of its tensors, None where nobody has added them up.
    """

    version: int
    architecture: str
    name: str
    parameters: int
    quantisation: str
    context_length: int | None
    embedding_length: int | None
    block_count: int | None
    head_count: int | None
    head_count_kv: tuple[int, ...]
    key_length: int | None
    value_length: int | None
    vocab_size: int | None
    expert_count: int
    has_chat_template: bool
    tensor_count: int
    can_think: bool = False
    can_fill: bool = False
    shape: Shape | None = None
    weights: Weights | None = None

    @property
    def kv_bytes_per_token(self) -> int | None:
        """Return the KV cache of one token at 16 bits while it is within every window."""
        return self.shape.elements_per_token * 2 or None if self.shape else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What the gateway tells clients of a model; "" or 0 is unknown.

    Attributes:
        family: The architecture.
        parameters: How many weights.
        context: Tokens that prompt and answer may have together.
        embedding_length: Numbers of one vector.
        digest: SHA-256 of the file, hex.
        modified_at: UTC, ISO 8601.
        capabilities: In Ollama's words.
    """

    family: str = ""
    parameters: int = 0
    quantisation: str = ""
    context: int = 0
    embedding_length: int = 0
    size_bytes: int = 0
    digest: str = ""
    modified_at: str = ""
    licence: str = ""
    capabilities: tuple[str, ...] = ()


def capabilities(header: GgufHeader, entry: CatalogEntry | None, engine: str) -> tuple[str, ...]:
    """Return what a model can do behind *engine*, in Ollama's words.

    llama.cpp calls tools with any model that follows a template, makes vectors of any, and fills
    gaps with those that were trained for it.
    """
    if entry is not None and entry.embedding:
        return ("embedding",)
    is_llama = engine == "llamacpp"
    found = {
        "completion": True,
        "tools": header.has_chat_template,
        "thinking": header.can_think,
        "insert": is_llama and header.can_fill,
        "embedding": is_llama,
    }
    return tuple(name for name, can in found.items() if can)
