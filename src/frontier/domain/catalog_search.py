"""Which entries of the catalog somebody wants to see."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from frontier.domain.catalog import CatalogEntry
from frontier.domain.errors import UsageError

ENGINES: Final = ("llamacpp", "mistral", "ollama", "vllm")
ABILITIES: Final = ("tools", "reasoning", "vision", "embedding")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the entries have to be; an empty field asks for nothing.

    Attributes:
        words: Each stands in the name, the title, a source or a tag; case does not matter.
        abilities: All of them, of `ABILITIES`.
        engine: One of `ENGINES` can run it.
        licence: Stands in the licence's name.
        context: Tokens at least.
        most_bytes: One of its files is no larger.
        open_only: The maker's repository wants no token.
    """

    words: tuple[str, ...] = ()
    abilities: tuple[str, ...] = ()
    engine: str = ""
    licence: str = ""
    context: int = 0
    most_bytes: int | None = None
    open_only: bool = False

    def __post_init__(self) -> None:
        """Refuse what nothing can match.

        Raises:
            UsageError: an unknown ability or engine.
        """
        for given, known, what in (
            (self.abilities, ABILITIES, "ability"),
            ((self.engine,) if self.engine else (), ENGINES, "engine"),
        ):
            for word in given:
                if word not in known:
                    raise UsageError(
                        f"there is no {what} {word!r}", hint=f"Known: {', '.join(known)}."
                    )

    def is_met_by(self, entry: CatalogEntry) -> bool:
        """Tell whether *entry* is what is wanted."""
        said = " ".join(_said(entry)).lower()
        return (
            all(word.lower() in said for word in self.words)
            and set(self.abilities) <= set(entry.abilities)
            and self.engine in ("", *engines_of(entry))
            and self.licence.lower() in entry.licence.lower()
            and entry.context >= self.context
            and not (self.open_only and entry.gated)
            and self._is_small(entry)
        )

    def _is_small(self, entry: CatalogEntry) -> bool:
        if self.most_bytes is None:
            return True
        return any(size <= self.most_bytes for size in _sizes(entry))


def engines_of(entry: CatalogEntry) -> tuple[str, ...]:
    """Return which of `ENGINES` can run *entry* as the catalog knows it."""
    has_file = any(not file.is_split for file in entry.quantisations)
    can = {
        "llamacpp": has_file,
        "mistral": has_file or bool(entry.checkpoints),
        "ollama": entry.ollama is not None,
        "vllm": bool(entry.checkpoints),
    }
    return tuple(engine for engine in ENGINES if can[engine])


def _said(entry: CatalogEntry) -> Iterable[str]:
    yield from (entry.name, entry.title, entry.family)
    yield from (source for file in entry.quantisations for source in file.sources)
    yield from (checkpoint.repo for checkpoint in entry.checkpoints)
    if entry.ollama:
        yield entry.ollama.name


def _sizes(entry: CatalogEntry) -> Iterable[int]:
    known = [file.weights_bytes for file in entry.quantisations]
    known += [checkpoint.about_bytes for checkpoint in entry.checkpoints]
    known += [entry.ollama.about_bytes] if entry.ollama else []
    return (size for size in known if size is not None)
