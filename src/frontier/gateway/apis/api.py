"""What the wire knows of an API: how to read a request, and how to say an answer."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from frontier.gateway.errors import Problem
from frontier.gateway.routes import Route


class BadRequestError(Exception):
    """A request that no engine could make sense of."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class BadAnswerError(Exception):
    """An engine's answer that says it failed, or that makes no sense.

    Attributes:
        said: What the client gets before it learns of that.
    """

    said = b""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Answer(Protocol):
    """Turns one engine's answer into that of the client's API.

    The engine streams or not as it likes: `event` gets each chunk of a stream, OpenAI's marker
    ``[DONE]`` among them, `whole` a complete document. Only one of them is called. Both raise
    `BadAnswerError`.

    Attributes:
        stream_type: Content type of a streamed answer.
        tokens: Input, output and cached tokens, as soon as the engine told.
        is_whole: The engine has said all: the success marker may follow.
    """

    @property
    def stream_type(self) -> bytes:
        """Content type of a streamed answer."""
        ...

    @property
    def tokens(self) -> tuple[int, int, int] | None:
        """Input, output and cached tokens, as soon as the engine told."""
        ...

    @property
    def is_whole(self) -> bool:
        """Tell whether the engine has said all: the success marker may follow."""
        ...

    def event(self, data: bytes) -> bytes:
        """Return what the client gets for one event of the engine; may be empty."""
        ...

    def end(self) -> bytes:
        """Return the end of a streamed answer, its success marker; only if `is_whole`."""
        ...

    def whole(self, body: bytes) -> bytes:
        """Return the client's whole document for the engine's."""
        ...

    def collected(self) -> bytes:
        """Return the whole document when the engine streamed though it was not asked to."""
        ...

    def heartbeat(self) -> bytes:
        """Return what keeps a silent stream alive."""
        ...

    def failure(self, problem: Problem, request_id: str) -> bytes:
        """Return *problem* as the last words of a stream that already began."""
        ...


class Outgoing(NamedTuple):
    """A request as the engine takes it.

    Attributes:
        path: Of the engine's own API, behind the address' prefix.
        answer: Says what the engine answers.
        is_raw: It is not asked to where the engine's bytes are of the kind that the client wants,
            under the model's right name: they pass as they come.
    """

    path: str
    body: bytes
    answer: Answer
    is_raw: bool = False


class Reply(NamedTuple):
    """An answer that needs no engine.

    Attributes:
        body: The whole document.
    """

    body: bytes
    content_type: bytes = b"application/json"


class Ask(Protocol):
    """One request, read and found right.

    Attributes:
        model: As the client named it.
        stream: The client wants the answer in pieces.
        size: Bytes that it keeps in memory.
    """

    @property
    def model(self) -> str:
        """As the client named it."""
        ...

    @property
    def stream(self) -> bool:
        """Tell whether the client wants the answer in pieces."""
        ...

    @property
    def size(self) -> int:
        """Bytes that it keeps in memory."""
        ...

    def outgoing(self, route: Route) -> Outgoing | Reply:
        """Return the request for the engine of *route*; may be called again for another engine.

        Raises:
            BadRequestError: that engine cannot do what is asked.
        """
        ...


class Api(Protocol):
    """One API."""

    def read(self, path: str, body: bytes) -> Ask:
        """Return what the request asks.

        Raises:
            BadRequestError: no JSON object, or a field is missing or of the wrong type.
        """
        ...

    def problem(self, problem: Problem, request_id: str) -> bytes:
        """Return *problem* as a JSON document, ASCII only."""
        ...


@dataclass(frozen=True, slots=True)
class Operation:
    """What one path does.

    Attributes:
        name: As OpenTelemetry's conventions for generative AI call it: a label of the metrics.
        request: What the gateway itself reads of a request's body.
        streams: Its answers may come in pieces.
        waits: It is worth waiting for an engine; else `Ask.outgoing` answers where none runs.
    """

    api: Api
    name: str
    request: type[msgspec.Struct]
    streams: bool = True
    waits: bool = True
