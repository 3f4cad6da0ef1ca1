"""Tools of the Responses API as functions that every engine knows, and their calls taken back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec

from frontier.gateway.apis.json_body import bad, invalid

Definition = dict[str, object]

_Name = Annotated[str, msgspec.Meta(min_length=1)]
_NO_PARAMETERS: Final = msgspec.Raw(b'{"type":"object","properties":{}}')
_FREE_TEXT: Final = msgspec.Raw(
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}'
)


class _Kind(msgspec.Struct, frozen=True):
    type: str


class _Function(msgspec.Struct, frozen=True):
    name: _Name
    description: str | None = None
    parameters: dict[str, msgspec.Raw] | None = None
    strict: bool | None = None


class _Format(msgspec.Struct, frozen=True):
    syntax: str | None = None
    definition: str | None = None


class _Custom(msgspec.Struct, frozen=True):
    name: _Name
    description: str | None = None
    format: _Format | None = None


class _Namespace(msgspec.Struct, frozen=True):
    name: _Name
    tools: list[msgspec.Raw] = []


class _Choice(msgspec.Struct, frozen=True):
    type: str
    name: str | None = None
    namespace: str | None = None
    mode: Literal["auto", "required"] | None = None
    tools: "list[_Choice] | None" = None


_KIND: Final = msgspec.json.Decoder(_Kind)
_TOOLS: Final[Mapping[str, msgspec.json.Decoder[Any]]] = {
    "function": msgspec.json.Decoder(_Function),
    "custom": msgspec.json.Decoder(_Custom),
    "namespace": msgspec.json.Decoder(_Namespace),
}
_CHOICE: Final[msgspec.json.Decoder[str | _Choice]] = msgspec.json.Decoder(
    Literal["none", "auto", "required"] | _Choice
)


class Tool(NamedTuple):
    """A tool as the client knows it.

    Attributes:
        is_custom: It takes text, not JSON.
    """

    name: str
    namespace: str | None = None
    is_custom: bool = False


class Chosen(NamedTuple):
    """What an engine may, or must, call.

    Attributes:
        choice: "auto" or "required".
    """

    definitions: list[Definition]
    choice: str


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of one request by the names that the engine knows them by.

    Those that a provider runs itself, such as a web search, are left out: clients offer them to
    everybody, and go on without.
    """

    definitions: dict[str, Definition]
    declared: dict[str, Tool]

    def tool(self, engine_name: str) -> Tool:
        """Return whom a call means; a tool that nobody declared keeps its name."""
        return self.declared.get(engine_name) or Tool(engine_name)

    def chosen(self, raw: msgspec.Raw) -> Chosen | None:
        """Return the tools that the request's ``tool_choice`` leaves, None for none.

        A choice becomes a shorter list: not every engine understands more than "required".
        """
        choice = _decoded_choice(raw)
        if isinstance(choice, str):
            names, mode = list(self.definitions), choice
        elif choice.type == "allowed_tools":
            names = [self._named(c) for c in choice.tools or () if c.name]
            mode = choice.mode or "auto"
        elif choice.type in ("function", "custom"):
            names, mode = [self._named(choice)], "required"
        else:  # a tool that was left out
            names, mode = list(self.definitions), "auto"
        if mode == "none" or not names:
            return None
        return Chosen([self.definitions[name] for name in names], mode)

    def _named(self, choice: _Choice) -> str:
        name = engine_name(choice.name or "", choice.namespace)
        if name not in self.definitions:
            raise bad(f"The tool `{choice.name}` is not among `tools`.", "tool_choice")
        return name


def _decoded_choice(raw: msgspec.Raw) -> str | _Choice:
    if bytes(raw) in (b"", b"null"):
        return "auto"
    try:
        return _CHOICE.decode(raw)
    except msgspec.ValidationError as error:
        raise invalid(error, "tool_choice") from error


def read_tools(raws: Iterable[msgspec.Raw]) -> Tools:
    """Return the tools that *raws*, the items of ``tools``, declare.

    Raises:
        BadRequestError: one has no name, or another's, or a field of the wrong type.
    """
    tools = Tools({}, {})
    for position, raw in enumerate(raws):
        try:
            _add(tools, raw, None)
        except msgspec.ValidationError as error:
            raise invalid(error, f"tools[{position}]") from error
    return tools


def _add(tools: Tools, raw: msgspec.Raw, namespace: str | None) -> None:
    decoder = _TOOLS.get(_KIND.decode(raw).type)
    match decoder and decoder.decode(raw):
        case _Namespace() as space if namespace is None:
            for inner in space.tools:
                _add(tools, inner, space.name)
        case _Function() as function:
            name = _declare(tools, Tool(function.name, namespace))
            tools.definitions[name] = _function(name, function)
        case _Custom() as custom:
            name = _declare(tools, Tool(custom.name, namespace, is_custom=True))
            tools.definitions[name] = _custom(name, custom)
        case _:
            return


def engine_name(name: str, namespace: str | None) -> str:
    """Return what an engine calls a tool, whether it is still declared or not."""
    return name if namespace is None else f"{namespace.rstrip('_')}__{name}"


def _declare(tools: Tools, tool: Tool) -> str:
    """Return the engine's name for *tool*, which is its alone."""
    name = engine_name(tool.name, tool.namespace)
    if tools.declared.setdefault(name, tool) != tool:
        raise bad(f"More than one tool is called `{name}`.", "tools")
    return name


def _function(name: str, function: _Function) -> Definition:
    said: Definition = {"name": name, "parameters": function.parameters or _NO_PARAMETERS}
    if function.description is not None:
        said["description"] = function.description
    if function.strict is not None:
        said["strict"] = function.strict
    return {"type": "function", "function": said}


def _custom(name: str, custom: _Custom) -> Definition:
    """Return a tool that takes free text as a function of one string."""
    parts = [custom.description or ""]
    if custom.format and custom.format.definition:
        syntax = custom.format.syntax or "following"
        parts.append(f"The input follows this {syntax} grammar:\n{custom.format.definition}")
    description = "\n\n".join(part for part in parts if part)
    said: Definition = {"name": name, "parameters": _FREE_TEXT}
    if description:
        said["description"] = description
    return {"type": "function", "function": said}
