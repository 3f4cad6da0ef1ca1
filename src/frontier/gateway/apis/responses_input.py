"""Input items of the Responses API as chat messages."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from frontier.gateway.apis.json_body import invalid, unsupported
from frontier.gateway.apis.responses_content import Part, content_of
from frontier.gateway.apis.responses_tools import engine_name
from frontier.gateway.apis.responses_turns import Chat, Message


class _Kind(msgspec.Struct, frozen=True):
    type: str | None = None


class _Message(msgspec.Struct, frozen=True):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]


class _Call(msgspec.Struct, frozen=True):
    call_id: str
    name: str
    arguments: str
    namespace: str | None = None


class _CustomCall(msgspec.Struct, frozen=True):
    call_id: str
    name: str
    input: str
    namespace: str | None = None


class _Output(msgspec.Struct, frozen=True):
    call_id: str
    output: str | list[Part]


class _Thought(msgspec.Struct, frozen=True):
    text: str = ""


class _Reasoning(msgspec.Struct, frozen=True):
    summary: list[_Thought] | None = None
    content: list[_Thought] | None = None


_Item = _Message | _Call | _CustomCall | _Output | _Reasoning

_KIND: Final = msgspec.json.Decoder(_Kind)
_ITEMS: Final[Mapping[str, msgspec.json.Decoder[_Item]]] = {
    "message": msgspec.json.Decoder(_Message),
    "function_call": msgspec.json.Decoder(_Call),
    "custom_tool_call": msgspec.json.Decoder(_CustomCall),
    "function_call_output": msgspec.json.Decoder(_Output),
    "custom_tool_call_output": msgspec.json.Decoder(_Output),
    "reasoning": msgspec.json.Decoder(_Reasoning),
}


def to_messages(given: str | list[msgspec.Raw], instructions: str | None) -> list[Message]:
    """Return ``input``, after *instructions*, as messages for ``/v1/chat/completions``.

    Items that only a provider's own tools make are left out. A message's reasoning is its
    ``reasoning_content``.

    Raises:
        BadRequestError: an item cannot be understood, or what it holds is not served here.
    """
    chat = Chat(instructions)
    if isinstance(given, str):
        chat.say("user", given, "input")
    else:
        for position, raw in enumerate(given):
            _add(chat, raw, f"input[{position}]")
    return chat.messages()


def _add(chat: Chat, raw: msgspec.Raw, where: str) -> None:
    match _decoded(raw, where):
        case _Message() as item:
            where = f"{where}.content"
            chat.say(item.role, content_of(item.content, where), where)
        case _Call() as item:
            name = engine_name(item.name, item.namespace)
            chat.call(item.call_id, name, item.arguments or "{}")
        case _CustomCall() as item:
            arguments = msgspec.json.encode({"input": item.input}).decode()
            chat.call(item.call_id, engine_name(item.name, item.namespace), arguments)
        case _Output() as item:
            chat.result(item.call_id, content_of(item.output, f"{where}.output"))
        case _Reasoning() as item:
            chat.think(part.text for part in item.content or item.summary or ())
        case None:
            return


def _decoded(raw: msgspec.Raw, where: str) -> _Item | None:
    """Return the item, None for one of a kind that nobody here makes."""
    try:
        kind = _KIND.decode(raw).type or "message"
        decoder = _ITEMS.get(kind)
        item = decoder.decode(raw) if decoder else None
    except msgspec.ValidationError as error:
        raise invalid(error, where) from error
    if kind == "item_reference":
        raise unsupported(f"`{where}`: nothing is stored here; send the item itself.", "input")
    return item
