"""What the catalog tells of a model: what it is, which files it comes in, how engines name it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from frontier.domain.names import full_name, resolve

_KV_BYTES: Final = 2  # one element at 16 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What the memory of a model's context follows from; 0 is unknown.

    Attributes:
        layers: All of them.
        kv_layers: Those whose keys and values grow with the whole context.
        sliding_layers: Those that keep the keys and values of *sliding_window* tokens.
        kv_heads: Of one layer.
        key_length: Elements of one head's key.
        value_length: Elements of one head's value.
        kv_lora_rank: Elements that one layer keeps per token instead, where the model has
            multi-head latent attention; *rope_length* come on top.
        experts: Of one layer, 0 for a dense model.
        experts_used: Of those, how many compute a token.
        kv_bytes_published: Per token at 16 bits, where only that figure is known.
    """

    layers: int = 0
    kv_layers: int = 0
    sliding_layers: int = 0
    sliding_window: int = 0
    kv_heads: int = 0
    key_length: int = 0
    value_length: int = 0
    kv_lora_rank: int = 0
    rope_length: int = 0
    experts: int = 0
    experts_used: int = 0
    kv_bytes_published: int = 0

    @property
    def cache_elements(self) -> int:
        """Elements that one layer keeps per token, 0 where that is unknown."""
        if self.kv_lora_rank:
            return self.kv_lora_rank + self.rope_length
        return self.kv_heads * (self.key_length + self.value_length)

    @property
    def kv_bytes_per_token(self) -> int | None:
        """Return what one more token of context takes at 16 bits, None where that is unknown."""
        return self.kv_layers * self.cache_elements * _KV_BYTES or self.kv_bytes_published or None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantisation:
    """One GGUF file of a model.

    Attributes:
        name: For instance ``Q4_K_M``.
        sources: Tried in this order; all give the same file.
        sha256: Of the file, "" where the hub has to tell.
        size_bytes: Exact, None where nobody has measured it.
        about_bytes: An estimate, None where *size_bytes* is known, or nothing is.
        download_bytes: What the first source transfers, where that is not the file's size.
        is_split: It comes in several files, which the store cannot hold.
    """

    name: str
    sources: tuple[str, ...]
    sha256: str = ""
    size_bytes: int | None = None
    about_bytes: int | None = None
    download_bytes: int | None = None
    is_split: bool = False

    @property
    def weights_bytes(self) -> int | None:
        """Return the best figure there is for the file's size."""
        return self.size_bytes or self.about_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A repository of the hub with the weights as safetensors: for vLLM and mistral.rs.

    Attributes:
        repo: ``owner/name``.
        quantisation: ``BF16``, ``FP8``, ``MXFP4``, ``NVFP4``, ``AWQ`` ...
        about_bytes: All its weights, None where unknown.
        gated: The hub wants a token whose owner has accepted the licence.
    """

    repo: str
    quantisation: str
    about_bytes: int | None = None
    gated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OllamaTag:
    """What Ollama's library calls the model: a file of its own, not one of the GGUF files.

    Attributes:
        name: For instance ``qwen3.5:9b``.
        about_bytes: Of its download, None where unknown.
    """

    name: str
    about_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogEntry:
    """A model that can be had by name.

    Attributes:
        name: ``family:tag``.
        title: For people.
        family: Models that share architecture and habits.
        parameters: Weights, 0 where unknown.
        active_parameters: Of those, how many compute a token; equal for a dense model.
        context: Tokens it was trained for, 0 where unknown.
        licence: SPDX identifier, or the licence's own name; "" where unknown.
        tools: It can call tools.
        reasoning: It can think before it answers.
        vision: It reads pictures.
        embedding: It makes vectors, not text.
        architecture: None where nothing is known.
        quantisations: The GGUF files; the first is what the name alone means.
        projector: Source of the GGUF file that reads pictures, "" for none.
        checkpoints: The safetensors; the first is the maker's.
        ollama: None where Ollama's library has no such model.
        unverified: Fields that stand there from memory rather than from a source.
        origin: The user's file that it comes from, "" for the packaged catalog.
    """

    name: str
    title: str = ""
    family: str = ""
    parameters: int = 0
    active_parameters: int = 0
    context: int = 0
    licence: str = ""
    tools: bool = False
    reasoning: bool = False
    vision: bool = False
    embedding: bool = False
    architecture: Architecture | None = None
    quantisations: tuple[Quantisation, ...] = ()
    projector: str = ""
    checkpoints: tuple[Checkpoint, ...] = ()
    ollama: OllamaTag | None = None
    unverified: tuple[str, ...] = ()
    origin: str = ""

    @property
    def gated(self) -> bool:
        """Tell whether the maker's repository wants a token and an accepted licence."""
        return bool(self.checkpoints) and self.checkpoints[0].gated

    @property
    def digests(self) -> frozenset[str]:
        """Return the SHA-256 of every file that is known."""
        return frozenset(file.sha256 for file in self.quantisations if file.sha256)

    @property
    def abilities(self) -> tuple[str, ...]:
        """Return what it can do, in words that filters take."""
        kinds = ("tools", "reasoning", "vision", "embedding")
        return tuple(kind for kind in kinds if getattr(self, kind))


@dataclass(frozen=True, slots=True)
class Chosen:
    """A catalog entry, and which of its GGUF files was meant.

    Attributes:
        name: The entry's own, with the quantisation behind it where that is not the first.
        file: None for a model without GGUF files.
    """

    entry: CatalogEntry
    file: Quantisation | None

    @property
    def name(self) -> str:
        """Return the full name of what was chosen."""
        if self.file is None or self.file is self.entry.quantisations[0]:
            return self.entry.name
        return variant_name(self.entry, self.file)


def variant_name(entry: CatalogEntry, file: Quantisation) -> str:
    """Return the name that means *file* whatever stands first: ``qwen3.5:9b-q8_0``."""
    return f"{entry.name}-{file.name.lower()}"


def choose(text: str, entries: Mapping[str, CatalogEntry]) -> Chosen | None:
    """Return what the name *text* means among *entries*, None if nothing or more than one.

    Args:
        text: ``family:tag``, the tag left out where there is only one, or with a quantisation
            behind it, as Ollama writes it: ``qwen3.5:9b-q8_0``.
        entries: By full name.
    """
    if found := resolve(text, entries):
        entry = entries[found]
        return Chosen(entry, entry.quantisations[0] if entry.quantisations else None)
    name = full_name(text)
    for entry in entries.values():
        if name.startswith(f"{entry.name}-"):
            for file in entry.quantisations:
                if name == variant_name(entry, file):
                    return Chosen(entry, file)
    return None
