"""A client's connection: answers its requests one after the other."""

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, cast

from frontier.gateway.apis.api import BadRequestError, Reply
from frontier.gateway.apis.known import OPERATIONS
from frontier.gateway.context import overflow
from frontier.gateway.errors import BUG, Problem
from frontier.gateway.origins import is_preflight, preflight
from frontier.gateway.wire import answers, outlet
from frontier.gateway.wire.arrival import RequestReader
from frontier.gateway.wire.asgi import AsgiCall
from frontier.gateway.wire.dispatch import Errand, Failure
from frontier.gateway.wire.relay import Relay

if TYPE_CHECKING:
    from frontier.gateway.core import Core
    from frontier.gateway.routes import Route
    from frontier.gateway.wire.request import Request

_FIRST_S: Final = 30.0
_IDLE_S: Final = 75.0
_LINGER_S: Final = 2.0
_FLUSH_S: Final = 10.0
_OK: Final = 200
_NO_CONTENT: Final = 204
_NEVER: Final = float("inf")


class Answering(Protocol):
    """Whatever works on the answer to the current request."""

    def cancel(self) -> None:
        """The client left."""
        ...

    def on_deadline(self, now: float) -> None:
        """The connection's deadline is over."""
        ...

    def pause(self) -> None:
        """The client is slow."""
        ...

    def resume(self) -> None:
        """The client has caught up."""
        ...

    def stop(self, problem: Problem) -> None:
        """The gateway stops: fail with *problem*."""
        ...


