"""An engine's answer on its way into another API."""

from typing import Final

from frontier.gateway.apis.api import Answer, BadAnswerError
from frontier.gateway.apis.sse import Events
from frontier.gateway.errors import bad_gateway
from frontier.gateway.wire.bodies import BodyReader

DONE: Final = b"[DONE]"
_LONGEST: Final = 64 * 1024 * 1024


class TranslatedBody:
    """Feeds an engine's bytes to an `Answer`, streamed or whole as each side likes it.

    Args:
        answer: Speaks the client's API.
        is_events: The engine streams.
        is_streamed: The client wants a stream.
    """

    def __init__(self, answer: Answer, *, is_events: bool, is_streamed: bool) -> None:
        self._answer = answer
        self._is_streamed = is_streamed
        self._reader = BodyReader()
        self._events = Events() if is_events else None
        self._parts: list[bytes] = []
        self._size = 0

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
        return b"".join([self._answer.event(event) for event in events if event != DONE])

    def _keep(self, part: bytes, size: int) -> None:
        self._parts.append(part)
        self._size += size
        if self._size > _LONGEST:
            raise BadAnswerError(bad_gateway("sent an answer that is too long"))
