"""Request bodies: JSON that says what is wanted, or the 400 that says what is wrong with it."""

import re
from typing import Final, TypeVar

import msgspec

from frontier.gateway.apis.api import BadRequestError
from frontier.gateway.errors import Problem

_BOM: Final = b"\xef\xbb\xbf"
_PATH = re.compile(r" - at `\$\.?(\w*).*`$")
_MISSING = re.compile(r"missing required field `(\w+)`")

T = TypeVar("T")


def bad(message: str, param: str | None) -> BadRequestError:
    """Return the 400 for the field *param*, None if the body as a whole is wrong."""
    return BadRequestError(Problem(400, message, param=param))


def unsupported(message: str, param: str) -> BadRequestError:
    """Return the 400 for a feature that exists, but not here."""
    return BadRequestError(Problem(400, message, code="unsupported_parameter", param=param))


def without_bom(body: bytes) -> bytes:
    """Return *body* as engines take it: without a byte order mark."""
    return body.removeprefix(_BOM)


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Return what *body*, which has no byte order mark, wants.

    Raises:
        BadRequestError: no JSON, or a field is missing or of the wrong type.
    """
    if not body:
        raise bad("The request body is missing.", None)
    try:
        wanted = decoder.decode(body)
        if not body.isascii():
            body.decode()  # msgspec skips what it does not return; llama.cpp answers 500
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from error
    except msgspec.DecodeError as error:
        raise bad(f"The request body is not valid JSON: {error}", None) from error
    except UnicodeDecodeError as error:
        raise bad("The request body is not valid UTF-8.", None) from error
    except RecursionError as error:
        raise bad("The request body is nested too deeply.", None) from error
    return wanted


def invalid(message: str, within: str = "") -> BadRequestError:
    """Return msgspec's *message* as the 400 for the field that it is about.

    Args:
        message: Of a `msgspec.ValidationError`.
        within: Where the field is, for instance ``input[3]``; empty for the body itself.
    """
    if missing := _MISSING.search(message):
        name = _joined(within, missing[1])
        return bad(f"The field `{name}` is missing.", name)
    found = _PATH.search(message)
    name = _joined(within, found[1] if found else "")
    if not name:
        return bad(f"The request body is not valid: {message}", None)
    reason = message[: found.start()] if found else message
    return bad(f"The field `{name}` is not valid: {reason}", name)


def _joined(within: str, name: str) -> str:
    return f"{within}.{name}" if within and name else within or name
