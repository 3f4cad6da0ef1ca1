"""One request on its way through: from a client's connection to an engine's and back."""

import asyncio
import time
from typing import TYPE_CHECKING, Final

from frontier.gateway.apis.api import BadAnswerError, Outgoing
from frontier.gateway.errors import Problem, bad_gateway, too_slow
from frontier.gateway.upstream_errors import translate
from frontier.gateway.wire import answers, outlet, pieces
from frontier.gateway.wire.attempt import Attempt
from frontier.gateway.wire.bodies import ErrorBody
from frontier.gateway.wire.translated import TranslatedBody
from frontier.gateway.wire.upstream import end_of_head

if TYPE_CHECKING:
    from frontier.gateway.core import Core
    from frontier.gateway.metrics import Outcome
    from frontier.gateway.routes import Route
    from frontier.gateway.wire.client import ClientConnection
    from frontier.gateway.wire.pool import Pool
    from frontier.gateway.wire.request import Request
    from frontier.gateway.wire.upstream import UpstreamConnection

# How far the answer is; plain numbers, because every read compares them.
_CONNECTING: Final = 0
_WAITING: Final = 1  # for the first byte of the answer's body
_RAW: Final = 2  # bytes pass as they come
_PLAIN: Final = 3  # chunking undone, the model renamed or the whole answer translated
_ERROR: Final = 4  # an error answer is collected
_OVER: Final = 5

_LONGEST_HEAD: Final = 64 * 1024
_CLIENT_STALL_S: Final = 60.0
_AGAIN_S: Final = 0.1
_RACE_S: Final = 1.0
_FIRST_ERROR_STATUS: Final = 300
_CLIENT_LEFT: Final = 499
_FIRST_FAULT: Final = 500
_FULL: Final = 503
_LATE: Final = 504
_BROKEN: Final = (502, 504)  # a proxy says it of the engine behind it
_TOO_EARLY: Final = bad_gateway("ended its answer too early")


