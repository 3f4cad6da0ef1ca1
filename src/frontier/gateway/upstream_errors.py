"""An engine's error, whatever its shape, as the one that OpenAI's clients understand."""

import json
import re
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, TypeGuard, cast

from frontier.gateway.errors import Problem

_LONGEST_MESSAGE = 1024
_LONGEST_RETRY_S: Final = 60
_LONGEST_NUMBER: Final = 9
_OVERFLOW = re.compile(
    r"maximum context length|exceeds? the (?:available )?context|context (?:size|length|window)"
    r"|too large to process",
    re.IGNORECASE,
)
_OVERFLOW_SIZE = re.compile(r"(?:maximum context length is|context size \(?)\s*(\d+)")
# llama.cpp: "request (600 tokens) exceeds"; vLLM: "4000 in the messages", "your request has 4000"
_PROMPT_SIZE = re.compile(
    r"request \((\d+) tokens\)|(\d+) in the (?:messages|prompt)|request has (\d+) input tokens"
)
_STATUS = {
    422: 400,  # openai-python and its users retry 422, though the request will never be valid
    501: 400,  # llama.cpp's `not_supported_error`; OpenAI's clients retry every 5xx
}


_PROMPT_FIELDS: Final = {
    "/v1/completions": "prompt",
    "/v1/embeddings": "input",
    "/v1/responses": "input",
}


def translate(status: int, body: bytes, *, retry_after: bytes | None, path: str) -> Problem:
    """Return an engine's error answer as ours.

    Args:
        status: What the engine answered, 300 or more.
        body: Its body: any of llama.cpp's, vLLM's, mistral.rs's and Ollama's shapes, text or HTML.
        retry_after: The engine's own header.
        path: Of the request: names the field whose text is longer than the context.
    """
    answer = _decoded(body)
    message = _message(answer, body) or f"The engine answered with status {status}."
    status = _STATUS.get(status, status)
    # llama.cpp says 500 of an input that no retry makes shorter
    may_overflow = status in (HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR)
    if may_overflow and (size := _overflow(answer, message)) is not None:
        too_long = _too_long(size, message, _PROMPT_FIELDS.get(path, "messages"))
        return replace(too_long, tokens=_prompt_size(answer, message))
    if status < HTTPStatus.BAD_REQUEST:
        return Problem(502, f"The engine answered with status {status}.", code="upstream_error")
    headers = _retry_header(status, retry_after)
    return Problem(status, message, code=_code(status, answer, message), headers=headers)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(answer, dict):
        return {}
    found = cast("dict[str, Any]", answer)
    error = found.get("error", found)
    return cast("dict[str, Any]", error) if isinstance(error, dict) else {"message": error}


def _message(answer: dict[str, Any], body: bytes) -> str:
    for field in ("message", "detail"):
        text = answer.get(field)
        if text:
            return (text if isinstance(text, str) else json.dumps(text))[:_LONGEST_MESSAGE]
    text = body.decode(errors="replace").strip()
    if not text or text.startswith(("<", "{", "[")):
        return ""
    return text[:_LONGEST_MESSAGE]


def _overflow(answer: dict[str, Any], message: str) -> str | None:
    """Return the context size as text, empty if unknown; None if this is no overflow."""
    if answer.get("type") == "exceed_context_size_error":
        return str(answer.get("n_ctx", ""))
    if not _OVERFLOW.search(message):
        return None
    size = _OVERFLOW_SIZE.search(message)
    return size[1] if size else ""


def _too_long(size: str, message: str, param: str) -> Problem:
    # litellm, and aider with it, recognises an overflow by exactly these words.
    if "This model's maximum context length is" not in message:
        length = f"{size} tokens" if size else "smaller than the request"
        message = f"This model's maximum context length is {length}. The engine said: {message}"
    limit = int(size) if size else None
    return Problem(400, message, code="context_length_exceeded", param=param, limit=limit)


def _prompt_size(answer: dict[str, Any], message: str) -> int | None:
    """Return the tokens of a prompt that is too long, None if the engine did not tell."""
    if isinstance(size := answer.get("n_prompt_tokens"), int):
        return size
    found = _PROMPT_SIZE.search(message)
    return int(next(filter(None, found.groups()))) if found else None


def _code(status: int, answer: dict[str, Any], message: str) -> str | None:
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return "model_loading" if "loading" in message.lower() else "overloaded"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limit_exceeded"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "upstream_error"
    code = answer.get("code")
    return code if isinstance(code, str) else None


def _retry_header(status: int, retry_after: bytes | None) -> tuple[tuple[bytes, bytes], ...]:
    if status not in (429, 503):
        return ()
    # Clients sleep as long as they are told, some without a bound.
    wait_s = min(int(retry_after), _LONGEST_RETRY_S) if _is_number(retry_after) else 1
    return ((b"retry-after", b"%d" % wait_s),)


def _is_number(text: bytes | None) -> TypeGuard[bytes]:
    return text is not None and text.isdigit() and len(text) <= _LONGEST_NUMBER
