"""Ollama's API in front of any engine: what leads to one."""

from typing import Final

import msgspec

from frontier.gateway.apis import ollama_messages
from frontier.gateway.apis.api import Ask
from frontier.gateway.apis.json_body import without_bom
from frontier.gateway.apis.ollama_body import (
    Body,
    Chat,
    Embed,
    Embeddings,
    Generate,
    Generating,
    bad,
    decoded,
    level,
    seconds,
)
from frontier.gateway.apis.ollama_embed import EmbedAsk
from frontier.gateway.apis.ollama_generation import ChatAsk, GenerateAsk
from frontier.gateway.apis.ollama_leases import Leases
from frontier.gateway.apis.ollama_lines import failure
from frontier.gateway.apis.ollama_options import checked, constraint
from frontier.gateway.errors import Problem
from frontier.gateway.names import is_valid

_CHAT: Final = msgspec.json.Decoder(Chat)
_GENERATE: Final = msgspec.json.Decoder(Generate)
_EMBED: Final = msgspec.json.Decoder(Embed)
_EMBEDDINGS: Final = msgspec.json.Decoder(Embeddings)
_MOST_LOGPROBS: Final = 20


class Ollama:
    """Ollama's API.

    Attributes:
        leases: How long clients asked models to stay.
    """

    def __init__(self) -> None:
        self.leases = Leases()

    def read(self, path: str, body: bytes) -> Ask:
        """Return what the request asks.

        Raises:
            BadRequestError: no JSON object, a field is missing, of the wrong type, or means
                nothing.
        """
        body = without_bom(body)
        match path:
            case "/api/chat":
                return self._chat(path, body)
            case "/api/generate":
                return self._generate(path, body)
            case "/api/embed":
                return self._embed(path, body, decoded(_EMBED, body))
            case _:
                return self._embed(path, body, decoded(_EMBEDDINGS, body))

    def _chat(self, path: str, body: bytes) -> ChatAsk:
        wanted = decoded(_CHAT, body)
        ollama_messages.checked(wanted.messages or ())
        _check(wanted)
        return ChatAsk(
            path=path,
            body=body,
            model=_required(wanted),
            options=checked(wanted.options),
            keep_s=seconds(wanted.keep_alive),
            leases=self.leases,
            wanted=wanted,
        )

    def _generate(self, path: str, body: bytes) -> GenerateAsk:
        wanted = decoded(_GENERATE, body)
        _check(wanted)
        if wanted.raw and (wanted.template or wanted.system or wanted.context):
            raise bad("raw mode does not support template, system, or context")
        return GenerateAsk(
            path=path,
            body=body,
            model=_named(wanted),
            options=checked(wanted.options),
            keep_s=seconds(wanted.keep_alive),
            leases=self.leases,
            wanted=wanted,
        )

    def _embed(self, path: str, body: bytes, wanted: Embed | Embeddings) -> EmbedAsk:
        checked(wanted.options)
        if isinstance(wanted, Embed) and (wanted.dimensions or 0) < 0:
            raise bad("dimensions must not be negative")
        return EmbedAsk(
            path=path,
            body=body,
            model=_named(wanted) if isinstance(wanted, Embed) else _required(wanted),
            wanted=wanted,
            keep_s=seconds(wanted.keep_alive),
            leases=self.leases,
        )

    def problem(self, problem: Problem, request_id: str) -> bytes:
        """Return *problem* as a JSON document, ASCII only."""
        return failure(problem).rstrip()


def _check(wanted: Generating) -> None:
    level(wanted.think)
    constraint(wanted.format, "", is_chat=True)
    if not 0 <= (wanted.top_logprobs or 0) <= _MOST_LOGPROBS:
        raise bad(f"top_logprobs must be between 0 and {_MOST_LOGPROBS}")


def _required(wanted: Body) -> str:
    if not wanted.model:
        raise bad("model is required")
    return wanted.model


def _named(wanted: Body) -> str:
    if not wanted.model:
        raise bad("model '' not found", status=404)
    return wanted.model


def not_found(name: str) -> Problem:
    """Return the error for a model that no route serves."""
    return _missing(name, f"model '{name}' not found")


def not_there(name: str) -> Problem:
    """Return the same as `/api/copy` says it."""
    return _missing(name, f'model "{name}" not found')


def not_pulled(name: str) -> Problem:
    """Return the same as the two ways to embed say it."""
    return _missing(name, f'model "{name}" not found, try pulling it first')


def _missing(name: str, message: str) -> Problem:
    if not is_valid(name):
        return Problem(400, "invalid model name")
    return Problem(404, message, code="model_not_found")
