"""How many tokens a prompt has, by the engine that would compute it."""

from typing import Any, Final

import msgspec

from frontier.gateway.apis.api import BadAnswerError, Outgoing
from frontier.gateway.errors import Problem, bad_gateway

# Where no engine counts. An image is as much as many of them make of one of middle size.
_BYTES_PER_TOKEN: Final = 4
_TOKENS_PER_IMAGE: Final = 1024
_NO_SENSE: Final = bad_gateway("sent an answer that makes no sense")


class _Count(msgspec.Struct, frozen=True):
    """llama.cpp and mistral.rs say ``input_tokens``, vLLM ``count``."""

    input_tokens: int | None = None
    count: int | None = None


_DECODER: Final = msgspec.json.Decoder(_Count)


class Counted:
    """An engine's count on its way to the client."""

    stream_type = b"application/json"
    tokens = None  # nothing was computed
    is_whole = False

    def event(self, data: bytes) -> bytes:
        """Fail: a count is no stream."""
        raise BadAnswerError(_NO_SENSE)

    def end(self) -> bytes:
        """Return nothing."""
        return b""

    def whole(self, body: bytes) -> bytes:
        """Return the client's document."""
        try:
            found = _DECODER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadAnswerError(_NO_SENSE) from error
        tokens = found.input_tokens if found.count is None else found.count
        if tokens is None:
            raise BadAnswerError(_NO_SENSE)
        return document(tokens)

    def collected(self) -> bytes:
        """Return nothing."""
        return b""

    def heartbeat(self) -> bytes:
        """Return nothing."""
        return b""

    def failure(self, problem: Problem, request_id: str) -> bytes:
        """Return nothing: no answer of this kind is sent in pieces."""
        return b""


def document(tokens: int) -> bytes:
    """Return the answer of the API."""
    return b'{"input_tokens":%d}' % tokens


def counting(backend: str, chat: dict[str, Any], native: bytes) -> Outgoing | None:
    """Return the question that an engine counts by, None if it has none.

    Args:
        backend: The kind of engine.
        chat: The prompt as a chat request.
        native: The same in Anthropic's words.
    """
    match backend:
        case "llamacpp":
            path, body = "/v1/chat/completions/input_tokens", msgspec.json.encode(chat)
        case "vllm":
            path, body = "/tokenize", msgspec.json.encode(chat)
        case "mistral":
            path, body = "/v1/messages/count_tokens", native
        case _:
            return None
    return Outgoing(path, body, Counted())


def estimate(messages: list[dict[str, Any]], tools: int) -> int:
    """Return about how many tokens a prompt has.

    Args:
        messages: Of a chat request.
        tools: Bytes of the definitions of its tools.
    """
    size = tools
    images = 0
    for message in messages:
        content: str | list[dict[str, Any]] = message.get("content") or ""
        parts = [{"text": content}] if isinstance(content, str) else content
        size += sum(len(part.get("text", "").encode()) for part in parts)
        images += sum("image_url" in part for part in parts)
        calls: list[dict[str, Any]] = message.get("tool_calls", [])
        size += sum(len(call["function"]["arguments"].encode()) for call in calls)
    return max(1, size // _BYTES_PER_TOKEN) + images * _TOKENS_PER_IMAGE
