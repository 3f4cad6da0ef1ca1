"""Questions to a service on loopback, over asyncio streams.

httpx2 would triple the daemon's memory, and urllib in a thread cannot be cancelled when the
service dies meanwhile. HTTP/1.0 keeps the answer free of chunks: it ends where the stream ends.
"""

import asyncio
import json
from typing import Any

_MOST_BYTES = 1024 * 1024


class HttpProbe:
    """Asks by HTTP."""

    async def health(self, port: int, path: str, *, timeout_s: float) -> str:
        """Return "" when *path* answers 200 within *timeout_s*, else the problem in words."""
        try:
            async with asyncio.timeout(timeout_s):
                status, _ = await _ask(port, f"GET {path}")
        except TimeoutError:
            return f"GET {path} gave no answer within {timeout_s:g} s"
        except OSError as error:
            return f"GET {path}: {_reason(error)}"
        return "" if status == 200 else f"GET {path} answered {status or 'no HTTP'}"  # noqa: PLR2004

    async def token(self, port: int, model: str) -> str:
        """Return "" when *model* has generated one token, else the problem in words."""
        path = "/v1/completions"
        question = {"model": model, "prompt": "Hello", "max_tokens": 1}
        try:
            status, body = await _ask(port, f"POST {path}", json.dumps(question).encode())
        except OSError as error:
            return f"POST {path}: {_reason(error)}"
        if status == 200 and _tokens(body):  # noqa: PLR2004
            return ""
        return f"POST {path} answered {status}: {body[:300].decode(errors='replace')}"


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__


def _tokens(body: bytes) -> int:
    """Return how many tokens a completion has, 0 when *body* is no completion."""
    try:
        answer: dict[str, Any] = json.loads(body)
        return int(answer["usage"]["completion_tokens"])
    except (ValueError, KeyError, TypeError):
        return 0


async def _ask(port: int, request: str, body: bytes = b"") -> tuple[int, bytes]:
    """Return status, 0 for what is no HTTP, and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = (
            f"{request} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        answer = await _read(reader)
    finally:
        writer.close()
    head_end = answer.find(b"\r\n\r\n")
    words = answer[:head_end].split(maxsplit=2) if head_end > 0 else []
    is_http = len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1].isdigit()
    return (int(words[1]) if is_http else 0), answer[head_end + 4 :]


async def _read(reader: asyncio.StreamReader) -> bytes:
    """Return the whole answer, cut off at a size that no honest one has."""
    parts, size = list[bytes](), 0
    while size < _MOST_BYTES and (part := await reader.read(65536)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)
