"""What a benchmark sends in OpenAI's and Ollama's API, and what it understands of the answer."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from frontier.domain.bench_load import Operation
from frontier.domain.bench_prompt import Question

_SAID: Final = 200
_LONGEST_LINE: Final = 1 << 20
_MOST_OF_VECTORS: Final = 1 << 26
_MOST_TOKENS: Final = 1 << 32  # above it is what a server makes of -1


class BrokenAnswerError(Exception):
    """An answer that is none.

    Args:
        code: As in `Sample.error`.
        detail: What came instead.
    """

    def __init__(self, code: str, detail: str) -> None:
        self.code, self.detail = code, printable(detail)[:_SAID]
        super().__init__(self.detail)


def printable(words: str) -> str:
    """Return *words* of a server without what would act on a terminal or cannot be written."""
    if words.isprintable():
        return words
    return "".join(c if c.isprintable() else " " if c.isspace() else "" for c in words)


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None


class _Event(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


class _Message(msgspec.Struct):
    content: str | None = None
    thinking: str | None = None


class _Line(msgspec.Struct):
    message: _Message | None = None
    response: str | None = None
    thinking: str | None = None
    done: bool = False
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Any = None


class _Vectors(msgspec.Struct):
    data: list[msgspec.Raw] | None = None
    embeddings: list[msgspec.Raw] | None = None
    usage: _Usage | None = None
    prompt_eval_count: int | None = None


_event = msgspec.json.Decoder(_Event).decode
_line = msgspec.json.Decoder(_Line).decode
_vectors = msgspec.json.Decoder(_Vectors).decode


class Answer:
    """What has come of one answer.

    Attributes:
        tokens_s: When each piece with text came.
        is_done: It said that it is whole.
    """

    __slots__ = ("_rest", "_take", "is_done", "tokens_in", "tokens_out", "tokens_s")

    def __init__(self, take: "Callable[[Answer, bytes, float], None]") -> None:
        self._take, self._rest = take, b""
        self.tokens_s: list[float] = []
        self.tokens_in = self.tokens_out = 0
        self.is_done = False

    def feed(self, data: bytes, now_s: float) -> int:
        """Take a part of the body that came at *now_s*; return how many pieces had text.

        Raises:
            BrokenAnswerError: it is no such answer, or tells of a failure.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            raise BrokenAnswerError("garbage", "a line without an end")
        before = len(self.tokens_s)
        for line in lines:
            if line and line != b"\r":
                self._take(self, line, now_s)
        return len(self.tokens_s) - before

    def end(self, now_s: float) -> None:
        """Take what stands behind the last line end; the body is whole.

        Raises:
            BrokenAnswerError: see `feed`; or it stops short of its end.
        """
        if self._rest:
            self._take(self, self._rest, now_s)
        if not self.is_done:
            raise BrokenAnswerError("broken", "the stream stops without its end")
        if not self.tokens_s:
            raise BrokenAnswerError("empty", "an answer without a single token")
        self.tokens_out = self.tokens_out or len(self.tokens_s)


def _take_event(answer: Answer, line: bytes, now_s: float) -> None:
    """Take one line of an event stream, as OpenAI's servers send it."""
    if not line.startswith(b"data:"):
        if not line.startswith((b":", b"event:", b"id:", b"retry:")):
            raise BrokenAnswerError("garbage", f"no event stream: {line.decode(errors='replace')}")
        return
    data = line[5:].strip()
    if data == b"[DONE]":
        answer.is_done = True
        return
    event = _decoded(_event, data)
    if event.error:
        raise BrokenAnswerError("failed", _words(event.error))
    for choice in event.choices or ():
        delta = choice.delta
        if choice.text or (delta and (delta.content or delta.reasoning_content or delta.reasoning)):
            answer.tokens_s.append(now_s)
        if choice.finish_reason:
            answer.is_done = True
    if event.usage:
        answer.tokens_in = _count(event.usage.prompt_tokens)
        answer.tokens_out = _count(event.usage.completion_tokens)


def _take_line(answer: Answer, line: bytes, now_s: float) -> None:
    """Take one line of JSON, as Ollama sends it."""
    event = _decoded(_line, line)
    if event.error:
        raise BrokenAnswerError("failed", _words(event.error))
    message = event.message
    if event.response or event.thinking or (message and (message.content or message.thinking)):
        answer.tokens_s.append(now_s)
    if event.done:
        answer.is_done = True
        answer.tokens_in = _count(event.prompt_eval_count)
        answer.tokens_out = _count(event.eval_count)


