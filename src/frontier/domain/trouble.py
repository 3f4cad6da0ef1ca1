"""Known troubles, found by the words of whoever says them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

ANY: Final = "…"
"""Stands for any words in what somebody says."""

SPEAKERS: Final = {
    "frontier": "Frontier",
    "docker": "Docker",
    "engine": "the engine",
    "hub": "the model hub",
    "client": "the client",
    "system": "the system",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that goes wrong.

    Attributes:
        id: Stable, in words.
        says: Literal texts by speaker, see `SPEAKERS`; ``…`` in them is any text.
        why: What is behind it.
        do: What to type or to do, the most likely first.
    """

    id: str
    title: str
    says: Mapping[str, tuple[str, ...]]
    why: str
    do: tuple[str, ...]

    def heard(self, text: str) -> tuple[int, str]:
        """Return how many literal characters of *text* are known here, and as which words."""
        flat = _flat(text)
        found = [
            (len(words.replace(ANY, "")), words)
            for texts in self.says.values()
            for words in texts
            if _pattern(words).search(flat)
        ]
        return max(found, default=(0, ""))


def explain(text: str, troubles: Iterable[Trouble], *, most: int = 3) -> tuple[Trouble, ...]:
    """Return what *text* may mean, what matches most of its words first; none where unknown.

    A text that is itself part of known words, such as a few words from memory, counts as well
    where nothing matches whole.
    """
    known = list(troubles)
    whole = [(trouble.heard(text)[0], trouble) for trouble in known]
    found = sorted((s for s in whole if s[0]), key=lambda s: -s[0])
    if not found:
        part = _flat(text)
        found = [(1, t) for t in known if len(part) > 3 and part in _all_words(t)]  # noqa: PLR2004 no short word
    return tuple(trouble for _, trouble in found[:most])


def _all_words(trouble: Trouble) -> str:
    return _flat(" ".join([trouble.title, *(w for texts in trouble.says.values() for w in texts)]))


def _flat(text: str) -> str:
    return " ".join(text.lower().split())


@cache
def _pattern(words: str) -> "re.Pattern[str]":
    pieces = [re.escape(_flat(piece)) for piece in words.split(ANY)]
    return re.compile(r"\s?.{0,300}?\s?".join(pieces))
