"""`/api/embed` and `/api/embeddings`: vectors."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from frontier.gateway.apis.api import BadAnswerError, Outgoing, Reply
from frontier.gateway.apis.ollama_body import Embed, Embeddings, Json
from frontier.gateway.apis.ollama_leases import Leases
from frontier.gateway.apis.ollama_lines import STREAM_TYPE, Line, chat_voice, failure
from frontier.gateway.apis.ollama_passed import passed
from frontier.gateway.errors import Problem, bad_gateway
from frontier.gateway.routes import Route

_PATH: Final = "/v1/embeddings"


class _Vector(msgspec.Struct, frozen=True):
    embedding: list[float]
    index: int = 0


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0


class _Vectors(msgspec.Struct, frozen=True):
    data: list[_Vector]
    usage: _Usage | None = None


_DECODER: Final = msgspec.json.Decoder(_Vectors)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedAsk:
    """Texts to be made vectors of.

    Attributes:
        keep_s: How long the model is to stay, None if not said.
    """

    path: str
    body: bytes
    model: str
    wanted: Embed | Embeddings
    keep_s: float | None
    leases: Leases
    stream: bool = False
    read_ns: int = field(default_factory=time.time_ns)

    @property
    def size(self) -> int:
        """Bytes that it keeps in memory: as it came, and decoded."""
        return 2 * len(self.body)

    @property
    def texts(self) -> list[str]:
        """What is to be embedded; empty to load the model only."""
        if isinstance(self.wanted, Embeddings):
            return [self.wanted.prompt] if self.wanted.prompt else []
        given = self.wanted.input
        if isinstance(given, str):
            return [given] if given else []
        return given or []

    def outgoing(self, route: Route) -> Outgoing | Reply:
        """Return the request for the engine of *route*."""
        target = route.target
        self.leases.renew(target.name, self.keep_s)
        if target.backend == "ollama":
            return passed(self.path, self.body, route, Line(self.model, chat_voice))
        answer = _answer_of(self)
        if not self.texts:
            return Reply(answer.said([], 0))
        fields = {
            "model": route.upstream_model,
            "input": self.texts,
            "encoding_format": "float",
        }
        return Outgoing(_PATH, msgspec.json.encode(fields), answer)


def _answer_of(ask: EmbedAsk) -> "EmbedAnswer":
    if isinstance(ask.wanted, Embeddings):
        return OldAnswer(ask)
    return EmbedAnswer(ask, dimensions=ask.wanted.dimensions)


class EmbedAnswer:
    """The vectors, in the order of the texts, each of length 1.

    Args:
        ask: What was asked.
        dimensions: Keep so many numbers of each; all where None or 0.
    """

    stream_type = STREAM_TYPE
    is_whole = True

    def __init__(self, ask: EmbedAsk, *, dimensions: int | None = None) -> None:
        self._ask = ask
        self._dimensions = dimensions
        self._sent_ns = time.time_ns()
        self.tokens: tuple[int, int, int] | None = None

    def whole(self, body: bytes) -> bytes:
        """Return the document.

        Raises:
            BadAnswerError: there are not as many vectors as texts.
        """
        try:
            found = _DECODER.decode(body)
        except (ValueError, RecursionError) as error:
            raise BadAnswerError(bad_gateway("sent an answer that makes no sense")) from error
        if len(found.data) != len(self._ask.texts):
            raise BadAnswerError(bad_gateway("sent another number of embeddings than of texts"))
        tokens = found.usage.prompt_tokens if found.usage else 0
        self.tokens = tokens, 0, 0
        ordered = sorted(found.data, key=lambda vector: vector.index)
        return self.said([vector.embedding for vector in ordered], tokens)

    def said(self, vectors: list[list[float]], tokens: int) -> bytes:
        """Return *vectors* as a document."""
        document: Json = {
            "model": self._ask.model,
            "embeddings": [unit(v[: self._dimensions or None]) for v in vectors],
            "total_duration": time.time_ns() - self._ask.read_ns,
            "load_duration": self._sent_ns - self._ask.read_ns,
            "prompt_eval_count": tokens,
        }
        return msgspec.json.encode(document)

    def event(self, data: bytes) -> bytes:
        """Refuse a stream: nobody asked for one."""
        raise BadAnswerError(bad_gateway("streamed what cannot be streamed"))

    def end(self) -> bytes:
        """Return nothing."""
        return b""

    def collected(self) -> bytes:
        """Return nothing: no event is taken."""
        return b""

    def heartbeat(self) -> bytes:
        """Return nothing: a document has no heartbeat."""
        return b""

    def failure(self, problem: Problem, request_id: str) -> bytes:
        """Return *problem* as Ollama's errors look."""
        return failure(problem)


class OldAnswer(EmbedAnswer):
    """One vector, of the length that the engine gave it."""

    def said(self, vectors: list[list[float]], tokens: int) -> bytes:
        """Return the vector as a document."""
        return msgspec.json.encode({"embedding": vectors[0] if vectors else []})


def unit(vector: Sequence[float]) -> Sequence[float]:
    """Return *vector* with the length 1; one of zeros, or not finite, as it is."""
    length = math.hypot(*vector)
    if not math.isfinite(length) or length == 0.0:
        return vector
    return [number / length for number in vector]
