"""Where a model has to lie for the selected stack to find it."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from frontier.domain.catalog import CatalogEntry, choose
from frontier.domain.errors import RefusedError, UsageError
from frontier.domain.names import resolve
from frontier.domain.source import OLLAMA_REGISTRY, OllamaSource, is_source, parse_source

Place = Literal["store", "ollama", "hub"]

_REPOSITORY: Final = re.compile(r"(?:hf:)?([\w.-]+/[\w.-]+)(?:@([\w.-]+))?")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a model goes, and what it is called there.

    Attributes:
        name: A name or source of ours, Ollama's name, or ``owner/repo`` of the hub.
        revision: Of the hub, "" for the newest.
        about_bytes: What the catalog says of its size, None where it does not.
    """

    place: Place
    name: str
    revision: str = ""
    about_bytes: int | None = None


def destination(
    text: str,
    *,
    model_format: str,
    entries: Mapping[str, CatalogEntry],
    stored: Collection[str],
    wanted: Place | None = None,
) -> Destination:
    """Return where *text* has to go.

    Args:
        text: A name or a source, as the person wrote it.
        model_format: How the selected stack's engine gets its model: gguf, hub, ollama, none.
        entries: The catalog.
        stored: Names of our store.
        wanted: What the person asks for, None for what the stack needs.

    Raises:
        RefusedError: the model does not come in the form that is needed.
        UsageError: *text* cannot mean a model of the hub.
    """
    place = wanted or _usual(text, model_format, entries, stored)
    match place:
        case "ollama":
            return _for_ollama(text, entries)
        case "hub":
            return _for_hub(text, entries)
        case _:
            return Destination("store", text)


def _usual(
    text: str, model_format: str, entries: Mapping[str, CatalogEntry], stored: Collection[str]
) -> Place:
    is_repository = _REPOSITORY.fullmatch(text) is not None
    if model_format == "ollama" and _is_ollamas(text):
        return "ollama"
    if is_source(text):
        return "hub" if is_repository and model_format == "hub" else "store"
    is_ours = not is_repository and not choose(text, entries) and bool(resolve(text, stored))
    if is_ours or model_format not in ("ollama", "hub"):
        return "store"
    return "ollama" if model_format == "ollama" else "hub"


def _is_ollamas(text: str) -> bool:
    if not text.lower().startswith("ollama:"):
        return False
    source = parse_source(text)
    return isinstance(source, OllamaSource) and source.host == OLLAMA_REGISTRY


def _for_ollama(text: str, entries: Mapping[str, CatalogEntry]) -> Destination:
    if text.lower().startswith("ollama:"):
        return Destination("ollama", text.partition(":")[2])
    if text.startswith("hf:") and (match := re.fullmatch(r"hf:([\w.-]+/[\w.-]+:[\w.-]+)", text)):
        return Destination("ollama", f"hf.co/{match[1]}")
    if is_source(text):
        raise UsageError(
            f"Ollama pulls from its registry and the hub, not {text}",
            hint=f"frontier models pull {text} --to store",
        )
    if not (chosen := choose(text, entries) if "/" not in text else None):
        return Destination("ollama", text)
    entry = chosen.entry
    if entry.ollama is None:
        raise RefusedError(
            f"Ollama's library has no {entry.name}",
            hint=f"frontier models show {entry.name} tells what it comes as.",
        )
    name = entry.ollama.name
    is_first = chosen.file is None or chosen.file is entry.quantisations[0]
    if is_first:
        return Destination("ollama", name, about_bytes=entry.ollama.about_bytes)
    raise RefusedError(
        f"which quantisation {chosen.name} means is for files of the store; Ollama has {name}",
        hint=f"frontier models pull {chosen.name} --to store",
    )


def _for_hub(text: str, entries: Mapping[str, CatalogEntry]) -> Destination:
    if match := _REPOSITORY.fullmatch(text):
        return Destination("hub", match[1], match[2] or "")
    if is_source(text):
        raise UsageError(
            f"{text} is no repository of the hub", hint="For instance: Qwen/Qwen3.5-4B"
        )
    chosen = choose(text, entries)
    if chosen is None:
        raise UsageError(
            f"{text!r} is neither in the catalog nor a repository of the hub",
            hint="For instance: Qwen/Qwen3.5-4B; `frontier models available --engine vllm`.",
        )
    if not chosen.entry.checkpoints:
        raise RefusedError(
            f"the catalog knows no safetensors of {chosen.entry.name}",
            hint="`frontier models available --engine vllm` lists what has some.",
        )
    first = chosen.entry.checkpoints[0]
    return Destination("hub", first.repo, about_bytes=first.about_bytes)
