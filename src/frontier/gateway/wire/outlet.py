"""What a client has of the answer to one request, and how far that is."""

from typing import TYPE_CHECKING

from frontier.gateway.apis.api import Answer
from frontier.gateway.errors import Problem
from frontier.gateway.wire import answers, events, usage

if TYPE_CHECKING:
    from frontier.gateway.wire.client import ClientConnection
    from frontier.gateway.wire.request import Request
    from frontier.gateway.wire.upstream import UpstreamConnection


class Outlet:
    """Writes one answer to its client.

    Args:
        answer: Speaks the client's API.

    Attributes:
        is_open: The client has the head of its answer.
        is_raw: The engine's bytes pass as they come.
        is_events: The engine streams server-sent events.
    """

    is_open = False
    is_raw = False
    is_events = False
    _first = b""
    _tail = b""

    def __init__(self, client: "ClientConnection", request: "Request", answer: Answer) -> None:
        self._client = client
        self._request = request
        self._answer = answer

    # The engine's bytes as they came

    def open_raw(self, head: bytes, raw: bytes) -> None:
        """Send the head of an answer and the first bytes of its body."""
        self.is_open = True
        self.remember(raw)
        self._client.write(head + raw)

    def raw(self, data: bytes) -> None:
        """Pass on what continues an answer, its framing included."""
        self._tail = (self._tail + data)[-usage.TAIL_BYTES :]
        self._client.write(data)

    def remember(self, data: bytes) -> None:
        """Keep what tells how an answer ended: its first and its last bytes."""
        self._first = self._first or data[: usage.TAIL_BYTES]
        self._tail = (self._tail + data)[-usage.TAIL_BYTES :]

    def head(self, upstream: "UpstreamConnection") -> bytes:
        """Return the engine's head as the client gets it."""
        ours = answers.STREAM_HEADERS if self.is_events else b""
        lines = b"".join((*upstream.kept, *upstream.length, ours))
        return answers.head(self._request, upstream.status, lines)

    # Bytes of our own framing

    def open_stream(self) -> None:
        """Send the head of a stream, unless the client has it."""
        if self.is_open:
            return
        self.is_open = True
        framing = answers.CHUNKED if self._request.http11 else b""
        kind = self._answer.stream_type
        lines = b"content-type: %b\r\n%b%b" % (kind, framing, answers.STREAM_HEADERS)
        self._client.write(answers.head(self._request, 200, lines))

    def plain(self, body: bytes) -> None:
        """Send a piece of the body."""
        if body:
            self._client.write(answers.chunk(body) if self._request.http11 else body)

    def finish(self, rest: bytes) -> None:
        """End a body with *rest*, which is all of it where no stream is wanted."""
        if not self._request.stream:
            self._client.write(answers.document(self._request, rest))
            return
        self.open_stream()
        self.plain(rest)
        if self._request.http11:
            self._client.write(answers.LAST_CHUNK)

    def beat(self) -> None:
        """Open the silent stream, and keep it alive."""
        self.open_stream()
        self.plain(self._answer.heartbeat())

    def fail(self, problem: Problem) -> None:
        """End the stream with *problem*."""
        event = self._answer.failure(problem, self._request.id.decode("ascii"))
        is_http11 = self._request.http11
        self._client.write(answers.chunk(event) + answers.LAST_CHUNK if is_http11 else event)
        self._request.status = problem.status

    # How far it is

    @property
    def ended_well(self) -> bool:
        """Tell whether a raw answer that has ended is whole."""
        return not self.is_events or events.is_over(self._tail)

    @property
    def is_whole(self) -> bool:
        """Tell whether a client that leaves now has all it wants."""
        if self.is_raw:
            return self.is_events and b"[DONE]" in self._tail
        return self._answer.is_whole

    @property
    def is_between_chunks(self) -> bool:
        """Tell whether an event of ours may follow a raw stream, all of its chunks whole."""
        return self.is_events and events.is_between_chunks(self._tail)

    @property
    def tokens(self) -> tuple[int, int, int] | None:
        """Input, output and cached tokens, as far as the engine told."""
        if self.is_raw:
            return usage.find(self._tail) or usage.find(self._first)
        return self._answer.tokens
