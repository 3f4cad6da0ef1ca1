"""What Ollama says in its own API, in OpenAI's terms."""

import os
import struct
import time
from base64 import b64encode
from typing import Any, Final

import msgspec

from frontier.gateway.apis.api import Answer, BadAnswerError
from frontier.gateway.apis.chat import SENSELESS, failure, new_call_id
from frontier.gateway.apis.openai_answer import DocumentAnswer
from frontier.gateway.errors import Problem

Json = dict[str, Any]

_REASONS: Final = {"length": "length"}  # stop, load and unload: stop


class _Function(msgspec.Struct, frozen=True):
    name: str = ""
    arguments: Any = None


class _Call(msgspec.Struct, frozen=True):
    function: _Function
    id: str = ""


class _Message(msgspec.Struct, frozen=True):
    content: str = ""
    thinking: str = ""
    tool_calls: list[_Call] | None = None


class _Token(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: "list[_Token] | None" = None


class _Line(msgspec.Struct, frozen=True):
    message: _Message = _Message()
    response: str = ""
    thinking: str = ""
    done: bool = False
    done_reason: str = ""
    prompt_eval_count: int = 0
    eval_count: int = 0
    logprobs: list[_Token] | None = None
    error: msgspec.Raw = msgspec.Raw()

    @property
    def usage(self) -> Json:
        """The tokens of the whole answer."""
        return {
            "prompt_tokens": self.prompt_eval_count,
            "completion_tokens": self.eval_count,
            "total_tokens": self.prompt_eval_count + self.eval_count,
        }


_LINE: Final = msgspec.json.Decoder(_Line)


class NativeAnswer:
    """Lines of Ollama's chat and generate, told to an answer that reads OpenAI's chunks.

    Args:
        inner: Says them in the client's API.
        is_chat: Otherwise a text is completed.
    """

    def __init__(self, inner: Answer, *, is_chat: bool) -> None:
        self._inner = inner
        self._is_chat = is_chat
        self._calls = 0
        self.stream_type = inner.stream_type
        kind = "chat.completion.chunk" if is_chat else "text_completion"
        prefix = "chatcmpl" if is_chat else "cmpl"
        name = f"{prefix}-{os.urandom(12).hex()}"
        self._head: Json = {"id": name, "object": kind, "created": int(time.time()), "model": ""}

    @property
    def tokens(self) -> tuple[int, int, int] | None:
        """Input, output and cached tokens, as soon as Ollama told."""
        return self._inner.tokens

    @property
    def is_whole(self) -> bool:
        """Tell whether Ollama has said all."""
        return self._inner.is_whole

    def event(self, data: bytes) -> bytes:
        """Return what the client gets for one line.

        Raises:
            BadAnswerError: it says that Ollama failed, or makes no sense.
        """
        line = _decoded(data)
        chunks = [self._chunk(piece, None, line.logprobs) for piece in self._pieces(line)]
        if line.done:
            chunks.append(self._chunk({} if self._is_chat else "", self._reason(line)))
            chunks.append({**self._head, "choices": [], "usage": line.usage})
        return b"".join([self._inner.event(msgspec.json.encode(chunk)) for chunk in chunks])

    def _pieces(self, line: _Line) -> list[Json] | list[str]:
        if not self._is_chat:
            return [line.response] if line.response else []
        message = line.message
        pieces: list[Json] = []
        if message.thinking:
            pieces.append({"reasoning_content": message.thinking})
        if message.content:
            pieces.append({"content": message.content})
        for call in message.tool_calls or ():
            pieces.append({"tool_calls": [_call(call, self._calls)]})
            self._calls += 1
        return pieces

    def _chunk(
        self, piece: Json | str, reason: str | None, logprobs: list[_Token] | None = None
    ) -> Json:
        name = "delta" if self._is_chat else "text"
        choice: Json = {"index": 0, name: piece, "finish_reason": reason}
        if logprobs:
            choice["logprobs"] = {"content": [_with_bytes(one) for one in logprobs]}
        return {**self._head, "choices": [choice]}

    def _reason(self, line: _Line) -> str:
        return _REASONS.get(line.done_reason, "tool_calls" if self._calls else "stop")

    def whole(self, body: bytes) -> bytes:
        """Return the document; raises as `event` does."""
        line = _decoded(body)
        if not line.done:
            raise BadAnswerError(SENSELESS)
        choice: Json = {"index": 0, "logprobs": None}
        if line.logprobs:
            choice["logprobs"] = {"content": [_with_bytes(one) for one in line.logprobs]}
        if self._is_chat:
            choice["message"] = self._message(line.message)
        else:
            choice["text"] = line.response
        choice["finish_reason"] = self._reason(line)
        kind = {"object": "chat.completion" if self._is_chat else "text_completion"}
        answer = {**self._head, **kind, "choices": [choice], "usage": line.usage}
        return self._inner.whole(msgspec.json.encode(answer))

    def _message(self, message: _Message) -> Json:
        calls = [_call(call, i) for i, call in enumerate(message.tool_calls or ())]
        self._calls = len(calls)
        out: Json = {"role": "assistant", "content": message.content or (None if calls else "")}
        if message.thinking:
            out["reasoning_content"] = message.thinking
        return out | ({"tool_calls": calls} if calls else {})

    def end(self) -> bytes:
        """Return the end of a streamed answer."""
        return self._inner.end()

    def collected(self) -> bytes:
        """Return the document that the lines make up."""
        return self._inner.collected()

    def heartbeat(self) -> bytes:
        """Return what keeps a silent stream alive."""
        return self._inner.heartbeat()

    def failure(self, problem: Problem, request_id: str) -> bytes:
        """Return *problem* as the last words of a stream."""
        return self._inner.failure(problem, request_id)


class _Embedded(msgspec.Struct, frozen=True):
    embeddings: list[list[float]]
    prompt_eval_count: int = 0


class EmbeddingsAnswer(DocumentAnswer):
    """Ollama's embeddings.

    Args:
        model: As the client named it.
        is_base64: The client wants numbers as base64 of little-endian floats of 32 bits.
    """

    def __init__(self, model: str, *, is_base64: bool) -> None:
        super().__init__(b"")
        self._model = model
        self._is_base64 = is_base64

    def whole(self, body: bytes) -> bytes:
        """Return the document.

        Raises:
            BadAnswerError: it makes no sense.
        """
        try:
            found = msgspec.json.decode(body, type=_Embedded)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadAnswerError(SENSELESS) from error
        count = found.prompt_eval_count
        self.tokens = count, 0, 0
        data = [
            {"object": "embedding", "index": i, "embedding": self._vector(numbers)}
            for i, numbers in enumerate(found.embeddings)
        ]
        usage = {"prompt_tokens": count, "total_tokens": count}
        answer = {"object": "list", "data": data, "model": self._model, "usage": usage}
        return msgspec.json.encode(answer)

    def _vector(self, numbers: list[float]) -> str | list[float]:
        if not self._is_base64:
            return numbers
        return b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def _decoded(data: bytes) -> _Line:
    try:
        line = _LINE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadAnswerError(SENSELESS) from error
    if bytes(line.error) not in (b"", b"null"):
        raise BadAnswerError(failure(data))
    return line


def _call(call: _Call, index: int) -> Json:
    arguments = msgspec.json.encode(call.function.arguments or {}).decode()
    function = {"name": call.function.name, "arguments": arguments}
    named = call.id or new_call_id()
    return {"index": index, "id": named, "type": "function", "function": function}


def _with_bytes(token: _Token) -> Json:
    """Return a token with its bytes, which Ollama leaves out now and then."""
    tops = [_with_bytes(top) for top in token.top_logprobs or ()]
    found = token.bytes or list(token.token.encode())
    return {"token": token.token, "logprob": token.logprob, "bytes": found, "top_logprobs": tops}
