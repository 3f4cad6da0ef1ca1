"""What messages and tools' results hold, as parts of chat messages."""

import binascii
from typing import TypeVar

import msgspec

from frontier.gateway.apis.json_body import bad, unsupported

ChatPart = dict[str, object]
T = TypeVar("T")


class Part(msgspec.Struct, frozen=True):
    """A piece of a message; which fields it has depends on its type."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: str | None = None
    input_audio: msgspec.Raw | None = None


def content_of(given: str | list[Part], where: str) -> str | list[ChatPart]:
    """Return content as chat messages have it: as one text if it is nothing else.

    Args:
        given: As the request has it.
        where: The field, for an error.

    Raises:
        BadRequestError: a part is of a kind that is not served, or is not whole.
    """
    if isinstance(given, str):
        return given
    parts = [_part(part, f"{where}[{position}]") for position, part in enumerate(given)]
    if all(part["type"] == "text" for part in parts):
        return "\n".join(str(part["text"]) for part in parts)
    return parts


def _part(part: Part, where: str) -> ChatPart:
    match part.type:
        case "input_text" | "output_text" | "text":
            return {"type": "text", "text": _given(part.text, f"{where}.text")}
        case "refusal":
            return {"type": "text", "text": _given(part.refusal, f"{where}.refusal")}
        case "input_image":
            url = _checked_image(_given(part.image_url, f"{where}.image_url"), where)
            detail = {"detail": part.detail} if part.detail else {}
            return {"type": "image_url", "image_url": {"url": url, **detail}}
        case "input_audio":
            audio = _given(part.input_audio, f"{where}.input_audio")
            return {"type": "input_audio", "input_audio": audio}
        case _:
            raise unsupported(f"`{where}`: content of type `{part.type}` is not served.", "input")


def _given(value: T | None, where: str) -> T:
    if value is None:
        raise bad(f"The field `{where}` is missing.", "input")
    return value


def _checked_image(url: str, where: str) -> str:
    """Return *url* if it holds the image itself."""
    head, comma, data = url.partition(",")
    if not url.startswith("data:image/") or not head.endswith(";base64") or not comma:
        message = (
            f"`{where}`: an image must come as `data:image/TYPE;base64,DATA`; none is fetched."
        )
        raise bad(message, "input")
    try:
        binascii.a2b_base64(data, strict_mode=True)
    except ValueError as error:
        raise bad(f"`{where}`: the image is not valid base64: {error}.", "input") from error
    return url
