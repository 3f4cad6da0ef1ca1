"""The choices of a completion: mended where engines differ, and put together from their pieces."""

from typing import Any, Final, cast

import msgspec

from frontier.gateway.apis.api import BadAnswerError
from frontier.gateway.apis.chat import SENSELESS, new_call_id

Json = dict[str, Any]

_REASONS: Final = ("stop", "length", "tool_calls", "content_filter", "function_call")
_TEXTS: Final = ("content", "reasoning_content", "refusal")


class _Function(msgspec.Struct, frozen=True):
    name: str | None = None


class _Call(msgspec.Struct, frozen=True):
    index: int | None = None
    function: _Function | None = None


class _Piece(msgspec.Struct, frozen=True):
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct, frozen=True):
    """The shape that the rest of this module relies on; other fields may be anything."""

    index: int = 0
    delta: _Piece | None = None
    message: _Piece | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: dict[str, Any] | None = None


class Choices:
    """All choices of one answer.

    Attributes:
        wanted: How many the client asked for.
    """

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self._is_chat = True
        self._finished: set[int] = set()
        self._begun: set[int] = set()
        self._calls: set[tuple[int, int]] = set()
        self._collected: dict[int, Json] = {}
        self._collected_calls: dict[int, dict[int, Json]] = {}

    @property
    def are_finished(self) -> bool:
        """Tell whether each has its reason to end."""
        return len(self._finished) >= self.wanted

    @property
    def chunk_object(self) -> str:
        """What a chunk is called."""
        return "chat.completion.chunk" if self._is_chat else "text_completion"

    @property
    def document_object(self) -> str:
        """What the document is called."""
        return "chat.completion" if self._is_chat else "text_completion"

    def pieces(self, chunk: Json) -> list[list[Json]]:
        """Return the choices of *chunk*, which may be a document, as those of one or two chunks."""
        choices = _choices(chunk)
        if not choices:
            return []
        self._is_chat = "text" not in choices[0]
        ends = [self._piece(choice) for choice in choices]
        return [choices, *([ended] if (ended := [e for e in ends if e]) else [])]

    def _piece(self, choice: Json) -> Json | None:
        """Mend *choice*; return its end, if it came with all the rest."""
        index: int = choice.setdefault("index", 0)
        is_document = "message" in choice
        if is_document:
            choice["delta"] = choice.pop("message")
        if self._is_chat:
            self._mend_delta(index, choice)
        if (reason := choice.get("finish_reason")) is None:
            return None
        self._finished.add(index)
        reason = self._reason(index, reason)
        choice["finish_reason"] = None if is_document else reason
        return {"index": index, "delta": {}, "finish_reason": reason} if is_document else None

    def _mend_delta(self, index: int, choice: Json) -> None:
        delta: Json = choice.get("delta") or {}
        choice["delta"] = delta
        _mend_reasoning(delta)
        if index not in self._begun:
            self._begun.add(index)
            delta.setdefault("role", "assistant")
        calls = delta.pop("tool_calls", None)
        if calls:
            delta["tool_calls"] = [self._call(index, i, call) for i, call in enumerate(calls)]

    def _call(self, choice: int, position: int, call: Json) -> Json:
        """Return a piece of a call: its id, type and name stand in the first one only."""
        told: int | None = call.get("index")
        index = position if told is None else told
        function: Json = call.get("function") or {}
        arguments = _text(function.get("arguments"))
        if (choice, index) in self._calls:
            return {"index": index, "function": {"arguments": arguments}}
        self._calls.add((choice, index))
        name = function.get("name") or ""
        return {
            "index": index,
            "id": call.get("id") or new_call_id(),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }

    def _reason(self, index: int, reason: str) -> str:
        if reason not in _REASONS:
            reason = "stop"  # mistral.rs: canceled; vLLM: abort
        has_calls = any(choice == index for choice, _ in self._calls)
        return "tool_calls" if reason == "stop" and has_calls else reason

    def mend(self, answer: Json) -> None:
        """Mend a document in place."""
        for position, choice in enumerate(_choices(answer)):
            choice.setdefault("index", position)
            if message := choice.get("message"):
                self._mend_message(choice["index"], message)
            choice["finish_reason"] = self._reason(
                choice["index"], choice.get("finish_reason") or "stop"
            )

    def _mend_message(self, index: int, message: Json) -> None:
        _mend_reasoning(message)
        message.setdefault("content", None)
        if calls := message.pop("tool_calls", None):
            message["tool_calls"] = [_whole_call(call) for call in calls]
            self._calls.add((index, 0))

    # A document from chunks

    def collect(self, pieces: list[list[Json]]) -> None:
        """Remember what `pieces` returned."""
        for choices in pieces:
            for choice in choices:
                self._add(choice)

    def _add(self, choice: Json) -> None:
        index: int = choice["index"]
        empty: Json = {"index": index, "logprobs": None}
        whole = self._collected.setdefault(index, empty)
        if choice.get("finish_reason"):
            whole["finish_reason"] = choice["finish_reason"]
        if logprobs := choice.get("logprobs"):
            _extend(whole, logprobs)
        if not self._is_chat:
            whole["text"] = whole.get("text", "") + (choice.get("text") or "")
            return
        message = whole.setdefault("message", {"role": "assistant", "content": None})
        delta = choice["delta"]
        for name in _TEXTS:
            if text := delta.get(name):
                if not isinstance(text, str):
                    raise BadAnswerError(SENSELESS)
                message[name] = (message.get(name) or "") + text
        for call in delta.get("tool_calls", ()):
            _add_call(self._collected_calls.setdefault(index, {}), call)

    @property
    def collected(self) -> list[Json]:
        """The choices as a document has them."""
        for index, calls in self._collected_calls.items():
            found = [_whole_call(call) for _, call in sorted(calls.items())]
            self._collected[index]["message"]["tool_calls"] = found
        return [choice for _, choice in sorted(self._collected.items())]


def _choices(answer: Json) -> list[Json]:
    found: object = answer.get("choices") or []
    choices = cast("list[object]", found) if isinstance(found, list) else [found]
    try:
        msgspec.convert(choices, list[_Choice])
    except msgspec.ValidationError as error:
        raise BadAnswerError(SENSELESS) from error
    return cast("list[Json]", choices)


def _mend_reasoning(message: Json) -> None:
    """Have reasoning under one name: vLLM and Ollama call it otherwise than most clients."""
    if "reasoning" in message:
        thought = message.pop("reasoning")
        if thought is not None and not message.get("reasoning_content"):
            message["reasoning_content"] = thought


def _text(arguments: object) -> str:
    """Return arguments as OpenAI has them, JSON in a string."""
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()


def _whole_call(call: Json) -> Json:
    function: Json = call.get("function") or {}
    arguments = _text(function.get("arguments")) or "{}"
    named = {"name": function.get("name") or "", "arguments": arguments}
    return {"id": call.get("id") or new_call_id(), "type": "function", "function": named}


def _add_call(calls: dict[int, Json], piece: Json) -> None:
    index: int = piece["index"]
    if index in calls:
        calls[index]["function"]["arguments"] += piece["function"]["arguments"]
    else:
        calls[index] = piece


def _extend(whole: Json, logprobs: Json) -> None:
    """Append log probabilities, lists under whatever names."""
    found: Json = whole["logprobs"] or {}
    whole["logprobs"] = found
    for name, values in logprobs.items():
        if isinstance(values, list):
            found[name] = found.get(name, []) + values
