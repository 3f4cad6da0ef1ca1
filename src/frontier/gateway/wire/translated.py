"""An engine's answer on its way into another API."""

from typing import Final

from frontier.gateway.apis.api import Answer, BadAnswerError
from frontier.gateway.apis.ndjson import Lines
from frontier.gateway.apis.sse import Events
from frontier.gateway.errors import bad_gateway
from frontier.gateway.wire.bodies import BodyReader

_LONGEST: Final = 256 * 1024 * 1024  # two thousand embeddings of a large model, as text


class TranslatedBody:
    """Feeds an engine's bytes to an `Answer`, streamed or whole as each side likes it.

    Args:
        answer: Speaks the client's API.
        content_type: Of the engine's answer.
        is_streamed: The client wants a stream.
    """

    def __init__(self, answer: Answer, content_type: bytes, *, is_streamed: bool) -> None:
        self._answer = answer
        self._is_streamed = is_streamed
        self._reader = BodyReader()
        self._events = _pieces(content_type)
        self._parts: list[bytes] = []
        self._size = 0

    @property
    def is_stream(self) -> bool:
        """Tell whether the engine streams."""
        return self._events is not None

    def feed(self, data: bytes) -> bytes:
        """Return what the client gets for *data*.

        Raises:
            BadAnswerError: the engine says that it failed, or makes no sense.
        """
        body = self._reader.feed(data)
        if self._events is not None:
            out = self._translated(self._events.feed(body))
            if self._is_streamed:
                return out
            self._keep(b"", len(out))
            return b""
        self._keep(body, len(body))
        return b""

    def rest(self) -> bytes:
        """Return the end of the answer, once the engine has said all.

        Raises:
            BadAnswerError: as `feed`; or the engine ended too early.
        """
        if self._events is None:
            return self._document()
        out = self._translated(self._events.rest())
        if not self._answer.is_whole:
            raise BadAnswerError(bad_gateway("ended its answer too early"))
        return out + self._answer.end() if self._is_streamed else self._answer.collected()

    def _document(self) -> bytes:
        body = b"".join(self._parts)
        if not self._is_streamed:
            return self._answer.whole(body)
        out = self._answer.event(body)
        if not self._answer.is_whole:
            raise BadAnswerError(bad_gateway("ended its answer too early"))
        return out + self._answer.end()

    def _translated(self, events: list[bytes]) -> bytes:
        said: list[bytes] = []
        try:
            said.extend(map(self._answer.event, events))  # keeps what came before an error
        except BadAnswerError as error:
            if self._is_streamed:
                error.said = b"".join(said)
            raise
        return b"".join(said)

    def _keep(self, part: bytes, size: int) -> None:
        self._parts.append(part)
        self._size += size
        if self._size > _LONGEST:
            raise BadAnswerError(bad_gateway("sent an answer that is too long"))


def _pieces(content_type: bytes) -> Events | Lines | None:
    """Return what takes a stream of that kind apart, None for a document."""
    if content_type.startswith(b"text/event-stream"):
        return Events()
    if content_type.startswith(b"application/x-ndjson"):
        return Lines()
    return None
