"""OpenAI's API: the engines' own, so requests and answers pass as they come."""

from dataclasses import dataclass
from typing import Final

import msgspec

from frontier.gateway.apis.api import Outgoing
from frontier.gateway.apis.json_body import bad, decoded, without_bom
from frontier.gateway.errors import Problem
from frontier.gateway.routes import Route


class _Message(msgspec.Struct, frozen=True):
    """An object; the engine judges what is in it."""


class Wanted(msgspec.Struct, frozen=True):
    """The fields that decide where a request goes."""

    model: str
    stream: bool | None = None


class _WantedChat(Wanted, frozen=True):
    messages: tuple[_Message, ...] = ()


_DECODERS: Final[dict[str, msgspec.json.Decoder[_WantedChat] | msgspec.json.Decoder[Wanted]]] = {
    "/v1/chat/completions": msgspec.json.Decoder(_WantedChat),
    "/v1/completions": msgspec.json.Decoder(Wanted),
    "/v1/embeddings": msgspec.json.Decoder(Wanted),
}
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True)
class Passed:
    """A request that engines take as it came.

    Attributes:
        body: Without a byte order mark.
    """

    path: str
    model: str
    stream: bool
    body: bytes

    @property
    def size(self) -> int:
        """Bytes that it keeps in memory."""
        return len(self.body)

    def outgoing(self, route: Route) -> Outgoing:
        """Return it with the engine's own name for the model."""
        target = route.target
        body = with_model(self.body, target.upstream_model) if route.splice else self.body
        return Outgoing(self.path, body)


class OpenAI:
    """OpenAI's API."""

    def read(self, path: str, body: bytes) -> Passed:
        """Return what the request asks.

        Raises:
            BadRequestError: no JSON object, or a deciding field is missing or of the wrong type.
        """
        wanted, body = read(path, body)
        return Passed(path, wanted.model, bool(wanted.stream), body)

    def problem(self, problem: Problem, request_id: str) -> bytes:
        """Return *problem* as a JSON document, ASCII only."""
        return problem.body


def read(path: str, body: bytes) -> tuple[Wanted, bytes]:
    """Return what the request wants, and the body as engines take it: without a byte order mark.

    Raises:
        BadRequestError: no JSON object, or a deciding field is missing or of the wrong type.
    """
    body = without_bom(body)
    wanted = decoded(_DECODERS[path].decode, body)
    if not wanted.model:
        raise bad("The field `model` is empty.", "model")
    if isinstance(wanted, _WantedChat) and not wanted.messages:
        raise bad("The field `messages` must hold at least one message.", "messages")
    return wanted, body


def with_model(body: bytes, name: str) -> bytes:
    """Return *body* with *name* as its model; every other field keeps its bytes."""
    fields = _FIELDS.decode(body)
    fields["model"] = msgspec.Raw(msgspec.json.encode(name))
    return msgspec.json.encode(fields)