class Relay:
    """Sends one request to an engine and passes its answer on.

    Until the first byte of the answer's body nothing is sent to the client, so whatever fails
    before keeps a status of its own; what fails later is told in-band or by breaking off. A stream
    that stays silent for long is opened before, and kept alive.
    """

    _flow = _CONNECTING
    _head = b""
    _is_reused = False
    _upstream: "UpstreamConnection | None" = None
    _task: asyncio.Task[None] | None = None
    _plain: TranslatedBody | None = None
    _give_up_at = 0.0
    _error: ErrorBody | None = None
    _mark = b""  # of a piece of a stream

    def __init__(
        self,
        core: "Core",
        client: "ClientConnection",
        request: "Request",
        route: "Route",
        outgoing: Outgoing,
    ) -> None:
        self._core = core
        self._client = client
        self._request = request
        self._route = route
        self._path, self._body, self._answer, self._may_be_raw = outgoing
        self._outlet = outlet.Outlet(client, request, outgoing.answer)
        self._attempt = Attempt(core, route)
        self._pieces = core.metrics.pieces_of(route.target.name, route.backend.name)
        self._last_read = core.clock.now
        self._end_at = core.clock.now + route.target.timeouts.total

    @property
    def place(self) -> tuple[str, str, str]:
        """Who works on it: model, backend, URL of the engine."""
        route = self._route
        return route.target.name, route.backend.name, route.address.url

    # The way to the engine

    def start(self) -> None:
        """Send the request on an idle connection, or on a new one."""
        pool = self._attempt.pool
        connection = pool.take()
        if connection is None:
            self._connect(pool)
        else:
            self._is_reused = True
            self._send(connection)

    def _connect(self, pool: "Pool") -> None:
        self._is_reused = False
        self._flow = _CONNECTING
        self._upstream = None
        self._give_up_at = self._core.clock.now + self._route.target.timeouts.connect
        self._client.deadline = min(self._request.beat_at, self._give_up_at)
        self._task = asyncio.get_running_loop().create_task(self._connected(pool))

    async def _connected(self, pool: "Pool") -> None:
        """Connect; right after a switch try until the deadline, since nothing was sent yet."""
        while True:
            try:
                connection = await pool.connect()
                break
            except OSError as error:
                if not pool.is_settling(self._core.clock.now) or self._has_others:
                    self._unreachable(f"cannot be reached: {error.strerror or error}")
                    return
            await asyncio.sleep(_AGAIN_S)
        self._task = None
        self._send(connection)

    @property
    def _has_others(self) -> bool:
        routes = self._core.table.find(self._route.asked)
        return routes is not None and routes.has_others

    def _unreachable(self, reason: str, outcome: "Outcome" = "error") -> None:
        if self._is_replaced():
            self._send_on()
            return
        self._attempt.failed(outcome)
        self._again(bad_gateway(f"at {self._route.address.url} {reason}"))

    def _again(self, problem: Problem) -> None:
        """Let another engine answer, or fail with *problem*: this one has not begun to."""
        if self._outlet.is_open:  # the client has a head already; another answer would have its own
            self._fail(problem)
            return
        self._stop_upstream()
        self._core.dispatcher.again(self._client, self._request, self._route, problem)

    def _send(self, connection: "UpstreamConnection") -> None:
        self._upstream = connection
        self._flow = _WAITING
        request, timeouts = self._request, self._route.target.timeouts
        wait_s = timeouts.first_token if request.stream else timeouts.total
        now = self._core.clock.now
        self._give_up_at = min(now + wait_s, self._end_at)
        self._client.deadline = min(request.beat_at, self._give_up_at)
        head = b"%b%d\r\nx-request-id: %b\r\n%b\r\n" % (
            self._route.head(self._path),
            len(self._body),
            request.id,
            self._core.trace_lines(request, self._route.target),
        )
        connection.send(self, head, self._body)

    # The way back

    def received(self, data: bytes) -> None:
        """Pass on what the engine just sent."""
        upstream = self._upstream
        if upstream is None:
            return
        self._last_read = self._core.clock.now
        if self._mark:
            self._pieces[0] += data.count(self._mark)
        if upstream.is_broken:
            self._fail(bad_gateway("sent an answer that is not valid HTTP"))
        elif self._flow == _RAW:
            if upstream.is_complete:
                self._finish_raw(upstream, data)
            else:
                self._outlet.raw(data)
        elif self._flow == _WAITING:
            self._begin(upstream, data)
        elif self._plain is not None:
            self._pass_plain(upstream, self._plain, data)
        elif self._error is not None:
            self._collect_error(upstream, self._error, data)

    def _begin(self, upstream: "UpstreamConnection", data: bytes) -> None:
        data = self._head = self._head + data if self._head else data
        if upstream.status == 0:
            if len(data) > _LONGEST_HEAD:
                self._fail(bad_gateway("sent an answer whose header has no end"))
            return
        start = end_of_head(data)
        if start == 0:
            self._fail(bad_gateway("sent an answer that is not valid HTTP"))
        elif upstream.status >= _FIRST_ERROR_STATUS:
            self._flow = _ERROR
            self._error = ErrorBody()
            self._collect_error(upstream, self._error, data)
        elif len(data) > start or upstream.is_complete:
            self._open(upstream, data, data[start:])

    def _open(self, upstream: "UpstreamConnection", data: bytes, raw: bytes) -> None:
        """Answer with the engine's head and the first bytes of its body."""
        request = self._request
        request.first_at = time.perf_counter()
        request.status = upstream.status
        self._body = self._head = b""
        self._attempt.answered()
        out = self._outlet
        out.is_events = upstream.content_type.startswith(b"text/event-stream")
        if upstream.content_type.startswith(pieces.STREAMS):
            self._mark = pieces.mark(raw)
            self._pieces[0] += raw.count(self._mark)
        if not upstream.is_complete:
            self._set_deadline()
            if self._client.stalled_since:  # it has not even taken the answer before this one
                self.pause()
        if (
            self._may_be_raw
            and out.is_events == request.stream
            and upstream.is_framed
            and request.http11
            and not out.is_open
            and self._route.echo in raw
        ):
            self._open_raw(upstream, raw)
        else:
            self._open_translated(upstream, data)

    def _open_raw(self, upstream: "UpstreamConnection", raw: bytes) -> None:
        self._flow = _RAW
        out = self._outlet
        head = out.head(upstream)
        if upstream.is_complete:
            self._finish_raw(upstream, raw, head)
        else:
            out.remember(raw)
            self._client.write(head + raw)

    def _open_translated(self, upstream: "UpstreamConnection", data: bytes) -> None:
        is_streamed = self._request.stream
        plain = self._plain = TranslatedBody(
            self._answer, upstream.content_type, is_streamed=is_streamed
        )
        self._flow = _PLAIN
        if is_streamed and plain.is_stream:
            self._outlet.open_stream()
        self._pass_plain(upstream, plain, data)

    def _finish_raw(self, upstream: "UpstreamConnection", data: bytes, head: bytes = b"") -> None:
        out = self._outlet
        out.remember(data)
        if out.ended_well:
            self._client.write(head + data)
            self._complete(upstream)
        elif data.endswith(answers.LAST_CHUNK):
            self._client.write(head + data[: -len(answers.LAST_CHUNK)])
            self._fail(_TOO_EARLY)
        else:
            self._attempt.end("error")
            self._break_off(_TOO_EARLY.status)

    def _pass_plain(
        self, upstream: "UpstreamConnection", plain: TranslatedBody, data: bytes
    ) -> None:
        try:
            self._outlet.plain(plain.feed(data))
        except BadAnswerError as error:
            self._fail_saying(error)
            return
        if upstream.is_complete:
            self._finish_plain(upstream, plain)

    def _finish_plain(self, upstream: "UpstreamConnection", plain: TranslatedBody) -> None:
        try:
            rest = plain.rest()
        except BadAnswerError as error:
            self._fail_saying(error)
            return
        self._outlet.finish(rest)
        self._complete(upstream)

    def _fail_saying(self, error: BadAnswerError) -> None:
        self._outlet.plain(error.said)
        self._fail(error.problem)

    def _collect_error(self, upstream: "UpstreamConnection", error: ErrorBody, data: bytes) -> None:
        error.feed(data)
        if upstream.is_complete:
            self._answer_error(upstream, error)

    def _answer_error(self, upstream: "UpstreamConnection", error: ErrorBody) -> None:
        problem = translate(
            upstream.status, error.body, retry_after=upstream.retry_after, path=self._request.path
        )
        self._judge(upstream.status, problem)
        if upstream.status == _FULL and not self._outlet.is_open:
            self._again(problem)  # it has not begun: another engine may
        else:
            self._over()
            upstream.release(self._core.clock.now)
            self._client.respond(self._request, problem)

    def _judge(self, status: int, problem: Problem) -> None:
        """Note what an error answer tells of the engine."""
        attempt = self._attempt
        if problem.code == "model_loading":
            attempt.loads()
        elif status in _BROKEN:
            attempt.failed("error")
        else:
            attempt.answered()
            is_refused = problem.status < _FIRST_FAULT or problem.status == _FULL
            attempt.end("rejected" if is_refused else "error")

    # The ends

    def _complete(self, upstream: "UpstreamConnection") -> None:
        """The answer went to the client, whole."""
        request = self._request
        request.tokens = self._outlet.tokens
        if not self._mark and request.tokens is not None:
            self._pieces[0] += request.tokens[1]
        self._attempt.end("ok")
        self._over()
        upstream.release(self._core.clock.now)
        self._client.finished(request)

    def lost(self, error: Exception | None) -> None:
        """The engine's connection is gone before its answer was complete."""
        upstream = self._upstream
        if upstream is None:
            return
        if self._flow == _WAITING and self._is_replaced():
            self._send_on()
        elif self._flow == _WAITING and not self._head and self._was_idle():
            # It died idle, just when we wrote: no engine has seen this request.
            self._connect(upstream.pool)
        elif self._error is not None:
            self._answer_error(upstream, self._error)
        elif self._plain is not None and not upstream.is_framed and error is None:
            self._finish_plain(upstream, self._plain)
        elif self._flow == _WAITING:
            self._attempt.failed("error")
            self._fail(bad_gateway("closed the connection before it answered"))
        else:
            self._fail(bad_gateway("died in the middle of its answer"))

    def _was_idle(self) -> bool:
        """Tell whether the engine closed an idle connection just when it was used again."""
        return self._is_reused and self._core.clock.now - self._last_read < _RACE_S

    def _is_replaced(self) -> bool:
        """Tell whether the model has another engine now, or is about to get one."""
        is_retired = self._attempt.pool.is_retired
        return is_retired and self._core.table.find(self._route.asked) is not None

    def _send_on(self) -> None:
        """Let another engine answer: this one was taken away before it said a word."""
        self._stop_upstream()
        self._client.send_on(self._request)

    def cancel(self) -> None:
        """The client left: stop the engine's work at once."""
        if not self._outlet.is_whole:
            self._request.status = _CLIENT_LEFT
        self._request.tokens = self._outlet.tokens
        self._stop_upstream()

    def stop(self, problem: Problem) -> None:
        """End early because the gateway stops."""
        self._fail(problem)

    def on_deadline(self, now: float) -> None:
        """Fail if the engine took too long; else set the client's next deadline."""
        timeouts = self._route.target.timeouts
        if now >= self._end_at:
            self._silent(f"took longer than {timeouts.total:g} s in total")
        elif self._flow in (_CONNECTING, _WAITING) and now < self._give_up_at:
            self._outlet.beat(now)
            self._client.deadline = min(self._request.beat_at, self._give_up_at)
        elif self._flow == _CONNECTING:
            self._unreachable(f"could not be reached within {timeouts.connect:g} s", "timeout")
        elif self._flow == _WAITING:
            self._silent(f"sent nothing for {timeouts.first_token:g} s")
        elif self._client.stalled_since:
            self._check_stall(now)
        elif now - self._last_read >= timeouts.idle:
            self._fail(too_slow(f"fell silent for {timeouts.idle:g} s"))
        else:
            if now >= self._next_beat():
                self._outlet.beat(now)
            self._set_deadline()

    def _silent(self, reason: str) -> None:
        if self._flow == _WAITING:
            self._attempt.failed("timeout")
        self._fail(too_slow(reason))

    def _next_beat(self) -> float:
        """Return when a stream that has begun has been silent for long."""
        return max(self._request.beat_at, self._last_read + outlet.BEAT_S)

    def _set_deadline(self) -> None:
        """Set the client's deadline while an answer comes."""
        idle_at = self._last_read + self._route.target.timeouts.idle
        self._client.deadline = min(idle_at, self._end_at, self._next_beat())

    def _check_stall(self, now: float) -> None:
        """Break off if the client takes nothing; its pause is not the engine's silence."""
        until = self._client.stalled_since + _CLIENT_STALL_S
        if now >= until:
            self._break_off(_CLIENT_LEFT)
            return
        self._last_read = now
        self._client.deadline = min(until, self._end_at)

    def pause(self) -> None:
        """The client is slow: read no more from the engine."""
        if self._upstream is not None:
            self._upstream.transport.pause_reading()

    def resume(self) -> None:
        """The client has caught up."""
        if self._upstream is not None:
            self._upstream.transport.resume_reading()

    def _fail(self, problem: Problem) -> None:
        if problem.status != _FULL:  # that one is the gateway's own: it stops
            self._attempt.end("timeout" if problem.status == _LATE else "error")
        if self._is_at_event_end():
            self._stop_upstream()
            self._client.respond(self._request, problem)
        else:
            self._break_off(problem.status)

    def _is_at_event_end(self) -> bool:
        """Tell whether an event of ours can follow what the client has."""
        if self._flow != _RAW:  # an answer says whole events only
            return True
        upstream = self._upstream
        if upstream is None or not (upstream.is_complete or upstream.ends_with_chunk()):
            return False
        return self._outlet.is_between_chunks

    def _break_off(self, status: int) -> None:
        self._request.status = status
        self._stop_upstream()
        self._client.break_off(self._request)

    def _stop_upstream(self) -> None:
        upstream, task = self._upstream, self._task
        self._over()
        if upstream is not None:
            upstream.abort()
        if task is not None and task is not asyncio.current_task():
            task.cancel()

    def _over(self) -> None:
        """Count the request as done; nothing of it is passed on from here."""
        self._attempt.leave()
        self._flow = _OVER
        self._upstream = None
        self._task = None
        self._body = b""
