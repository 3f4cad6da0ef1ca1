"""Prompts of about a wanted length, no two alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from frontier.domain.bench import Case
from frontier.domain.bench_load import Load

_NOUNS: Final = (
    "time year people way day man thing woman life child world school state family student group "
    "country problem hand part place case week company system program question work government "
    "number night point home water room mother area money story fact month lot right study book "
    "eye job word business issue side kind head house service friend father power hour game line "
    "end member law car city community name president team minute idea kid body information back "
    "parent face others level office door health person art war history party result change "
    "morning reason research girl guy moment air teacher force education foot boy age policy "
    "music market sense nation plan college interest death experience effect use class control "
    "care field development role effort rate heart drug show leader light voice wife police mind "
    "price report decision son view relationship town road arm difference value building action "
    "season society tax director position player record paper space ground form event matter "
    "center couple site project activity star table need court oil situation cost industry figure "
    "street image phone data picture practice piece land product doctor wall patient worker news "
    "test movie north love support technology"
)
_WORDS: Final = tuple(_NOUNS.split())
"""Frequent ones: nearly every tokenizer has a token for each."""

_ASK: Final = "Continue this list of words: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What one request asks.

    Attributes:
        texts: One prompt, or the texts of an embedding request.
        output_tokens: How many to generate, 0 for embeddings.
    """

    texts: tuple[str, ...]
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """How a server counts: tokens of n words are about ``overhead + n * per_word``."""

    overhead: float = 8.0
    per_word: float = 1.1

    def words(self, tokens: int) -> int:
        """Return how many words make a prompt of *tokens*."""
        return max(1, round((tokens - self.overhead) / self.per_word))


def counted(short: tuple[int, int], long: tuple[int, int]) -> Tokens:
    """Return how a server counts that took two prompts, each (words, tokens); 0 for untold."""
    (few, low), (many, high) = short, long
    if not 0 < low < high:
        return Tokens()
    per_word = (high - low) / (many - few)
    return Tokens(low - per_word * few, per_word)


@dataclass(frozen=True, slots=True)
class Prompts:
    """Makes the questions of a load; the same ones for the same seed."""

    load: Load
    tokens: Tokens

    def question(self, case: Case, nth: int, index: int) -> Question:
        """Return request *index* of the round *nth* of *case*; -1 is the warm-up's round.

        A prefix cache knows no more of it than what the load shares: all else begins differently.
        """
        random = Random(f"{self.load.seed} {case.id} {nth} {index}")  # noqa: S311 no secret
        shared = self._shared(case)
        count = max(1, self.tokens.words(case.prompt_tokens) - len(shared))
        texts = (
            " ".join([*shared, *random.choices(_WORDS, k=count)]) for _ in range(self.load.batch)
        )
        if self.load.operation == "embedding":
            return Question(texts=tuple(texts), output_tokens=0)
        return Question(texts=(_ASK + next(texts),), output_tokens=case.output_tokens)

    def _shared(self, case: Case) -> Sequence[str]:
        wanted = min(self.load.shared_prefix_tokens, case.prompt_tokens)
        if not wanted:
            return ()
        random = Random(self.load.seed)  # noqa: S311 no secret
        return random.choices(_WORDS, k=round(wanted / self.tokens.per_word))


def probe(words: int, operation: str, seed: int) -> Question:
    """Return a question of *words* words, to see how the server counts."""
    random = Random(f"{seed} probe {words}")  # noqa: S311 no secret
    text = " ".join(random.choices(_WORDS, k=words))
    is_text = operation != "embedding"
    return Question(texts=(_ASK + text if is_text else text,), output_tokens=4 if is_text else 0)
