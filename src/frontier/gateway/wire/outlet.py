"""What a client has of the answer to one request, and how far that is."""

from typing import TYPE_CHECKING, Final

from frontier.gateway.apis.api import Answer
from frontier.gateway.errors import Problem
from frontier.gateway.wire import answers, events, usage

if TYPE_CHECKING:
    from frontier.gateway.wire.client import ClientConnection
    from frontier.gateway.wire.request import Request
    from frontier.gateway.wire.upstream import UpstreamConnection

# Clients give up a stream whose head does not come; one that is open they keep while it beats.
COMMIT_S: Final = 10.0
BEAT_S: Final = 15.0


def open_with(request: "Request", answer: Answer) -> bytes:
    """Return the head of a stream that *answer* will say; the client has it from now on."""
    request.opened = answer
    request.status = 200
    framing = answers.CHUNKED if request.http11 else b""
    lines = b"content-type: %b\r\n%b" % (answer.stream_type, framing)
    return answers.head(request, 200, lines + answers.STREAM_HEADERS)


def framed(request: "Request", body: bytes) -> bytes:
    """Return a piece of the body as it goes over the wire."""
    return answers.chunk(body) if body and request.http11 else body


def end_with(request: "Request", answer: Answer, problem: Problem) -> bytes:
    """Return the end of a stream that fails with *problem*."""
    event = framed(request, answer.failure(problem, request.id.decode("ascii")))
    return event + answers.LAST_CHUNK if request.http11 else event


class Outlet:
    """Writes one answer to its client.

    Args:
        answer: Speaks the client's API.

    Attributes:
        is_raw: The engine's bytes pass as they come.
        is_events: The engine streams server-sent events.
    """

    is_raw = False
    is_events = False
    _first = b""
    _tail = b""

    def __init__(self, client: "ClientConnection", request: "Request", answer: Answer) -> None:
        self._client = client
        self._request = request
        self._answer = answer

    @property
    def is_open(self) -> bool:
        """Tell whether the client has the head of its answer."""
        return self._request.opened is not None

    # The engine's bytes as they came

    def head(self, upstream: "UpstreamConnection") -> bytes:
        """Return the engine's head as the client gets it."""
        self.is_raw = True
        self._request.opened = self._answer
        ours = answers.STREAM_HEADERS if self.is_events else b""
        lines = b"".join((*upstream.kept, *upstream.length, ours))
        return answers.head(self._request, upstream.status, lines)

    def raw(self, data: bytes) -> None:
        """Pass on what continues an answer, its framing included."""
        self._tail = (self._tail + data)[-usage.TAIL_BYTES :]
        self._client.write(data)

    def remember(self, data: bytes) -> None:
        """Keep what tells how an answer ended: its first and its last bytes."""
        self._first = self._first or data[: usage.TAIL_BYTES]
        self._tail = (self._tail + data)[-usage.TAIL_BYTES :]

    # Bytes of our own framing

    def open_stream(self) -> None:
        """Send the head of a stream, unless the client has it."""
        if not self.is_open:
            self._client.write(open_with(self._request, self._answer))

    def plain(self, body: bytes) -> None:
        """Send a piece of the body."""
        if body:
            self._client.write(framed(self._request, body))

    def finish(self, rest: bytes) -> None:
        """End a body with *rest*, which is all of it where no stream is wanted."""
        if not self._request.stream:
            self._client.write(answers.document(self._request, rest))
            return
        self.open_stream()
        self.plain(rest)
        if self._request.http11:
            self._client.write(answers.LAST_CHUNK)

    def beat(self, now: float) -> None:
        """Open a silent stream, and keep it alive, if something of ours may stand here."""
        if not self.is_raw or (self.is_events and events.ends_an_event(self._tail)):
            self.open_stream()
            self.plain(self._answer.heartbeat())
        self._request.beat_at = now + BEAT_S

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
