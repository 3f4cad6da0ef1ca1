"""A catalog file, schema 1: checked strictly, every mistake with its line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from frontier.adapters.yaml_lines import YamlFile
from frontier.domain.catalog import Architecture, CatalogEntry, Checkpoint, OllamaTag, Quantisation
from frontier.domain.errors import UsageError
from frontier.domain.names import full_name
from frontier.domain.source import FileSource, PackageSource, is_source, parse_source

Text = Annotated[str, Field(min_length=1, strict=True)]
Bytes = Annotated[int, Field(gt=0, strict=True)]
Count = Annotated[int, Field(ge=0, strict=True)]
Repo = Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$", strict=True)]
Switch = Annotated[bool, Field(strict=True)]
Ability = Literal["tools", "reasoning", "vision", "embedding"]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ArchitectureFile(_Strict):
    """What the memory of a model's context follows from."""

    layers: Count = 0
    kv_layers: Count = Field(0, description="Layers whose KV cache grows with the context.")
    sliding_layers: Count = Field(0, description="Layers that keep `sliding_window` tokens.")
    sliding_window: Count = Field(0, description="Tokens.")
    kv_heads: Count = Field(0, description="Of one layer.")
    key_length: Count = Field(0, description="Elements of one head's key.")
    value_length: Count = Field(0, description="Elements of one head's value.")
    kv_lora_rank: Count = Field(0, description="For multi-head latent attention.")
    rope_length: Count = Field(0, description="For multi-head latent attention.")
    experts: Count = Field(0, description="Of one layer; 0 for a dense model.")
    experts_used: Count = Field(0, description="Experts that compute a token.")
    kv_bytes_per_token: Count = Field(
        0, description="At 16 bits, where only this is known of the model."
    )


class GgufFile(_Strict):
    """One GGUF file of a model."""

    quantisation: Text
    sources: list[Text] = Field(min_length=1, description="Tried in this order; one file.")
    size: Bytes | None = Field(None, description="Exact length of the file.")
    about: Bytes | None = Field(None, description="An estimate, where `size` is not known.")
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", strict=True)] | None = Field(
        None, description="What is downloaded is refused if it is anything else."
    )
    download: Bytes | None = Field(
        None, description="Bytes that the first source transfers, where that is not the size."
    )
    split: Switch = Field(False, description="It comes in several files.")


class CheckpointFile(_Strict):
    """A repository of the hub with safetensors."""

    repo: Repo
    quantisation: Text = "BF16"
    about: Bytes | None = Field(None, description="Bytes of all weights.")
    gated: Switch = Field(False, description="The hub wants a token and an accepted licence.")


class OllamaFile(_Strict):
    """The model in Ollama's library."""

    tag: Text
    about: Bytes | None = Field(None, description="Bytes of its download.")


class ModelFile(_Strict):
    """One model: at least one of `gguf`, `safetensors` and `ollama`."""

    title: Text | None = None
    family: Text | None = Field(None, description="The name before the colon if left out.")
    parameters: Count = Field(0, description="Weights.")
    active: Bytes | None = Field(None, description="Weights that compute a token, if fewer.")
    context: Count = Field(0, description="Tokens it was trained for.")
    licence: Text | None = Field(None, description="SPDX identifier or the licence's name.")
    abilities: list[Ability] = []
    architecture: ArchitectureFile | None = None
    gguf: list[GgufFile] = Field(default=[], description="The first is what the name means.")
    projector: Text | None = Field(None, description="Source of the file that reads pictures.")
    safetensors: list[CheckpointFile] = Field(default=[], description="The maker's first.")
    ollama: OllamaFile | None = None
    unverified: list[Text] = Field(default=[], description="Fields that nobody has checked.")


class CatalogFile(_Strict):
    """``config/catalog/*.yaml``: models that can be had by name."""

    schema_: Literal[1] = Field(alias="schema", description="Version of this format.")
    models: dict[str, ModelFile] = Field(description="By name, `family:tag`.")


