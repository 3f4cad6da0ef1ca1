"""Ollama's messages as an engine's."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from frontier.gateway.apis.ollama_body import Call, Json, Message, bad
from frontier.gateway.apis.ollama_images import part

_ROLES: Final = frozenset({"system", "user", "assistant", "tool"})
# How an engine wants to hear what it thought in earlier turns; the others do not.
_THOUGHTS: Final = {
    "llamacpp": "reasoning_content",
    "mistral": "reasoning_content",
    "vllm": "reasoning",
}


def checked(messages: Sequence[Message]) -> None:
    """Refuse a role that Ollama does not know.

    Raises:
        BadRequestError: with the role.
    """
    for message in messages:
        if message.role.lower() not in _ROLES:
            roles = '"system", "user", "assistant" or "tool"'
            raise bad(f'invalid role: "{message.role}" (must be {roles})')


def translated(messages: Sequence[Message], backend: str) -> list[Json]:
    """Return *messages* as *backend* takes them, results of tools with the ids of their calls.

    Raises:
        BadRequestError: an image that the engine cannot read.
    """
    open_calls: list[tuple[str, str]] = []
    return [_message(i, message, backend, open_calls) for i, message in enumerate(messages)]


def content(text: str, images: Iterable[str], backend: str) -> str | list[Json]:
    """Return *text* with *images* in parts, or alone as it is."""
    parts = [part(image, backend) for image in images]
    if not parts:
        return text
    return [{"type": "text", "text": text}, *parts] if text else parts


def _message(
    number: int, message: Message, backend: str, open_calls: list[tuple[str, str]]
) -> Json:
    role = message.role.lower()
    said: Json = {
        "role": role,
        "content": content(message.content or "", message.images or (), backend),
    }
    if message.thinking and backend in _THOUGHTS:
        said[_THOUGHTS[backend]] = message.thinking
    if message.tool_calls and role == "assistant":
        said["tool_calls"] = [
            _call(call, call.id or f"call_{number}_{i}", open_calls)
            for i, call in enumerate(message.tool_calls)
        ]
    if role == "tool":
        said.update(_result(number, message, open_calls))
    return said


def _call(call: Call, call_id: str, open_calls: list[tuple[str, str]]) -> Json:
    open_calls.append((call_id, call.function.name))
    arguments = msgspec.json.encode(call.function.arguments or {}).decode()
    function = {"name": call.function.name, "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function}


def _result(number: int, message: Message, open_calls: list[tuple[str, str]]) -> Json:
    """Return the id, and the name where it is known, of the call that *message* answers.

    That is the call with its id; else the first open one of its tool; else the oldest open one.
    """
    given, name = message.tool_call_id, message.tool_name
    found = (
        next((c for c in open_calls if c[0] == given), None)
        or next((c for c in open_calls if c[1] == name), None)
        or next(iter(open_calls), None)
    )
    if found is None:
        found = (given or f"call_{number}", name or "")
    else:
        open_calls.remove(found)
    return {"tool_call_id": found[0], **({"name": found[1]} if found[1] else {})}
