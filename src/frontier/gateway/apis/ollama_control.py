"""What Ollama's control routes are asked, and how they answer."""

import json
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from frontier.gateway.apis.ollama_body import bad, decoded

if TYPE_CHECKING:
    from frontier.gateway.routes import Target

_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Wanted(msgspec.Struct, frozen=True):
    """A request that names a model, by its old field or its new one."""

    model: str | None = None
    name: str | None = None
    source: str | None = None
    stream: bool | None = None
    verbose: bool | None = None

    @property
    def asked(self) -> str:
        """The name."""
        return self.model or self.name or self.source or ""

    def renamed(self, body: bytes, target: "Target | None") -> bytes:
        """Return *body* with the engine's own name for the model."""
        if target is None:
            return body
        fields = _FIELDS.decode(body)
        own = msgspec.Raw(msgspec.json.encode(target.upstream_model))
        return msgspec.json.encode(
            {k: own if k in {"model", "name", "source"} else v for k, v in fields.items()}
        )


_DECODER: Final = msgspec.json.Decoder(Wanted)


async def read(request: Request) -> tuple[Wanted, bytes]:
    """Return what is asked, and the body as it came.

    Raises:
        BadRequestError: no JSON object, or it names no model.
    """
    body = await request.body()
    wanted = decoded(_DECODER, body)
    if not wanted.asked:
        raise bad("model is required")
    return wanted, body


def document(body: object, status: int = 200) -> Response:
    """Return *body* as JSON, ASCII only."""
    return Response(json.dumps(body), status, media_type="application/json")
