"""Images and sounds of Ollama's requests, as parts of a chat message."""

import base64
import binascii
from typing import Final

from frontier.gateway.apis.ollama_body import Json, bad

_HEAD: Final = 24  # base64 digits that hold the first 18 bytes
_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mp3"),
    (b"\xff\xfb", "audio/mp3"),
    (b"\xff\xf3", "audio/mp3"),
)


def part(data: str, backend: str) -> Json:
    """Return *data*, base64, as a part of a message.

    Raises:
        BadRequestError: no base64, of no known kind, or of one that the engine cannot read.
    """
    if data.startswith("data:"):
        data = data.partition(",")[2]
    kind = _kind(data)
    if kind == "image/webp" and backend == "llamacpp":
        raise bad("webp images are not supported by this engine: send png or jpeg")
    if kind.startswith("audio/"):
        sound = {"data": data, "format": kind.partition("/")[2]}
        return {"type": "input_audio", "input_audio": sound}
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{data}"}}


def _kind(data: str) -> str:
    try:
        binascii.a2b_base64(data, strict_mode=True)
        head = base64.b64decode(data[:_HEAD])
    except ValueError as error:  # binascii's own error is one
        raise bad("invalid image: illegal base64 data") from error
    if head.startswith(b"RIFF"):
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12], "") or _unknown()
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), "") or _unknown()


def _unknown() -> str:
    raise bad("invalid image: neither png, jpeg, gif, bmp nor webp")
