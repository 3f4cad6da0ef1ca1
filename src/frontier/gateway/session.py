"""Which session a request belongs to, so that its engine's cache can serve the next one too."""

import contextlib
from typing import TYPE_CHECKING, Final

import msgspec

from frontier.gateway.apis.api import BadRequestError

if TYPE_CHECKING:
    from frontier.gateway.routes import Route
    from frontier.gateway.wire.request import Request

_HEADER: Final = b"x-frontier-session"


class _Fields(msgspec.Struct, frozen=True):
    prompt_cache_key: msgspec.Raw = msgspec.Raw()
    user: msgspec.Raw = msgspec.Raw()


_DECODER = msgspec.json.Decoder(_Fields)


def session_of(request: "Request", route: "Route") -> bytes:
    """Return what is the same for the requests of one session, empty if nothing says so.

    The header comes first, since it works with every API and needs no change of the body; then
    `prompt_cache_key`, which OpenAI made for this; then `user`, which it replaces and which many
    clients still send. A key of the gateway is no session: a whole team may share it.

    Args:
        request: It may be of any API.
        route: To any engine of the model: tells how the request looks as engines take it.
    """
    header = request.headers.get(_HEADER)
    if header:
        return header
    with contextlib.suppress(BadRequestError, msgspec.MsgspecError):
        outgoing = request.ask.outgoing(route)
        fields = _DECODER.decode(outgoing.body)
        return bytes(fields.prompt_cache_key) or bytes(fields.user)
    return b""