def json_schema() -> dict[str, Any]:
    """Return the published JSON schema of a catalog file."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Frontier model catalog, schema 1",
    }
    return {**CatalogFile.model_json_schema(), **head}


def read_raw(file: YamlFile) -> dict[str, dict[str, Any]]:
    """Return what *file* says of each model, by full name.

    Raises:
        ConfigError: no such file; the message names file and line.
    """
    content = _mapping(file.content)
    if content.get("schema") != 1:
        raise file.error(("schema",), "wants `schema: 1` at the top")
    for key in content:
        if key not in _TOP:
            raise file.unknown_key((str(key),), _TOP)
    models = _mapping(content.get("models"))
    if not models:
        raise file.error(("models",), "wants models by name, `family:tag`")
    return {_name(file, name): _fields(file, name, raw) for name, raw in models.items()}


def read_entry(
    file: YamlFile, name: str, base: Mapping[str, Any], given: Mapping[str, Any], *, origin: str
) -> CatalogEntry:
    """Return the model *name*: what *file* gives, on top of what is known of it already.

    Raises:
        ConfigError: a wrong or unknown key; the message names file and line.
    """
    try:
        raw = ModelFile.model_validate({**base, **given})
    except ValidationError as error:
        # a misspelt key is what is missing, too
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        place = ("models", name, *first["loc"])
        if first["type"] == "extra_forbidden":
            raise file.unknown_key(place, _known_keys(place)) from error
        raise file.error(place, _reason(first)) from error
    if not (raw.gguf or raw.safetensors or raw.ollama):
        raise file.error(("models", name), "wants `gguf`, `safetensors` or `ollama`")
    _require_sources(file, name, raw)
    return _entry(name, raw, origin)


_TOP: Final = ("schema", "models")
_PARTS: Final[dict[str | int, type[BaseModel]]] = {
    "gguf": GgufFile,
    "safetensors": CheckpointFile,
    "ollama": OllamaFile,
    "architecture": ArchitectureFile,
}


def _known_keys(place: tuple[str | int, ...]) -> list[str]:
    return list(_PARTS.get(place[2], ModelFile).model_fields if len(place) > 3 else _OF_MODEL)  # noqa: PLR2004 models, name, key


_OF_MODEL: Final = ModelFile.model_fields


def _reason(error: Any) -> str:
    if error["type"] == "missing":
        return "is missing"
    value = error["input"]
    return f"{error['msg']}{'' if isinstance(value, dict | list) else f', not {value!r}'}"


def _name(file: YamlFile, name: str) -> str:
    try:
        full = full_name(str(name))  # YAML's keys may be numbers
    except UsageError as error:
        raise file.error(("models", name), error.message, hint=error.hint) from error
    if is_source(full):
        raise file.error(("models", name), "looks like a source, not like a name")
    if full != name:
        raise file.error(("models", name), f"wants its full name, {full!r}")
    return full


def _fields(file: YamlFile, name: str, raw: object) -> dict[str, Any]:
    if not (fields := _mapping(raw)):
        raise file.error(("models", name), "wants the model's fields")
    return fields


def _mapping(raw: object) -> dict[str, Any]:
    return cast("dict[str, Any]", raw) if isinstance(raw, dict) else {}


def _require_sources(file: YamlFile, name: str, raw: ModelFile) -> None:
    for index, gguf in enumerate(raw.gguf):
        for text in gguf.sources:
            place = ("models", name, "gguf", index, "sources")
            try:
                source = parse_source(text)
            except UsageError as error:
                raise file.error(place, error.message, hint=error.hint) from error
            if isinstance(source, FileSource) and not Path(source.path).is_absolute():
                raise file.error(place, f"{text!r} wants a path from the root: file:/...")


def _entry(name: str, raw: ModelFile, origin: str) -> CatalogEntry:
    return CatalogEntry(
        name=name,
        title=raw.title or name,
        family=raw.family or name.partition(":")[0],
        parameters=raw.parameters,
        active_parameters=raw.active or raw.parameters,
        context=raw.context,
        licence=raw.licence or "",
        tools="tools" in raw.abilities,
        reasoning="reasoning" in raw.abilities,
        vision="vision" in raw.abilities,
        embedding="embedding" in raw.abilities,
        architecture=_architecture(raw.architecture),
        quantisations=tuple(_quantisation(file) for file in raw.gguf),
        projector=raw.projector or "",
        checkpoints=tuple(
            Checkpoint(repo=c.repo, quantisation=c.quantisation, about_bytes=c.about, gated=c.gated)
            for c in raw.safetensors
        ),
        ollama=OllamaTag(name=raw.ollama.tag, about_bytes=raw.ollama.about) if raw.ollama else None,
        unverified=tuple(raw.unverified),
        origin=origin,
    )


def _architecture(raw: ArchitectureFile | None) -> Architecture | None:
    if raw is None:
        return None
    fields = raw.model_dump(exclude={"kv_bytes_per_token"})
    return Architecture(**fields, kv_bytes_published=raw.kv_bytes_per_token)


def _quantisation(raw: GgufFile) -> Quantisation:
    is_wheel = isinstance(parse_source(raw.sources[0]), PackageSource)
    return Quantisation(
        name=raw.quantisation,
        sources=tuple(raw.sources),
        sha256=raw.sha256 or "",
        size_bytes=raw.size,
        about_bytes=None if raw.size else raw.about,
        download_bytes=raw.download if is_wheel else None,
        is_split=raw.split,
    )
