"""Models in stores that are not ours: an engine's own, or another program's."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

_SPLIT: Final = re.compile(r"-\d{5}-of-\d{5}\.gguf$")

Keeper = Literal["ollama", "hub", "lmstudio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptModel:
    """One model in the store of an engine or another program.

    Attributes:
        keeper: Whose store it is: Ollama's, the Hugging Face hub's cache, LM Studio's.
        name: What the keeper calls it.
        size_bytes: Of all its files; they may be shared with other models.
        place: The store's folder.
        path: Its GGUF file, or the folder of its files.
        digest: SHA-256 of the GGUF file as the keeper knows it, "" where it does not.
        source: Where it came from, in our words, as far as that is known.
        file_name: What the GGUF file was called, "" for a model of other files.
        engines: Which of our engines read it there.
    """

    keeper: Keeper
    name: str
    size_bytes: int
    place: Path
    path: Path
    digest: str = ""
    source: str = ""
    file_name: str = ""
    engines: tuple[str, ...] = ()

    @property
    def is_gguf(self) -> bool:
        """Tell whether it is one GGUF file, which our store can hold."""
        return bool(self.file_name)


def is_split(path: Path) -> bool:
    """Tell whether *path* is one of several files of a model."""
    return bool(_SPLIT.search(path.name))


def named(name: str, kept: Collection[KeptModel]) -> tuple[KeptModel, ...]:
    """Return those of *kept* that *name* means.

    Its full name, else the last piece of it (a file's name), else the part before the tag, where
    only one model has it or one that is `latest`.
    """
    wanted = name.strip().lower()
    exact = tuple(model for model in kept if model.name.lower() == wanted)
    if exact:
        return exact
    last = tuple(model for model in kept if model.name.lower().rpartition("/")[2] == wanted)
    if last or ":" in wanted:
        return last
    family = tuple(model for model in kept if model.name.lower().partition(":")[0] == wanted)
    latest = tuple(model for model in family if model.name.lower() == f"{wanted}:latest")
    return latest or (family if len({model.name for model in family}) == 1 else ())
