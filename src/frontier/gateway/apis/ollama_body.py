"""The bodies of Ollama's requests, as they arrive."""

import re
from typing import Any, Final, TypeVar

import msgspec

from frontier.gateway.apis.api import BadRequestError
from frontier.gateway.apis.json_body import check_text, without_bom
from frontier.gateway.errors import Problem

T = TypeVar("T")

Levels: Final = ("low", "medium", "high", "max")
_DURATION: Final = re.compile(r"[+-]?((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+", re.ASCII)
_STEP: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_LONGEST: Final = 100
_UNITS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_FOREVER: Final = float("inf")
_CENTURY_S: Final = 100 * 365 * 86400.0

Json = dict[str, Any]


class Function(msgspec.Struct, frozen=True):
    """What a tool call calls; arguments are an object, unlike OpenAI's."""

    name: str
    arguments: Json | None = None


class Call(msgspec.Struct, frozen=True):
    """A tool call of an earlier answer; most clients give no id back."""

    function: Function
    id: str | None = None


class Message(msgspec.Struct, frozen=True):
    """One turn.

    Attributes:
        images: Base64, with or without a data URI's prefix.
        tool_name: Of a result: which tool gave it.
    """

    role: str
    content: str | None = None
    thinking: str | None = None
    images: list[str] | None = None
    tool_calls: list[Call] | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None


class Body(msgspec.Struct, frozen=True):
    """What all requests to a model have."""

    model: str | None = None
    stream: bool | None = None
    options: Json | None = None
    keep_alive: float | str | None = None


class Generating(Body, frozen=True):
    """What both ways to generate text have."""

    format: Json | str | None = None
    think: bool | str | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None


class Chat(Generating, frozen=True):
    """`/api/chat`."""

    messages: list[Message] | None = None
    tools: list[Json] | None = None


class Generate(Generating, frozen=True):
    """`/api/generate`."""

    prompt: str | None = None
    suffix: str | None = None
    images: list[str] | None = None
    system: str | None = None
    template: str | None = None
    context: list[int] | None = None
    raw: bool | None = None


class Embed(Body, frozen=True):
    """`/api/embed`."""

    input: str | list[str] | None = None
    dimensions: int | None = None


class Embeddings(Body, frozen=True):
    """`/api/embeddings`, which Ollama keeps for old clients."""

    prompt: str | None = None


def bad(message: str, status: int = 400) -> BadRequestError:
    """Return the error that *message* explains."""
    return BadRequestError(Problem(status, message))


def decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Return *body* decoded.

    Raises:
        BadRequestError: it is missing, no JSON object, or a field has the wrong type.
    """
    body = without_bom(body)
    if not body:
        raise bad("missing request body")
    try:
        found = decoder.decode(body)
        check_text(body)
    except msgspec.ValidationError as error:
        raise bad(f"invalid request: {error}") from error
    except msgspec.DecodeError as error:
        raise bad(f"invalid JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise bad("the request body is not valid UTF-8") from error
    except RecursionError as error:
        raise bad("the request body is nested too deeply") from error
    return found


def seconds(keep_alive: float | str | None) -> float | None:
    """Return for how long a model is to stay, in seconds; infinite for ever, None if not said.

    Raises:
        BadRequestError: no number and no duration as Go writes them, such as ``1h30m``.
    """
    if keep_alive is None:
        return None
    value = _go_duration(keep_alive) if isinstance(keep_alive, str) else float(keep_alive)
    return value if 0 <= value < _CENTURY_S else _FOREVER


def _go_duration(text: str) -> float:
    if text == "0":
        return 0.0
    if len(text) > _LONGEST or not _DURATION.fullmatch(text):
        raise bad(f'time: invalid duration "{text[:_LONGEST]}"')
    total = sum(float(number) * _UNITS[unit] for number, unit in _STEP.findall(text))
    return -total if text.startswith("-") else total


def level(think: bool | str | None) -> bool | str | None:
    """Return how much the model should think.

    Raises:
        BadRequestError: no level that Ollama knows.
    """
    if isinstance(think, str) and think not in Levels:
        raise bad(f'invalid think value: "{think}" (must be one of {", ".join(Levels)} or a bool)')
    return think
