"""One HTTP request as the parser collects it, and what became of it."""

import itertools
import os
import time
from typing import TYPE_CHECKING, Final, cast

from frontier.gateway.errors import Problem
from frontier.gateway.routes import Address

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from frontier.gateway.apis.api import Answer, Ask
    from frontier.gateway.keys import Caller

_LONGEST_ID: Final = 128
_NEVER: Final = float("inf")
_numbers = itertools.count(1)
_prefix = b""


def _new_prefix() -> None:
    """Have this process name its requests unlike any other."""
    global _prefix  # noqa: PLW0603 - a process has one, and gets its own when it is forked
    _prefix = f"req_{os.urandom(8).hex()}".encode()


_new_prefix()
os.register_at_fork(after_in_child=_new_prefix)


class Request:
    """Filled by the parser's callbacks, then by whoever answers.

    Most fields begin as class attributes: setting them for every request would cost more than
    parsing it.

    Attributes:
        headers: By lower-case name; repeated ones joined by a comma.
        repeated: Names that came more than once.
        parts: The body as it arrived.
        path: Normalised, empty until the head is complete.
        problem: Why it is refused, found before the body was read.
        ask: What it asks, once its body was read.
        id: As the ``x-request-id`` header has it.
        status: What was answered; 0 so far.
        first_at: When the first byte of the answer's body came, 0.0 so far.
        ended: When the answer was written, 0.0 so far.
        sent_bytes: To the client, head included.
        opened: Says the rest of a stream whose head the client has; None while it has nothing.
        beat_at: Clock time of the next heartbeat; never for one that wants no stream.
        held_s: How long it waited here for an engine.
        waited_s: The same by the gateway's clock, which deadlines go by.
        key_id: Of the key that it came with; requests of one key take turns with those of others.
        tried: Engines that could not take it, since it last waited.
        position: Header line with its place in the queue when it came there.
        mark: Header lines that say who answers, where that is not plain.
        fallback_from: The model that was asked, where another one answers.
        span: Of the request, where spans are exported; `attempt` that of an engine's work on it.
        caller: Whose key it presents, once its head was judged.
        extra: More header lines for the answer.
    """

    method = b""
    url = b""
    repeated: frozenset[bytes] = frozenset()
    repeats = 0
    size = 0
    keep_alive = False
    http11 = True
    problem: Problem | None = None
    ask: "Ask"
    id = b""
    path = ""
    model = ""
    backend = ""
    stream = False
    status = 0
    first_at = 0.0
    ended = 0.0
    sent_bytes = 0
    held_s = 0.0
    opened: "Answer | None" = None
    beat_at = _NEVER
    waited_s = 0.0
    key_id = ""
    tried: tuple[Address, ...] = ()
    position = b""
    mark = b""
    fallback_from = ""
    tokens: tuple[int, int, int] | None = None
    span: "Span | None" = None
    attempt: "Span | None" = None
    caller: "Caller | None" = None
    extra = b""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.headers: dict[bytes, bytes] = {}
        self.parts: list[bytes] = []

    def name_itself(self) -> None:
        """Take the client's request id if it is printable and short, else make one."""
        given = self.headers.get(b"x-request-id")
        if given and len(given) <= _LONGEST_ID and _is_printable(given):
            self.id = given
            return
        self.id = b"%b%08x" % (_prefix, next(_numbers))

    def take_body(self) -> bytes:
        """Return the whole body and let go of it."""
        parts = self.parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        return body

    def let_go(self) -> None:
        """Forget what was asked: a long prompt would wait for the next tick."""
        self.parts.clear()
        self.ask = cast("Ask", None)
        self.opened = None  # an answer knows what it answers


def _is_printable(text: bytes) -> bool:
    return text.isascii() and text.decode("ascii").isprintable()
