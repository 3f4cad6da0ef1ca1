"""A request of Anthropic's Messages API as it is read; what engines cannot use is left out."""

from typing import Annotated, Final, Literal, TypeVar

import msgspec

from frontier.gateway.apis.json_body import bad, decoded, without_bom

ABSENT: Final = msgspec.Raw()
# Blocks are read one by one, since those of unknown types are dropped.
_BLOCKS: Final = {
    "type": "array",
    "items": {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}},
}
_TEXT: Final = {"type": "string"}
Content = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"anyOf": [_TEXT, _BLOCKS]})]
System = Annotated[
    msgspec.Raw, msgspec.Meta(extra_json_schema={"anyOf": [_TEXT, _BLOCKS, {"type": "null"}]})
]
Schema = Annotated[msgspec.Raw, msgspec.Meta(extra_json_schema={"type": "object"})]


class Message(msgspec.Struct, frozen=True):
    """One turn.

    Attributes:
        content: Text or blocks.
    """

    role: Literal["user", "assistant", "system"]
    content: Content


class Tool(msgspec.Struct, frozen=True):
    """A function that the model may call; the vendor's own tools have no schema."""

    name: str = ""
    description: str | None = None
    input_schema: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)
    strict: bool | None = None


class ToolChoice(msgspec.Struct, frozen=True):
    """Whether and what to call."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(msgspec.Struct, frozen=True):
    """Whether to reason first; everything but ``disabled`` means yes."""

    type: str
    budget_tokens: int | None = None


class Format(msgspec.Struct, frozen=True):
    """What the answer's text must be."""

    type: Literal["json_schema"]
    schema: Schema


class OutputConfig(msgspec.Struct, frozen=True):
    """How much to think, and what the answer must be."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: Format | None = None


class Metadata(msgspec.Struct, frozen=True):
    """Who asks."""

    user_id: str | None = None


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer depends on: all that is counted, and most of what is asked.

    Attributes:
        system: Text or blocks, empty if absent.
    """

    model: str
    messages: list[Message]
    system: System = msgspec.field(default_factory=msgspec.Raw)
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None


class Wanted(Prompt, frozen=True, kw_only=True):
    """A request for an answer; sampling fields are taken under any version of the API."""

    max_tokens: Annotated[int, msgspec.Meta(ge=1)]
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: Metadata | None = None


P = TypeVar("P", bound=Prompt)

_WANTED: Final = msgspec.json.Decoder(Wanted)
_PROMPT: Final = msgspec.json.Decoder(Prompt)


def read_wanted(body: bytes) -> Wanted:
    """Return the request for an answer in *body*.

    Raises:
        BadRequestError: no JSON object, or a field is missing or of the wrong type.
    """
    return _checked(decoded(_WANTED.decode, without_bom(body)))


def read_prompt(body: bytes) -> Prompt:
    """Return what is to be counted in *body*.

    Raises:
        BadRequestError: no JSON object, or a field is missing or of the wrong type.
    """
    return _checked(decoded(_PROMPT.decode, without_bom(body)))


def _checked(found: P) -> P:
    if not found.model:
        raise bad("The field `model` is empty.", "model")
    if not found.messages:
        raise bad("The field `messages` must hold at least one message.", "messages")
    names = [tool.name for tool in usable(found.tools)]
    if not all(names):
        raise bad("The field `tools` has a tool without a name.", "tools")
    choice = found.tool_choice
    if choice is not None and choice.type == "tool" and choice.name not in names:
        raise bad(f"The field `tool_choice.name` names no tool: {choice.name!r}.", "tool_choice")
    form = found.output_config and found.output_config.format
    if form and not is_object(form.schema):
        raise bad("The field `output_config.format.schema` must be an object.", "output_config")
    return found


def usable(tools: list[Tool] | None) -> list[Tool]:
    """Return the tools that a model can call: those with a schema."""
    return [tool for tool in tools or () if is_object(tool.input_schema)]


def is_object(raw: msgspec.Raw) -> bool:
    """Tell whether *raw* is there, and a JSON object."""
    return bytes(raw)[:1] == b"{"