def _count(told: int | None) -> int:
    return told if told and 0 < told < _MOST_TOKENS else 0


def _decoded(decode: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        said = data[:_SAID].decode(errors="replace")
        raise BrokenAnswerError("garbage", f"{error}: {said}") from error


class VectorAnswer(Answer):
    """An answer with vectors: one document, no stream."""

    __slots__ = ("_parts", "_size")

    def __init__(self) -> None:
        super().__init__(_take_line)
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes, now_s: float) -> int:
        """Keep *data*.

        Raises:
            BrokenAnswerError: there is no end of it.
        """
        self._size += len(data)
        if self._size > _MOST_OF_VECTORS:
            raise BrokenAnswerError("garbage", "an answer without an end")
        self._parts.append(data)
        return 0

    def end(self, now_s: float) -> None:
        """Check that there are vectors.

        Raises:
            BrokenAnswerError: there are none.
        """
        found = _decoded(_vectors, b"".join(self._parts))
        if not (found.data or found.embeddings):
            raise BrokenAnswerError("garbage", "no vectors in the answer")
        usage = found.usage
        self.tokens_in = _count(usage.prompt_tokens if usage else found.prompt_eval_count)
        self.is_done = True


@dataclass(frozen=True, slots=True)
class Dialect:
    """One operation of one API.

    Attributes:
        path: Behind the base URL.
        fields: The request's fields for a model and a question.
        answer: Makes what reads the answer.
        ignores_end: Fields that keep engines which know them from ending early.
    """

    path: str
    fields: Callable[[str, Question], dict[str, Any]]
    answer: Callable[[], Answer]
    ignores_end: Mapping[str, Any]

    def body(self, model: str, question: Question, *, ignores_end: bool) -> bytes:
        """Return the request's body."""
        fields = self.fields(model, question)
        more = {**fields, **self.ignores_end} if ignores_end else fields
        return json.dumps(more, separators=(",", ":")).encode()


def _chat(model: str, question: Question) -> dict[str, Any]:
    return {
        "model": model,
        "messages": [{"role": "user", "content": question.texts[0]}],
        "max_tokens": question.output_tokens,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _completion(model: str, question: Question) -> dict[str, Any]:
    fields = _chat(model, question)
    del fields["messages"]
    return {**fields, "prompt": question.texts[0]}


def _embedding(model: str, question: Question) -> dict[str, Any]:
    return {"model": model, "input": list(question.texts)}


def _ollama(model: str, question: Question) -> dict[str, Any]:
    options = {"num_predict": question.output_tokens, "temperature": 0}
    return {"model": model, "stream": True, "options": options}


def _ollama_chat(model: str, question: Question) -> dict[str, Any]:
    messages = [{"role": "user", "content": question.texts[0]}]
    return {**_ollama(model, question), "messages": messages}


def _ollama_generate(model: str, question: Question) -> dict[str, Any]:
    return {**_ollama(model, question), "prompt": question.texts[0], "raw": True}


def _events() -> Answer:
    return Answer(_take_event)


def _lines() -> Answer:
    return Answer(_take_line)


_IGNORE: Final = {"ignore_eos": True}  # llama.cpp, vLLM; others ignore it or refuse it

DIALECTS: Final[Mapping[tuple[str, Operation], Dialect]] = {
    ("openai", "chat"): Dialect("/v1/chat/completions", _chat, _events, _IGNORE),
    ("openai", "completion"): Dialect("/v1/completions", _completion, _events, _IGNORE),
    ("openai", "embedding"): Dialect("/v1/embeddings", _embedding, VectorAnswer, {}),
    ("ollama", "chat"): Dialect("/api/chat", _ollama_chat, _lines, {}),
    ("ollama", "completion"): Dialect("/api/generate", _ollama_generate, _lines, {}),
    ("ollama", "embedding"): Dialect("/api/embed", _embedding, VectorAnswer, {}),
}
"""By API and operation."""


def said(body: bytes) -> str:
    """Return what the body of an error says, at most 200 characters."""
    try:
        document = json.loads(body)
        return _words(document["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return printable(" ".join(body.decode(errors="replace").split()))[:_SAID]


def _words(error: Any) -> str:
    try:
        return printable(str(error["message"]))[:_SAID]
    except (KeyError, TypeError):
        return printable(str(error))[:_SAID]
