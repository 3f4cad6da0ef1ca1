"""A conversation and what a streamed answer is measured by."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """What steers the choice of tokens; None leaves it to the engine."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One event of a streamed answer.

    Attributes:
        text: New text, may be empty.
        completion_tokens: Tokens of the whole answer, in the last event that carries usage.
        is_cut: The answer ends here because no more tokens fit or were asked for.
    """

    text: str = ""
    completion_tokens: int | None = None
    is_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole streamed answer and its timings.

    Attributes:
        time_to_first_token_s: Seconds from the request to the first text.
        rate_tokens_per_s: Tokens after the first, per second after the first; 0 for one token.
        is_cut: It ended because no more tokens fit or were asked for.
    """

    text: str
    completion_tokens: int
    time_to_first_token_s: float
    rate_tokens_per_s: float
    is_cut: bool = False
