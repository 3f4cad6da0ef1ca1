"""An engine's chat completion, chunk or whole, as every translation reads it."""

import os
from dataclasses import dataclass, field
from typing import Final

import msgspec

from frontier.gateway.apis.api import BadAnswerError
from frontier.gateway.errors import Problem, bad_gateway
from frontier.gateway.upstream_errors import translate

_ABSENT: Final = msgspec.Raw()
_NOTHING: Final = (b"", b"null")
MARKER: Final = b"[DONE]"
SENSELESS: Final = bad_gateway("sent an answer that makes no sense")
_ABORTED: Final = frozenset({"abort", "canceled", "cancelled", "error"})


class CachedTokens(msgspec.Struct, frozen=True):
    """Details of the input; engines that do not cache leave them out."""

    cached_tokens: int | None = None


class ReasoningTokens(msgspec.Struct, frozen=True):
    """Details of the output."""

    reasoning_tokens: int | None = None


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one answer."""

    prompt_tokens: int = 0
    completion_tokens: int | None = None
    prompt_tokens_details: CachedTokens | None = None
    completion_tokens_details: ReasoningTokens | None = None

    @property
    def counts(self) -> tuple[int, int, int]:
        """Input, output and cached tokens."""
        details = self.prompt_tokens_details
        cached = details.cached_tokens if details else None
        return self.prompt_tokens, self.completion_tokens or 0, cached or 0


class Timings(msgspec.Struct, frozen=True):
    """What llama.cpp tells with the last chunk; milliseconds and tokens."""

    prompt_n: int = 0
    cache_n: int = 0
    prompt_ms: float = 0.0
    predicted_n: int = 0
    predicted_ms: float = 0.0


class Function(msgspec.Struct, frozen=True):
    """A call's name, and its arguments as JSON text or a piece of it."""

    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct, frozen=True):
    """A tool call, or a piece of one."""

    index: int = 0
    id: str | None = None
    function: Function = Function()


class Piece(msgspec.Struct, frozen=True):
    """A message, or a piece of one."""

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None

    @property
    def thought(self) -> str:
        """The reasoning, whichever way the engine spells it."""
        return self.reasoning_content or self.reasoning or ""


class Choice(msgspec.Struct, frozen=True):
    """One of the answers, or a piece of it.

    Attributes:
        stop_reason: The stop text that matched (vLLM).
        logprobs: As it came, empty if absent.
    """

    index: int = 0
    delta: Piece | None = None
    message: Piece | None = None
    text: str | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    logprobs: msgspec.Raw = _ABSENT

    @property
    def piece(self) -> Piece:
        """What it adds, of a chunk as of a whole completion."""
        return self.delta or self.message or Piece(content=self.text)


class Completion(msgspec.Struct, frozen=True):
    """A chunk of a completion, or all of it."""

    id: str = ""
    created: int = 0
    model: str = ""
    choices: list[Choice] = []
    usage: Usage | None = None
    timings: Timings | None = None
    error: msgspec.Raw = _ABSENT


_DECODER: Final = msgspec.json.Decoder(Completion)
_NO_CHUNK: Final = Completion()


def decode(data: bytes) -> Completion:
    """Return a chunk or completion; the marker behind the last one is a chunk of nothing.

    Raises:
        BadAnswerError: the engine says that it failed, or *data* is no completion.
    """
    if data == MARKER:
        return _NO_CHUNK
    try:
        found = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadAnswerError(SENSELESS) from error
    if bytes(found.error) not in _NOTHING:
        raise BadAnswerError(failure(data))
    return found


def failure(data: bytes) -> Problem:
    """Return an engine's own words, in a stream that began well, as a problem."""
    return translate(500, data, retry_after=None, path="")


def new_call_id() -> str:
    """Return an id for a tool call to which the engine gave none."""
    return f"call_{os.urandom(12).hex()}"


@dataclass(slots=True)
class Collected:
    """One answer, put together from its pieces; with several choices, the first.

    Attributes:
        calls: Tool calls by their index, arguments joined.
        finish_reason: None while the engine goes on.
    """

    text: list[str] = field(default_factory=list[str])
    thought: list[str] = field(default_factory=list[str])
    calls: dict[int, "CollectedCall"] = field(default_factory=dict[int, "CollectedCall"])
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    usage: Usage | None = None
    timings: Timings | None = None

    @property
    def tokens(self) -> tuple[int, int, int] | None:
        """Input, output and cached tokens, None while the engine has not told."""
        if self.usage is not None:
            return self.usage.counts
        if (timings := self.timings) is not None:
            return timings.prompt_n + timings.cache_n, timings.predicted_n, timings.cache_n
        return None

    def add(self, chunk: Completion) -> Piece | None:
        """Take *chunk*; return what it adds to the first choice, None if nothing.

        Raises:
            BadAnswerError: the engine gave up.
        """
        self.usage = chunk.usage or self.usage
        self.timings = chunk.timings or self.timings
        choice = next((c for c in chunk.choices if c.index == 0), None)
        if choice is None:
            return None
        self.finish_reason = choice.finish_reason or self.finish_reason
        if self.finish_reason in _ABORTED:
            raise BadAnswerError(bad_gateway("gave up its answer"))
        if choice.stop_reason is not None:
            self.stop_reason = choice.stop_reason
        piece = choice.piece
        if piece.content:
            self.text.append(piece.content)
        if piece.thought:
            self.thought.append(piece.thought)
        for position, call in enumerate(piece.tool_calls or ()):
            index = position if choice.message is not None else call.index
            self.calls.setdefault(index, CollectedCall()).add(call)
        return piece


@dataclass(slots=True)
class CollectedCall:
    """One tool call, put together.

    Attributes:
        id: "" while the engine gave none.
        arguments: Pieces of JSON text.
    """

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])

    def add(self, call: Call) -> None:
        """Take a piece; a name or id that is repeated stays the first."""
        self.id = self.id or call.id or ""
        self.name = self.name or call.function.name or ""
        if call.function.arguments:
            self.arguments.append(call.function.arguments)
