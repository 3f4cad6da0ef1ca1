"""An engine's chat completion as a message of Anthropic's API, whole or as its stream of events."""

import json
import secrets
from typing import Any, Final

import msgspec

from frontier.gateway.apis import anthropic_errors
from frontier.gateway.apis.anthropic_blocks import Blocks, call_id, event, is_object
from frontier.gateway.apis.api import BadAnswerError
from frontier.gateway.apis.chat import Collected, CollectedCall, Completion, decode
from frontier.gateway.errors import Problem, bad_gateway

_DONE: Final = b"[DONE]"
_PING: Final = b'event: ping\ndata: {"type":"ping"}\n\n'
_STOP: Final = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_REASONS: Final = {"length": "max_tokens", "content_filter": "refusal"}
# Engines' words for having given up; whoever takes such an answer for a whole one is deceived.
_GAVE_UP: Final = frozenset({"abort", "canceled", "cancelled", "error"})


class MessageAnswer:
    """Turns one engine's completion into one message.

    Args:
        model: As the client named it.
        estimate: Tokens of the prompt, said at the start of a stream and corrected at its end.
        echoed: What a whole answer of the engine repeats of the prompt.
        is_single: At most one tool may be called, whatever the engine does.
    """

    stream_type = b"text/event-stream; charset=utf-8"

    def __init__(self, model: str, *, estimate: int, echoed: str, is_single: bool) -> None:
        self._model = model
        self._estimate = estimate
        self._echoed = echoed
        self._id = f"msg_{secrets.token_hex(12)}"
        self._is_begun = False
        self._collected = Collected()
        self._blocks = Blocks(self._collected.calls, is_single=is_single)

    @property
    def tokens(self) -> tuple[int, int, int] | None:
        """Input, output and cached tokens, None while the engine has not told."""
        return self._collected.tokens

    @property
    def is_whole(self) -> bool:
        """Tell whether the engine has said all."""
        return self._collected.finish_reason is not None

    def event(self, data: bytes) -> bytes:
        """Return the events that say what the engine just said."""
        if data == _DONE:
            return b""
        chunk = decode(data)
        piece = self._collected.add(chunk)
        begin = b"" if self._is_begun else self._begin()
        if piece is None:
            return begin
        text = piece.content or ""
        if self._echoed and _is_document(chunk):
            text = text.removeprefix(self._echoed)
        return begin + self._blocks.add(piece.thought, text, has_calls=bool(piece.tool_calls))

    def _begin(self) -> bytes:
        self._is_begun = True
        usage = _usage((self._estimate, 0, 0))
        message = self._message([], None, None) | {"usage": usage}
        return event("message_start", {"message": message})

    def end(self) -> bytes:
        """Return the rest of the last block and the end of the message."""
        reason, stopped_by = self._reason()
        blocks = self._blocks.end(may_be_cut=reason == "max_tokens")
        delta = {"stop_reason": reason, "stop_sequence": stopped_by}
        usage = _usage(self.tokens or (self._estimate, 0, 0))
        return blocks + event("message_delta", {"delta": delta, "usage": usage}) + _STOP

    def whole(self, body: bytes) -> bytes:
        """Return the message for the engine's completion."""
        chunk = decode(body)
        if not chunk.choices:
            raise BadAnswerError(bad_gateway("sent an answer that makes no sense"))
        self._collected.add(chunk)
        return self._document("".join(self._collected.text).removeprefix(self._echoed))

    def collected(self) -> bytes:
        """Return the message for a stream that nobody asked for."""
        return self._document("".join(self._collected.text))

    def _document(self, text: str) -> bytes:
        reason, stopped_by = self._reason()
        content: list[dict[str, Any]] = []
        if thought := "".join(self._collected.thought):
            content.append({"type": "thinking", "thinking": thought, "signature": ""})
        if text:
            content.append({"type": "text", "text": text})
        content += self._tool_uses(may_be_cut=reason == "max_tokens")
        usage = _usage(self.tokens or (0, 0, 0))
        message = self._message(content, reason, stopped_by) | {"usage": usage}
        return json.dumps(message, separators=(",", ":")).encode()

    def _tool_uses(self, *, may_be_cut: bool) -> list[dict[str, Any]]:
        """Return the calls; one that the limit of tokens cut in two is left out."""
        calls = self._blocks.wanted
        return [_tool_use(c) for c in calls if not (may_be_cut and not is_object(c.arguments))]

    def _message(
        self, content: list[dict[str, Any]], reason: str | None, stopped_by: str | None
    ) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": stopped_by,
        }

    def _reason(self) -> tuple[str, str | None]:
        """Return why the engine stopped, and the text that made it stop."""
        found = self._collected
        if found.finish_reason in _GAVE_UP:
            raise BadAnswerError(bad_gateway(f"gave up its answer: {found.finish_reason}"))
        if (reason := _REASONS.get(found.finish_reason or "")) is not None:
            return reason, None
        if found.calls:
            return "tool_use", None
        if isinstance(found.stop_reason, str):
            return "stop_sequence", found.stop_reason
        return "end_turn", None

    def heartbeat(self) -> bytes:
        """Return a ping; nothing may come before the start of the message."""
        return _PING if self._is_begun else self._begin() + _PING

    def failure(self, problem: Problem, request_id: str) -> bytes:
        """Return *problem* as the last event."""
        return anthropic_errors.event(problem, request_id)


def _is_document(chunk: Completion) -> bool:
    return any(choice.message is not None for choice in chunk.choices)


def _tool_use(call: CollectedCall) -> dict[str, Any]:
    text = "".join(call.arguments) or "{}"
    if not call.name or not is_object([text]):
        raise BadAnswerError(bad_gateway("called a tool in a way that makes no sense"))
    found: dict[str, Any] = msgspec.json.decode(text)
    return {"type": "tool_use", "id": call_id(call), "name": call.name, "input": found}


def _usage(tokens: tuple[int, int, int]) -> dict[str, int]:
    given, said, cached = tokens
    return {
        "input_tokens": max(given - cached, 0),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": said,
    }
