"""Ollama's names of models: ``[host/][namespace/]model[:tag]``, whatever their case."""

import re
from typing import Final

# What Ollama calls models that others name after their size.
USUAL: Final = {
    "mistral:latest": "mistral-7b",
    "mistral:7b": "mistral-7b",
    "mixtral:latest": "mixtral-8x7b",
    "mixtral:8x7b": "mixtral-8x7b",
}
_HOST: Final = "registry.ollama.ai/"
_NAMESPACE: Final = "library/"
_LATEST: Final = ":latest"
_SCHEME: Final = re.compile(r"^[a-z][a-z0-9+.-]*://")
_VALID: Final = re.compile(
    r"(([a-z0-9_][a-z0-9_.:-]{0,349}/)?[a-z0-9_][a-z0-9_-]{0,79}/)?"
    r"[a-z0-9_][a-z0-9_.-]{0,79}:[a-z0-9_][a-z0-9_.-]{0,79}"
)
_LONGEST: Final = 600
_WRONG: Final = re.compile(r"[^a-z0-9_.-]+")
_QUANTISATION: Final = re.compile(r"[-._]((?:ud-)?i?q\d\w*|b?f16|f32|mxfp4\w*|nvfp4\w*|awq|gptq)$")


def canonical(name: str) -> str:
    """Return the one spelling of all that mean the same model as *name*.

    Lower case, a tag, no scheme, and neither host nor namespace where they are Ollama's own.
    """
    name = _SCHEME.sub("", name.lower()).removeprefix(_HOST).removeprefix(_NAMESPACE)
    return name if ":" in name.rpartition("/")[2] else name + _LATEST


def is_valid(name: str) -> bool:
    """Tell whether *name* could be that of a model of an Ollama server."""
    return len(name) <= _LONGEST and _VALID.fullmatch(canonical(name)) is not None


def display(name: str) -> str:
    """Return *name* as Ollama lists it: always with a tag, and valid.

    An engine's own name that Ollama's clients would refuse, such as a path, gives its last part,
    and its quantisation as the tag.
    """
    tagged = name if ":" in name.rpartition("/")[2] else name + _LATEST
    if is_valid(tagged):
        return tagged
    stem, _, tag = name.rstrip("/").rpartition("/")[2].lower().partition(":")
    stem = stem.removesuffix(".gguf")
    if not tag and (found := _QUANTISATION.search(stem)):
        stem, tag = stem[: found.start()], found[1]
    return f"{_clean(stem) or 'model'}:{_clean(tag) or 'latest'}"


def _clean(text: str) -> str:
    return _WRONG.sub("-", text).strip("-.")[:80]
