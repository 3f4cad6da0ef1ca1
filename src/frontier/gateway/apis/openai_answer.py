"""Engines' answers as OpenAI's clients expect them, whatever the engine makes of the format."""

import re
from functools import cached_property
from typing import Any, Final, cast

import msgspec

from frontier.gateway.apis.api import BadAnswerError
from frontier.gateway.apis.chat import MARKER, SENSELESS, failure
from frontier.gateway.apis.openai_choice import Choices, Json
from frontier.gateway.apis.openai_request import WantedGeneration
from frontier.gateway.errors import Problem, bad_gateway
from frontier.gateway.wire import usage

STREAM_TYPE: Final = b"text/event-stream; charset=utf-8"
_DONE: Final = b"data: [DONE]\n\n"
# Inside a JSON string every quote is escaped, so this can only be a key and its value.
_MODEL: Final = re.compile(rb'"model"\s*:\s*"(?:[^"\\]|\\.)*"')
_UNFINISHED: Final = b'"finish_reason":null'
_BEAT: Final = b":\n\n"


def renamed(body: bytes, echo: bytes) -> bytes:
    """Return an answer that names its model as *echo*, ``"model":"NAME"``, does."""
    return body if echo in body else _MODEL.sub(lambda _: echo, body)


def decoded(data: bytes) -> Json:
    """Return a chunk or a document.

    Raises:
        BadAnswerError: the engine says that it failed, or *data* makes no sense.
    """
    try:
        found: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadAnswerError(SENSELESS) from error
    if not isinstance(found, dict):
        raise BadAnswerError(SENSELESS)
    answer = cast("Json", found)
    if answer.get("error") or ("message" in answer and "choices" not in answer):
        raise BadAnswerError(failure(data))
    return answer


class CompletionAnswer:
    """A chat or text completion.

    A chunk that only continues a text passes as it came, and costs a few searches in its bytes; all
    others are looked into.

    Where an engine's bytes pass as they come nothing of it is used: so it is built as it is needed.

    Args:
        wanted: What the client asked for.
        echo: ``"model":"NAME"`` as JSON.
    """

    stream_type = STREAM_TYPE
    tokens: tuple[int, int, int] | None = None
    is_whole = False
    _has_begun = False
    _usage: Json | None = None
    _head: Json | None = None

    def __init__(self, wanted: WantedGeneration, echo: bytes) -> None:
        self._wanted = wanted
        self._echo = echo

    @cached_property
    def _choices(self) -> Choices:
        return Choices(self._wanted.choices)

    def event(self, data: bytes) -> bytes:
        """Return a chunk as the client gets it.

        Raises:
            BadAnswerError: the engine says that it failed, or *data* makes no sense.
        """
        if (
            self._has_begun
            and _UNFINISHED in data
            and b'"usage"' not in data
            and b'"reasoning"' not in data
            and b'"tool_calls"' not in data
            and b'"error"' not in data
            and b"\n" not in data
        ):
            return b"data: %b\n\n" % renamed(data, self._echo)
        if data == MARKER:
            self.is_whole = True
        if data == MARKER or not data.strip():
            return b""
        chunk = self._taken(data)
        pieces = self._choices.pieces(chunk)
        self.is_whole = self.is_whole or self._choices.are_finished
        if not self._wanted.stream:
            self._choices.collect(pieces)
            return b""
        self._has_begun = True
        head = {**chunk, "object": self._choices.chunk_object}
        return b"".join([_event(head | {"choices": piece}) for piece in pieces])

    def _taken(self, data: bytes) -> Json:
        """Return *data* without its usage, which is told at the end."""
        chunk = decoded(data)
        chunk["model"] = self._wanted.model
        found = chunk.pop("usage", None)
        if isinstance(found, dict):
            self._usage = cast("Json", found)
        self._count(data)
        if self._head is None:
            self._head = {k: chunk[k] for k in ("id", "created", "model") if k in chunk}
        return chunk

    def _count(self, data: bytes) -> None:
        self.tokens = usage.find(data) or self.tokens

    def end(self) -> bytes:
        """Return the usage, if it is wanted, and the marker."""
        if not self._wanted.wants_usage or not (counts := self._counts()):
            return _DONE
        kind = {"object": self._choices.chunk_object}
        return _event({**(self._head or {}), **kind, "choices": [], "usage": counts}) + _DONE

    def _counts(self) -> Json | None:
        if self._usage is not None or self.tokens is None:
            return self._usage
        prompt, completion, cached = self.tokens
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": cached},
        }

    def whole(self, body: bytes) -> bytes:
        """Return the document; raises as `event` does."""
        answer = decoded(body)
        if not isinstance(answer.get("choices"), list):
            raise BadAnswerError(SENSELESS)
        answer["model"] = self._wanted.model
        self._count(body)
        self._choices.mend(answer)
        if (count := len(answer["choices"])) < self._choices.wanted:
            raise BadAnswerError(too_few(count))
        return msgspec.json.encode(answer)

    def collected(self) -> bytes:
        """Return the document that the chunks make up."""
        answer = {**(self._head or {}), "object": self._choices.document_object}
        answer["choices"] = self._choices.collected
        if counts := self._counts():
            answer["usage"] = counts
        return msgspec.json.encode(answer)

    def heartbeat(self) -> bytes:
        """Return a comment."""
        return _BEAT

    def failure(self, problem: Problem, request_id: str) -> bytes:
        """Return *problem* as the last event."""
        return problem.event


class DocumentAnswer:
    """An answer that no engine streams: embeddings, or a ranking.

    Args:
        echo: ``"model":"NAME"`` as JSON.
    """

    stream_type = STREAM_TYPE
    tokens: tuple[int, int, int] | None = None
    is_whole = False

    def __init__(self, echo: bytes) -> None:
        self._echo = echo

    def event(self, data: bytes) -> bytes:
        """Refuse to understand a stream."""
        raise BadAnswerError(SENSELESS)

    def whole(self, body: bytes) -> bytes:
        """Return the document."""
        self.tokens = usage.find(body[-usage.TAIL_BYTES :]) or usage.find(body[: usage.TAIL_BYTES])
        return renamed(body, self._echo)

    def end(self) -> bytes:
        """Return nothing."""
        return b""

    def collected(self) -> bytes:
        """Refuse as `event` does."""
        raise BadAnswerError(bad_gateway("sent a stream where none was asked for"))

    def heartbeat(self) -> bytes:
        """Return nothing."""
        return b""

    def failure(self, problem: Problem, request_id: str) -> bytes:
        """Return *problem* as an event."""
        return problem.event


def too_few(count: int) -> Problem:
    """Return the 400 for a request that wants more choices than its engine gives."""
    message = f"The engine gives no more than {count} choice for a request."
    return Problem(400, message, code="unsupported_parameter", param="n")


def _event(chunk: Json) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(chunk)
