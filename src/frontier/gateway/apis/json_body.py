"""A request's body: JSON into checked values, and what is wrong with it in words for people."""

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from frontier.gateway.apis.api import BadRequestError
from frontier.gateway.errors import Problem

T = TypeVar("T")

_BOM: Final = b"\xef\xbb\xbf"
_PATH = re.compile(r" - at `\$\.?((\w*).*)`$")
_MISSING = re.compile(r"missing required field `(\w+)`")


def invalid(error: msgspec.ValidationError, within: str = "") -> BadRequestError:
    """Return the complaint about a field.

    Args:
        error: Of the decoder.
        within: Where what it decoded stands in the body, such as ``messages[0].content``.
    """
    message = str(error)
    found = _PATH.search(message)
    reason = message[: found.start()] if found else message
    inner = found[1] if found else ""
    where = f"{within}{'' if inner.startswith('[') or not within else '.'}{inner}".rstrip(".")
    if missing := _MISSING.search(reason):
        where = f"{where}.{missing[1]}".lstrip(".")
        return bad(f"The field `{where}` is missing.", _first(where))
    if not where:
        return bad(f"The request body is not valid: {reason}")
    return bad(f"The field `{where}` is not valid: {reason}", _first(where))


def decoded(
    decode: Callable[[bytes], T],
    body: bytes,
    complaint: Callable[[msgspec.ValidationError], BadRequestError] = invalid,
) -> T:
    """Return *body*, without a byte order mark, as *decode* of a decoder has it.

    Args:
        decode: Of a decoder.
        body: What the client sent.
        complaint: Says what is wrong with a field.

    Raises:
        BadRequestError: no JSON, or a field is missing or of the wrong type.
    """
    if not body:
        raise bad("The request body is missing.")
    try:
        found = decode(body)
        check_text(body)
    except msgspec.ValidationError as error:
        raise complaint(error) from error
    except msgspec.DecodeError as error:
        raise bad(f"The request body is not valid JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise bad("The request body is not valid UTF-8.") from error
    except RecursionError as error:
        raise bad("The request body is nested too deeply.") from error
    return found


def check_text(body: bytes) -> None:
    """Look at the text that a decoder skips because nobody wants it; llama.cpp answers 500 to it.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    if not body.isascii():
        body.decode()


def without_bom(body: bytes) -> bytes:
    """Return *body* as engines take it."""
    return body.removeprefix(_BOM)


def _first(where: str) -> str:
    return re.split(r"[.\[]", where, maxsplit=1)[0]


def bad(message: str, param: str | None = None) -> BadRequestError:
    """Return a refusal of the request because of *param*, a field of its body."""
    return BadRequestError(Problem(400, message, param=param))


def unsupported(message: str, param: str) -> BadRequestError:
    """Return a refusal of *param* because what it asks for exists, but not here."""
    return BadRequestError(Problem(400, message, code="unsupported_parameter", param=param))