class ClientConnection(asyncio.Protocol):
    """One HTTP/1.1 connection from a client.

    Attributes:
        deadline: Clock time of the next `on_deadline`: set by whoever answers, while one does.
        stalled_since: When the client stopped taking bytes, 0.0 while it takes them.
    """

    transport: asyncio.Transport

    def __init__(self, core: "Core") -> None:
        self.core = core
        self.deadline = core.clock.now + _FIRST_S
        self.stalled_since = 0.0
        self._reader = RequestReader(core, self._on_expect)
        self._current: Request | None = None
        self._active: Answering | None = None
        self._is_advancing = False
        self._is_paused = False

    @property
    def relay(self) -> Relay | None:
        """The request of this client that an engine works on."""
        return self._active if isinstance(self._active, Relay) else None

    # asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the client in."""
        self.transport = cast("asyncio.Transport", transport)
        self.core.clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop whatever works for this client."""
        self._leave()
        self.core.gone(self)

    def eof_received(self) -> bool:
        """Take the end of the client's side for its leaving, unless the answer is at hand."""
        active = self._active
        if isinstance(active, AsgiCall) and not active.is_streaming and self._current is not None:
            self._current.keep_alive = False
            return True
        self._leave()
        return False

    def _leave(self) -> None:
        active, request = self._active, self._current
        self._active = self._current = None
        self._reader.ready.clear()
        if active is not None and request is not None:
            active.cancel()
            self.core.finished(request)

    def pause_writing(self) -> None:
        """Keep the backlog of a slow client with the engine."""
        self.stalled_since = self.core.clock.now
        if self._active is not None:
            self._active.pause()

    def resume_writing(self) -> None:
        """Go on."""
        self.stalled_since = 0.0
        if self._active is not None:
            self._active.resume()

    def data_received(self, data: bytes) -> None:
        """Parse, and answer what is complete; while one is answered at most one read waits."""
        reader = self._reader
        reader.feed(data)
        if self._active is None:
            if reader.arriving is not None:
                self.deadline = reader.deadline
            if reader.ready:
                self._advance()
        elif reader.ready and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def _on_expect(self) -> None:
        if self._current is None:
            self.transport.write(answers.CONTINUE)

    # Answering

    def _advance(self) -> None:
        """Answer what has arrived, in order; a loop, since many may fail at once."""
        if self._is_advancing:
            return
        self._is_advancing = True
        ready = self._reader.ready
        while ready and self._current is None and not self.transport.is_closing():
            self._current = request = ready.popleft()
            request.name_itself()
            try:
                self._dispatch(request)
            except Exception as error:
                self.core.bug(error)
                self.respond(request, BUG)
        self._is_advancing = False

    def _dispatch(self, request: "Request") -> None:
        if request.problem is not None:
            self.respond(request, request.problem)
        elif request.method == b"POST" and request.path in OPERATIONS:
            self._relay(request)
        elif request.method == b"OPTIONS" and is_preflight(request):
            self._allow(request)
        else:
            self.deadline = _NEVER
            call = AsgiCall(self, request)
            self._active = call
            call.start(self.core.app)

    def _allow(self, request: "Request") -> None:
        """Tell a browser that it may ask."""
        request.status = _NO_CONTENT
        self.write(answers.head(request, _NO_CONTENT, preflight(request)))
        self.finished(request)

    def _relay(self, request: "Request") -> None:
        core, path = self.core, request.path
        try:
            request.ask = ask = OPERATIONS[path].api.read(path, request.take_body())
        except BadRequestError as error:
            self.respond(request, error.problem)
            return
        if ask.stream:
            request.stream = True
            request.beat_at = core.clock.now + outlet.COMMIT_S
        routes = core.table.find(ask.model)
        target = routes.target if routes is not None else None
        if (problem := core.gate.admit(request, ask.model, target)) is None:
            core.dispatcher.forward(self, request, routes)
            return
        if target is not None:
            request.model, request.backend = target.name, target.label
        self.respond(request, problem)

    def send(self, request: "Request", route: "Route") -> None:
        """Send *request* to the engine of *route*."""
        try:
            outgoing = request.ask.outgoing(route)
        except BadRequestError as error:
            self.respond(request, error.problem)
            return
        if isinstance(outgoing, Reply):
            self._reply(request, outgoing)
            return
        context = self.core.contexts.get(route.target.name)
        if context is not None:
            problem = overflow(outgoing.path, outgoing.body, context.most)
            if problem is not None:
                self.respond(request, problem)
                return
        self._active = relay = Relay(self.core, self, request, route, outgoing)
        relay.start()

    def _reply(self, request: "Request", reply: Reply) -> None:
        request.status = _OK
        headers = b"content-type: %b\r\n" % reply.content_type
        self.write(answers.whole(request, _OK, headers, reply.body))
        self.finished(request)

    def begin(self, active: Answering) -> None:
        """Have *active* work on the answer to the current request."""
        self._active = active

    def send_on(
        self, request: "Request", *, in_turn: bool = False, failure: Failure | None = None
    ) -> None:
        """Look anew for an engine: it has waited, or one could not take it."""
        self._active = None
        try:
            self.core.dispatcher.find(Errand(self, request, in_turn, failure))
        except Exception as error:
            self.core.bug(error)
            self.respond(request, BUG)

    def beat(self, request: "Request") -> None:
        """Keep the stream of a request alive that waits, opened if it is not.

        Raises:
            BadRequestError: its engine cannot do what is asked.
        """
        routes = self.core.table.find(request.ask.model)
        if request.opened is None and routes is not None:
            outgoing = request.ask.outgoing(routes.each[0])
            if isinstance(outgoing, Reply):
                return
            self.write(outlet.open_with(request, outgoing.answer))
        if request.opened is not None:
            self.write(outlet.framed(request, request.opened.heartbeat()))
        request.beat_at = self.core.clock.now + outlet.BEAT_S

    def write(self, data: bytes) -> None:
        """Send bytes of the current answer."""
        if self._current is not None:
            self._current.sent_bytes += len(data)
            self.transport.write(data)

    def respond(self, request: "Request", problem: Problem) -> None:
        """Send *problem* as the whole answer, or as the end of a stream that is open."""
        request.status = problem.status
        if request.opened is not None:
            self.write(outlet.end_with(request, request.opened, problem))
        else:
            if problem.closes:
                request.keep_alive = False
            self.write(answers.whole_problem(request, problem))
        self.finished(request)

    def finished(self, request: "Request") -> None:
        """Turn to the next request; the answer to this one is written."""
        self._active = self._current = None
        self.core.finished(request)
        if not request.keep_alive or not request.http11 or self.core.is_stopping:
            self._close()
            return
        reader = self._reader
        is_arriving = reader.arriving is not None
        self.deadline = reader.deadline if is_arriving else self.core.clock.now + _IDLE_S
        if reader.ready:
            self._advance()
        if self._is_paused and not reader.ready and not self.transport.is_closing():
            self._is_paused = False
            self.transport.resume_reading()

    def break_off(self, request: "Request") -> None:
        """End the connection so that the client cannot take the answer for complete."""
        self._active = self._current = None
        self.core.finished(request)
        if request.http11 and not self.stalled_since:
            self.transport.close()  # what was sent still arrives, but the framing has no end
        else:
            self.transport.abort()

    def _close(self) -> None:
        self._reader.ready.clear()
        if self._reader.is_finished:
            # Closing with unread bytes would reset the connection under the answer's feet.
            self.transport.write_eof()
            self.deadline = self.core.clock.now + _LINGER_S
        else:
            self.transport.close()
            self.deadline = self.core.clock.now + _FLUSH_S

    # Time

    def on_deadline(self, now: float) -> None:
        """Do what is due when `deadline` has passed."""
        if self._active is not None:
            self._active.on_deadline(now)
        elif self.transport.is_closing() or self._reader.is_finished:
            self.transport.abort()
        elif self._reader.arriving is not None:
            self._reader.time_out()
            self._advance()
        else:
            self.transport.close()
            self.deadline = now + _FLUSH_S

    def stop(self, problem: Problem | None = None) -> None:
        """Close when idle; with *problem*, fail what is under way."""
        if self._active is None:
            self.transport.close()
        elif problem is not None and self._current is not None:
            self._current.keep_alive = False
            self._active.stop(problem)
