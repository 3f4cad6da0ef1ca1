"""Logarithmic probabilities as Ollama tells them."""

from typing import Final

import msgspec

from frontier.gateway.apis.ollama_body import Json


class _Token(msgspec.Struct, frozen=True):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: "list[_Token] | None" = None


class _Probabilities(msgspec.Struct, frozen=True):
    """A chat's; a completion's too, of llama.cpp."""

    content: list[_Token] | None = None


_DECODER: Final = msgspec.json.Decoder(_Probabilities)


def logprobs(raw: msgspec.Raw) -> list[Json]:
    """Return the probabilities in a choice's field *raw*, none of a shape that is not chat's."""
    data = bytes(raw)
    if data in (b"", b"null"):
        return []
    try:
        found = _DECODER.decode(data)
    except (ValueError, RecursionError):
        return []
    return [_told(token) for token in found.content or ()]


def _told(token: _Token) -> Json:
    told: Json = {"token": token.token, "logprob": token.logprob}
    told["bytes"] = token.bytes if token.bytes is not None else list(token.token.encode())
    if token.top_logprobs:
        told["top_logprobs"] = [_told(top) for top in token.top_logprobs]
    return told
