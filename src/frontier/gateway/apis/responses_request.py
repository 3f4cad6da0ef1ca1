"""Requests of the Responses API, read."""

from typing import Annotated, Final, Literal

import msgspec

from frontier.gateway.apis.json_body import bad, decoded, invalid, unsupported, without_bom

_Count = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
_Temperature = Annotated[float, msgspec.Meta(ge=0, le=2)]
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Tops = Annotated[int, msgspec.Meta(ge=0, le=20)]
_EMPTY: Final = (b"null", b"false", b'""')
_STATEFUL: Final = ("previous_response_id", "conversation", "background", "prompt")


def _absent() -> msgspec.Raw:
    return msgspec.Raw(b"null")  # OpenAPI takes no such value for a default, only its maker


class Reasoning(msgspec.Struct, frozen=True):
    """How much the model thinks before it answers."""

    effort: str | None = None
    summary: str | None = None


class Format(msgspec.Struct, frozen=True):
    """What the text must look like."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = None
    description: str | None = None
    schema: dict[str, msgspec.Raw] | None = None
    strict: bool | None = None


class Text(msgspec.Struct, frozen=True):
    """Wishes about the text; those about its length are not known to local engines."""

    format: Format | None = None


class Wanted(msgspec.Struct, frozen=True):
    """The fields of a request; null means not given, and others are not for us."""

    model: str
    input: str | list[msgspec.Raw] | None = None
    instructions: str | None = None
    stream: bool | None = None
    max_output_tokens: _Count | None = None
    temperature: _Temperature | None = None
    top_p: _Share | None = None
    top_logprobs: _Tops | None = None
    tools: list[msgspec.Raw] | None = None
    tool_choice: msgspec.Raw = msgspec.field(default_factory=_absent)
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    text: msgspec.Raw = msgspec.field(default_factory=_absent)
    include: list[str] | None = None
    metadata: dict[str, str] | None = None
    store: bool | None = None
    previous_response_id: msgspec.Raw = msgspec.field(default_factory=_absent)
    conversation: msgspec.Raw = msgspec.field(default_factory=_absent)
    background: msgspec.Raw = msgspec.field(default_factory=_absent)
    prompt: msgspec.Raw = msgspec.field(default_factory=_absent)

    @property
    def wants_logprobs(self) -> bool:
        """Tell whether each token's probability is asked for, by either way of asking."""
        return bool(self.top_logprobs) or "message.output_text.logprobs" in (self.include or ())


_WANTED: Final = msgspec.json.Decoder(Wanted)
_TEXT: Final = msgspec.json.Decoder(Text | None)


def read(body: bytes) -> Wanted:
    """Return what *body* wants.

    Raises:
        BadRequestError: no JSON object, a field is missing or of the wrong type, or needs a
            gateway that stores responses.
    """
    wanted = decoded(_WANTED.decode, without_bom(body))
    if not wanted.model:
        raise bad("The field `model` is empty.", "model")
    if not wanted.input and wanted.input != "":
        raise bad("The field `input` must be a text or hold at least one item.", "input")
    for name in _STATEFUL:
        if bytes(getattr(wanted, name)) not in _EMPTY:
            raise unsupported(f"`{name}` is not supported: no response is stored here.", name)
    return wanted


def response_format(text: msgspec.Raw) -> dict[str, object] | None:
    """Return the field ``text`` as ``response_format`` of chat completions, None for any text.

    Raises:
        BadRequestError: an unknown type, or a schema that is not there.
    """
    try:
        wish = _TEXT.decode(text)
    except msgspec.ValidationError as error:
        raise invalid(error, "text") from error
    form = wish.format if wish else None
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return {"type": "json_object"}
    if form.schema is None:
        raise bad("The field `text.format.schema` is missing.", "text")
    schema = {"name": form.name or "schema", "schema": form.schema, "strict": form.strict}
    if form.description is not None:
        schema["description"] = form.description
    if form.strict is None:
        del schema["strict"]
    return {"type": "json_schema", "json_schema": schema}
