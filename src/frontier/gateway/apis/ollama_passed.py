"""Requests in Ollama's protocol for an engine that speaks it: they pass as they come."""

import re
from typing import Final

import msgspec

from frontier.gateway.apis.api import BadAnswerError, Outgoing
from frontier.gateway.apis.engine import with_model
from frontier.gateway.apis.ollama_lines import STREAM_TYPE, Line, failure
from frontier.gateway.errors import Problem
from frontier.gateway.routes import Route
from frontier.gateway.upstream_errors import translate

_NAME: Final = re.compile(rb'"model"\s*:\s*"(?:[^"\\]|\\.)*"')
# Python's clients split lines at these; inside JSON they can only stand in a string.
_SEPARATORS: Final = (
    (b"\xc2\x85", b"\\u0085"),
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
)


class _End(msgspec.Struct, frozen=True):
    """What a line tells when it is the last."""

    done: bool = False
    prompt_eval_count: int = 0
    eval_count: int = 0


_DECODER: Final = msgspec.json.Decoder(_End)


def passed(path: str, body: bytes, route: Route, line: Line) -> Outgoing:
    """Return the request with the engine's own name for the model."""
    body = with_model(body, route.upstream_model) if route.splice else body
    return Outgoing(path, body, PassedAnswer(path, route.echo, line))


class PassedAnswer:
    """Lines of an Ollama server, with the model's name as the client spelled it.

    Args:
        path: Says whether an answer has an end to wait for.
        echo: ``"model":"NAME"`` as JSON.
        line: Writes a heartbeat.
    """

    stream_type = STREAM_TYPE

    def __init__(self, path: str, echo: bytes, line: Line) -> None:
        self._echo = echo
        self._line = line
        self.tokens: tuple[int, int, int] | None = None
        self.is_whole = path.startswith("/api/embed")
        self._document = b""

    def event(self, data: bytes) -> bytes:
        """Return the line.

        Raises:
            BadAnswerError: it says that the engine failed.
        """
        self._document = self.whole(data)
        return self._document.rstrip(b"\r\n") + b"\n"

    def whole(self, body: bytes) -> bytes:
        """Return the document; raises as `event` does."""
        if body.startswith(b'{"error"'):
            raise BadAnswerError(translate(502, body, retry_after=None, path=""))
        if b'"done":true' in body or b'"prompt_eval_count"' in body:
            self._note(body)
        if not body.isascii():
            for found, escape in _SEPARATORS:
                body = body.replace(found, escape)
        return _NAME.sub(lambda _: self._echo, body, count=1)

    def _note(self, body: bytes) -> None:
        try:
            end = _DECODER.decode(body)
        except ValueError:
            return  # the words are in the text of a call, say
        if end.done:
            self.is_whole = True
        self.tokens = end.prompt_eval_count, end.eval_count, 0

    def end(self) -> bytes:
        """Return nothing: the engine's last line says that it was the last."""
        return b""

    def collected(self) -> bytes:
        """Return the last line, of an engine that streams one where none was wanted."""
        return self._document

    def heartbeat(self) -> bytes:
        """Return a line without text."""
        return self._line.piece("")

    def failure(self, problem: Problem, request_id: str) -> bytes:
        """Return the line that ends a stream that failed."""
        return failure(problem)
