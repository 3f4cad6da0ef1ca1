"""What engines that speak OpenAI's API take otherwise than it says."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from frontier.gateway.apis.json_body import bad
from frontier.gateway.apis.openai_request import Wanted, WantedChat, WantedGeneration
from frontier.gateway.routes import Route

Fields = dict[str, msgspec.Raw]


class _Function(msgspec.Struct, frozen=True):
    name: str = ""


class _Tool(msgspec.Struct, frozen=True):
    function: _Function = _Function()


_FIELDS: Final = msgspec.json.Decoder(Fields)
_DEVELOPER: Final = b'"developer"'


class _Difference(NamedTuple):
    """One thing that an engine takes otherwise.

    Attributes:
        matters: Whether a request is about it; asked for every request.
        change: Puts the fields right.
    """

    matters: Callable[[Wanted], bool]
    change: Callable[[Fields], None]


def changed(body: bytes, wanted: Wanted, route: Route) -> bytes:
    """Return *body* as the engine of *route* takes it; the same object where nothing changes.

    Raises:
        BadRequestError: a field that has to change makes no sense.
    """
    differences = _DIFFERENCES.get(route.target.backend, ())
    needed = [change for matters, change in differences if matters(wanted)]
    if not needed:
        return with_model(body, route.upstream_model) if route.splice else body
    fields = _FIELDS.decode(body)
    if route.splice:
        fields["model"] = _raw(route.upstream_model)
    for change in needed:
        try:
            change(fields)
        except msgspec.ValidationError as error:
            raise bad(f"The request body is not valid: {error}", None) from error
    return msgspec.json.encode(fields)


def with_model(body: bytes, name: str) -> bytes:
    """Return *body* with *name* as its model; every other field keeps its bytes."""
    fields = _FIELDS.decode(body)
    fields["model"] = _raw(name)
    return msgspec.json.encode(fields)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _names_a_tool(wanted: Wanted) -> bool:
    return isinstance(wanted, WantedChat) and isinstance(wanted.tool_choice, dict)


def _offer_one_tool(fields: Fields) -> None:
    """Offer nothing but the named tool: llama.cpp takes the object for "auto" without a word."""
    name = msgspec.json.decode(fields["tool_choice"], type=_Tool).function.name
    tools = msgspec.json.decode(fields.get("tools", b"[]"), type=list[msgspec.Raw])
    named = [t for t in tools if msgspec.json.decode(t, type=_Tool).function.name == name]
    if not named:
        raise bad(f"`tool_choice` names `{name}`, which is not among the tools.", "tool_choice")
    fields["tools"] = _raw(named[:1])
    fields["tool_choice"] = _raw("required")


def _hides_its_usage(wanted: Wanted) -> bool:
    return isinstance(wanted, WantedGeneration) and bool(wanted.stream) and not wanted.wants_usage


def _ask_for_usage(fields: Fields) -> None:
    """Have the stream end with its tokens, for the metrics; the client does not see them."""
    fields["stream_options"] = _raw({"include_usage": True})


def _has_stream_options(wanted: Wanted) -> bool:
    return isinstance(wanted, WantedGeneration) and wanted.stream_options is not None


def _drop_stream_options(fields: Fields) -> None:
    """Drop what mistral.rs does not know; it tells the usage without being asked."""
    del fields["stream_options"]


def _has_nameless_schema(wanted: Wanted) -> bool:
    wished = wanted.response_format if isinstance(wanted, WantedChat) else None
    return wished is not None and wished.json_schema is not None and not wished.json_schema.name


def _name_schema(fields: Fields) -> None:
    """Give the schema the name that mistral.rs insists on."""
    wished: Any = msgspec.json.decode(fields["response_format"])
    wished["json_schema"]["name"] = "schema"
    fields["response_format"] = _raw(wished)


def _has_developer(wanted: Wanted) -> bool:
    roles = [m.role for m in wanted.messages] if isinstance(wanted, WantedChat) else ()
    return "developer" in roles


def _rename_developer(fields: Fields) -> None:
    """Call the developer system: many local templates refuse a role that they do not know."""
    messages = msgspec.json.decode(fields["messages"], type=list[Fields])
    for message in messages:
        if bytes(message["role"]) == _DEVELOPER:
            message["role"] = _raw("system")
    fields["messages"] = _raw(messages)


_TOOL: Final = _Difference(_names_a_tool, _offer_one_tool)
_USAGE: Final = _Difference(_hides_its_usage, _ask_for_usage)
_OPTIONS: Final = _Difference(_has_stream_options, _drop_stream_options)
_SCHEMA: Final = _Difference(_has_nameless_schema, _name_schema)
_ROLE: Final = _Difference(_has_developer, _rename_developer)

_DIFFERENCES: Final = {
    "llamacpp": (_TOOL, _ROLE),
    "vllm": (_USAGE, _ROLE),
    "mistral": (_OPTIONS, _SCHEMA, _ROLE),
    "openai": (_USAGE,),
}
