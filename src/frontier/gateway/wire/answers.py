"""Heads and frames of the answers that the gateway writes itself."""

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from frontier.gateway.apis.known import api_of
from frontier.gateway.errors import Problem

if TYPE_CHECKING:
    from frontier.gateway.wire.request import Request

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"
CHUNKED: Final = b"transfer-encoding: chunked\r\n"
STREAM_HEADERS: Final = b"cache-control: no-cache\r\nx-accel-buffering: no\r\n"
_STATUS_LINES: Final = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}


def head(request: "Request", status: int, headers: bytes) -> bytes:
    """Return the head of the answer to *request*.

    HTTP/1.0 clients learn nothing of keeping connections alive, so theirs close. OpenAI's clients
    read ``x-request-id``, Anthropic's ``request-id``.

    Args:
        request: Its id is echoed.
        status: HTTP status.
        headers: Complete lines, framing included.
    """
    line = _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
    is_last = not request.keep_alive or not request.http11
    end = b"\r\nconnection: close\r\n\r\n" if is_last else b"\r\n\r\n"
    ours = request.extra + request.position + request.mark  # all empty for most
    named = request.id
    ids = b"x-request-id: %b\r\nrequest-id: %b" % (named, named)
    return b"%b%b%b%b%b" % (line, headers, ours, ids, end)


def chunk(data: bytes) -> bytes:
    """Return *data*, not empty, as one HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole(request: "Request", status: int, headers: bytes, body: bytes) -> bytes:
    """Return a complete answer with a Content-Length; HEAD gets no body."""
    start = head(request, status, b"%bcontent-length: %d\r\n" % (headers, len(body)))
    return start if request.method == b"HEAD" else start + body


def whole_problem(request: "Request", problem: Problem) -> bytes:
    """Return *problem* as a complete answer."""
    lines = b"".join(b"%b: %b\r\n" % pair for pair in problem.headers)
    headers = b"content-type: application/json\r\n" + lines
    body = api_of(request.path).problem(problem, request.id.decode("ascii"))
    return whole(request, problem.status, headers, body)


def document(request: "Request", body: bytes) -> bytes:
    """Return *body*, JSON, as a complete answer."""
    return whole(request, HTTPStatus.OK, b"content-type: application/json\r\n", body)
