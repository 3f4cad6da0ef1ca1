"""Content blocks of Anthropic's Messages API as an engine's chat messages."""

import binascii
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from frontier.gateway.apis.anthropic_request import ABSENT, Message, is_object
from frontier.gateway.apis.json_body import bad, invalid

# Claude Code counts its requests in the system prompt: five hex digits that change with each, and
# with them all that an engine remembers of the prompt.
_COUNTER: Final = re.compile(r"^(x-anthropic-billing-header:.*?\bcch=)[0-9a-f]{5}\b", re.MULTILINE)
_NOTHING: Final = (b"", b"null")
_TURNS: Final = "messages"


class _Text(msgspec.Struct, frozen=True, tag="text"):
    text: str


class _Source(msgspec.Struct, frozen=True):
    type: str
    media_type: str = ""
    data: str = ""
    content: msgspec.Raw = ABSENT


class _Image(msgspec.Struct, frozen=True, tag="image"):
    source: _Source


class _Document(msgspec.Struct, frozen=True, tag="document"):
    source: _Source


class _SearchResult(msgspec.Struct, frozen=True, tag="search_result"):
    source: str
    title: str
    content: msgspec.Raw


class _ToolResult(msgspec.Struct, frozen=True, tag="tool_result"):
    tool_use_id: str
    content: msgspec.Raw = ABSENT
    is_error: bool | None = None


class _ToolUse(msgspec.Struct, frozen=True, tag="tool_use"):
    id: str
    name: str
    input: msgspec.Raw


class _Thinking(msgspec.Struct, frozen=True, tag="thinking"):
    thinking: str


class _Kind(msgspec.Struct, frozen=True):
    type: str


_Block = _Text | _Image | _Document | _SearchResult | _ToolResult | _ToolUse | _Thinking
_KNOWN: Final = frozenset(
    ["text", "image", "document", "search_result", "tool_result", "tool_use", "thinking"]
)
_KIND: Final = msgspec.json.Decoder(_Kind)
_BLOCK: Final = msgspec.json.Decoder(_Block)
_CONTENT: Final = msgspec.json.Decoder(str | list[msgspec.Raw])
_MAYBE: Final = msgspec.json.Decoder(str | list[msgspec.Raw] | None)

# A piece of a user's turn: a text, or an image as engines take it.
Part = str | dict[str, Any]


def chat_messages(system: msgspec.Raw, turns: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the conversation as an engine's chat has it; consecutive turns of one role are one.

    Raises:
        BadRequestError: a block is wrong, or of a kind that no engine reads.
    """
    texts = _texts(_blocks(system, "system")) if bytes(system) else []
    messages: list[dict[str, Any]] = []
    at = 0
    for role, group in groupby(turns, key=lambda turn: turn.role):
        blocks: list[_Block] = []
        for turn in group:
            blocks += _blocks(turn.content, f"messages[{at}].content")
            at += 1
        if role == "system" and not messages:
            texts += _texts(blocks)
        else:
            messages += _SAID_BY[role](blocks)
    if not messages:
        raise bad("The field `messages` has no content that a model can read.", "messages")
    return [*_system("\n".join(texts)), *messages]


def _system(text: str) -> Iterator[dict[str, Any]]:
    if text:
        yield {"role": "system", "content": _COUNTER.sub(r"\1fffff", text)}


def _later_system(blocks: list[_Block]) -> Iterator[dict[str, Any]]:
    return _system("\n".join(_texts(blocks)))


def _texts(blocks: list[_Block]) -> list[str]:
    return [block.text for block in blocks if isinstance(block, _Text) and block.text]


def _blocks(content: msgspec.Raw, where: str) -> list[_Block]:
    """Return the blocks that somebody here understands; the others are dropped."""
    try:
        found = (_MAYBE if where == "system" else _CONTENT).decode(content)
        if found is None or isinstance(found, str):
            return [_Text(found)] if found else []
        return [_BLOCK.decode(raw) for raw in found if _KIND.decode(raw).type in _KNOWN]
    except msgspec.ValidationError as error:
        raise invalid(error, where) from error


# The user


def _user(blocks: list[_Block]) -> Iterator[dict[str, Any]]:
    """Yield the results of tools, then everything else that the user says."""
    parts: list[Part] = []
    for block in blocks:
        if isinstance(block, _ToolResult):
            text, images = _result(block)
            yield {"role": "tool", "tool_call_id": block.tool_use_id, "content": text}
            parts += images
        else:
            parts += _parts(block)
    if parts:
        yield {"role": "user", "content": _content(parts)}


def _content(parts: list[Part]) -> str | list[dict[str, Any]]:
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return "\n".join(texts)
    return [{"type": "text", "text": p} if isinstance(p, str) else p for p in parts]


def _parts(block: _Block) -> list[Part]:
    match block:
        case _Text():
            return [block.text] if block.text else []
        case _Image():
            return [_image(block.source)]
        case _Document():
            return _document(block.source)
        case _SearchResult():
            texts = _texts(_blocks(block.content, "search_result.content"))
            return ["\n".join([block.title, block.source, *texts])]
        case _:
            return []


def _image(source: _Source) -> dict[str, Any]:
    """Return an image's bytes; an engine that fetched what a client names did so from inside."""
    if source.type != "base64":
        reason = "send its bytes, with the type `base64`"
        raise bad(
            f"An image's source cannot be of the type {source.type!r} here: {reason}.", _TURNS
        )
    try:
        binascii.a2b_base64(source.data, strict_mode=True)
    except ValueError as error:
        raise bad(f"The image is not valid base64: {error}.", _TURNS) from error
    url = f"data:{source.media_type};base64,{source.data}"
    return {"type": "image_url", "image_url": {"url": url}}


def _document(source: _Source) -> list[Part]:
    match source.type:
        case "text":
            return [source.data]
        case "content":
            blocks = _blocks(source.content, "document.source.content")
            return [part for block in blocks for part in _parts(block)]
        case _:
            reason = f"A document's source cannot be of the type {source.type!r} here: "
            raise bad(f"{reason}no engine reads such files.", "messages")


def _result(block: _ToolResult) -> tuple[str, list[Part]]:
    """Return a tool's result as text, and its images, which engines take from users only."""
    content = block.content
    blocks = _blocks(content, "tool_result.content") if bytes(content) not in _NOTHING else []
    parts = [part for inner in blocks for part in _parts(inner)]
    text = "\n".join(part for part in parts if isinstance(part, str))
    images: list[Part] = [part for part in parts if not isinstance(part, str)]
    return f"Error: {text}" if block.is_error else text, images


# The model


def _assistant(blocks: list[_Block]) -> Iterator[dict[str, Any]]:
    """Yield what the model said, as one message; its texts were parts of one."""
    text = "".join(_texts(blocks))
    thought = "".join(block.thinking for block in blocks if isinstance(block, _Thinking))
    calls = [_call(block) for block in blocks if isinstance(block, _ToolUse)]
    if not (text or thought or calls):
        return
    message: dict[str, Any] = {"role": "assistant", "content": text or None if calls else text}
    if thought:
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = calls
    yield message


def _call(block: _ToolUse) -> dict[str, Any]:
    if not is_object(block.input):
        raise bad("A tool's `input` must be an object.", "messages")
    arguments = bytes(block.input).decode()
    function = {"name": block.name, "arguments": arguments}
    return {"id": block.id, "type": "function", "function": function}


_SAID_BY: Final = {"user": _user, "assistant": _assistant, "system": _later_system}
