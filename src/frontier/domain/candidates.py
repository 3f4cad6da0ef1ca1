"""What of a model could be run: its files, each with what its memory follows from; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from frontier.domain import catalog_shape
from frontier.domain.catalog import CatalogEntry, choose
from frontier.domain.model import GgufHeader
from frontier.domain.shape import Shape, Weights
from frontier.domain.source import is_source

Format = Literal["gguf", "hub", "ollama"]

_QUANTISATION: Final = re.compile(
    r"(?:^|[-._/])((?:UD-)?(?:I?Q\d\w*|TQ\d_\d|MXFP4|NVFP4|BF16|F16|F32))(?=[-._/]|$)",
    re.IGNORECASE,
)
_SPLIT: Final = re.compile(r"-(\d{5})-of-\d{5}\.gguf$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One file, or one repository, that engines could load.

    Attributes:
        name: As `up` and `pull` take it.
        quantisation: ``Q4_K_M``, ``BF16``; "" where nobody tells.
        format: As stacks name it.
        basis: Where *shape* was read: ``its header``, ``config.json``, ``the catalog``.
    """

    name: str
    quantisation: str
    format: Format
    weights: Weights
    shape: Shape
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository of the hub.

    Attributes:
        repo: ``owner/name``, with ``@revision`` where one was named.
        ggufs: Sizes of the GGUF models by file name; a split one has its parts' together.
        safetensors_bytes: All of them, 0 for none.
        config: ``config.json``, empty where there is none.
    """

    repo: str
    ggufs: Mapping[str, int]
    safetensors_bytes: int
    config: Mapping[str, Any]

    @property
    def smallest(self) -> str:
        """Return the GGUF file to read the shape from, "" for none: any tells the same."""
        whole = {name: size for name, size in self.ggufs.items() if not _SPLIT.search(name)}
        return min(whole, key=lambda name: whole[name], default="")


def of_header(name: str, header: GgufHeader, size_bytes: int) -> Candidate | None:
    """Return the file whose *header* was read, None where it tells nothing of its layers."""
    if header.shape is None:
        return None
    return Candidate(
        name=name,
        quantisation=header.quantisation,
        format="gguf",
        weights=header.weights or Weights(total_bytes=size_bytes),
        shape=header.shape,
        basis="its header",
    )


def of_file(name: str, quantisation: str, size_bytes: int, like: Candidate) -> Candidate:
    """Return another file of the model that *like* is one of: its weights are shared alike."""
    scale = size_bytes / max(like.weights.total_bytes, 1)
    table = round(like.weights.input_bytes * scale)
    kind = re.sub(r"_(?:XL|L|M|S|XS|XXS)$", "", quantisation.removeprefix("UD-"))
    weights = Weights(
        total_bytes=size_bytes,
        input_bytes=table,
        output_bytes=round(like.weights.output_bytes * scale),
        matrix_bytes={kind: size_bytes - table},
    )
    return replace(
        like,
        name=name,
        quantisation=quantisation,
        weights=weights,
        basis="the header of another file of it",
    )


def of_catalog(entry: CatalogEntry) -> tuple[Candidate, ...]:
    """Return all that the catalog knows the size of."""
    shape = catalog_shape.shape_of(entry)
    found = list[Candidate]()

    def add(name: str, quantisation: str, kind: Format, size_bytes: int | None) -> None:
        if size_bytes:
            weights = catalog_shape.weights_of(entry, size_bytes, quantisation)
            found.append(
                Candidate(
                    name=name,
                    quantisation=quantisation,
                    format=kind,
                    weights=weights,
                    shape=shape,
                    basis="the catalog",
                )
            )

    for number, file in enumerate(entry.quantisations):
        name = f"{entry.name}-{file.name.lower()}" if number else entry.name
        add(name, file.name, "gguf", file.weights_bytes)
    for checkpoint in entry.checkpoints:
        add(checkpoint.repo, checkpoint.quantisation, "hub", checkpoint.about_bytes)
    if entry.ollama:
        first = next((f.weights_bytes for f in entry.quantisations if f.weights_bytes), None)
        add(entry.ollama.name, "", "ollama", entry.ollama.about_bytes or first)
    return tuple(found)


def named(name: str, entries: Mapping[str, CatalogEntry], kind: Format) -> Candidate | None:
    """Return what *name* means among *entries*, None where the catalog does not know it.

    Args:
        name: Of a model, a repository of the hub, or a tag of Ollama.
        entries: By full name.
        kind: How the stack takes models.
    """
    if kind == "gguf":
        chosen = None if is_source(name) else choose(name, entries)
        every = of_catalog(chosen.entry) if chosen else ()
        wanted = chosen.name if chosen else ""
    else:
        every = tuple(c for entry in entries.values() for c in of_catalog(entry))
        wanted = name
    return next((c for c in every if c.format == kind and c.name == wanted), None)


def quantisation_of(file_name: str) -> str:
    """Return ``Q4_K_M`` of ``Qwen3.5-4B-Q4_K_M.gguf``, "" where the name tells none."""
    found = _QUANTISATION.findall(file_name.removesuffix(".gguf"))
    return str(found[-1]).upper() if found else ""
