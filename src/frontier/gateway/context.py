"""The context that engines really have, and requests that certainly do not fit into it."""

import re
from typing import Final, NamedTuple

import msgspec

from frontier.gateway.errors import Problem, context_exceeded

# The longest entries of the vocabularies in use have 128 bytes (runs of blanks or dashes), so
# this many bytes of letters and digits are at least one token. It is four times that, because a
# request that would have fitted must never be refused: the engine counts exactly, we do not.
TOKEN_BYTES: Final = 512
_WORDS = re.compile(r"\w+")


class Context(NamedTuple):
    """Tokens of context that the engines of one model have.

    Attributes:
        least: What any of them has: the guarantee.
        most: What the largest of them has.
    """

    least: int
    most: int


class _Part(msgspec.Struct, frozen=True):
    text: str = ""


class _Message(msgspec.Struct, frozen=True):
    role: str = ""
    content: str | list[_Part] | None = None


class _Chat(msgspec.Struct, frozen=True):
    messages: list[_Message]


class _Completion(msgspec.Struct, frozen=True):
    prompt: str


def overflow(path: str, body: bytes, most: int) -> Problem | None:
    """Return why the text of *body* cannot fit into *most* tokens, None if it may.

    A body shorter than the bound, as nearly all are, is not looked at. Of a chat only the last
    message of the user counts: templates may leave others out, and strip blanks.
    """
    if len(body) <= most * TOKEN_BYTES:
        return None
    try:
        text, param = _text(path, body)
    except msgspec.MsgspecError:
        return None  # the engine judges
    size = sum(len(word.encode(errors="replace")) for word in _WORDS.findall(text))
    least = -(-size // TOKEN_BYTES)
    return context_exceeded(most, least, param) if least > most else None


def _text(path: str, body: bytes) -> tuple[str, str]:
    """Return text that surely becomes part of the prompt, and the field that it stands in."""
    if path == "/v1/completions":
        return msgspec.json.decode(body, type=_Completion).prompt, "prompt"
    if path != "/v1/chat/completions":
        return "", ""  # tokenizers of embedding models may make one token of any word
    messages = msgspec.json.decode(body, type=_Chat).messages
    mine = [m.content for m in messages if m.role == "user"][-1:]
    content = mine[0] if mine else None
    if isinstance(content, list):
        content = " ".join(part.text for part in content)
    return content or "", "messages"
