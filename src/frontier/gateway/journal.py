"""Requests that are over: counted and logged, many at a time.

One after the other they cost half of what each costs in the middle of an answer, where nothing that
the counting needs is at hand in the processor's caches.
"""

import time
from typing import TYPE_CHECKING, Final

from frontier.gateway.apis.known import OPERATIONS
from frontier.gateway.json_log import AccessLine
from frontier.gateway.keys import NOBODY
from frontier.gateway.metrics import OTHER, Series
from frontier.gateway.routes import NO_BACKEND

if TYPE_CHECKING:
    from frontier.gateway.core import Core
    from frontier.gateway.wire.request import Request

_HEALTH: Final = "/healthz"
_OK: Final = 200
_MOST: Final = 1000
_CONTROL_PATHS: Final = frozenset(
    {
        "/",
        "/api/hello",
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/v1/models",
        "/admin/routes",
    }
)
_OLLAMA_PATHS: Final = frozenset(
    f"/api/{name}" for name in ("version", "tags", "ps", "show", "pull", "create", "copy", "delete")
)


class Journal:
    """Requests that are over and not yet counted.

    Args:
        core: Its metrics count them, its log gets a line for each.
    """

    def __init__(self, core: "Core") -> None:
        self._core = core
        self._over: list[Request] = []

    def finished(self, request: "Request") -> None:
        """Take a request that is over; it keeps nothing of what was asked."""
        request.ended = time.perf_counter()
        request.let_go()
        self._over.append(request)
        if len(self._over) >= _MOST:
            self.settle()

    def settle(self) -> None:
        """Count and log what is over; whoever reads the metrics or the log does this first."""
        over, self._over = self._over, []
        for request in over:
            if request.path in OPERATIONS:
                self._count(request)
            if request.path != _HEALTH or request.status != _OK:  # asked every few seconds
                self._log(request)

    def _count(self, request: "Request") -> None:
        metrics, path = self._core.metrics, request.path
        model, backend = request.model, request.backend
        took_s = request.ended - request.started
        if not model:
            series = metrics.series(path, OTHER, NO_BACKEND, stream=False)
        else:
            series = metrics.series(path, model, backend, stream=request.stream)
            tokens = request.tokens
            if tokens is not None:
                metrics.count_tokens(model, backend, request.key_id or NOBODY, tokens)
            if request.first_at:
                if request.fallback_from:
                    metrics.fallbacks[request.fallback_from, model] += 1
                series.answers.work.observe(took_s - request.held_s)
                _count_answer(series, request, tokens)
        series.codes[request.status] = series.codes.get(request.status, 0) + 1
        series.durations.observe(took_s)

    def _log(self, request: "Request") -> None:
        tokens, began = request.tokens, request.started
        self._core.log.access(
            AccessLine(
                self._core.clock.stamp,
                request.id.decode("ascii"),
                _route_label(request.path),
                request.status,
                _ms(request.ended - began),
                request.sent_bytes,
                request.model,
                request.backend,
                request.stream,
                _ms(request.first_at - began) if request.first_at else None,
                _ms(request.held_s) if request.held_s else None,
                None if tokens is None else tokens[0],
                None if tokens is None else tokens[1],
                request.fallback_from,
                request.key_id,
            )
        )


def _count_answer(series: Series, request: "Request", tokens: tuple[int, int, int] | None) -> None:
    """Count what only an engine's answer has: tokens, and how they came."""
    outputs = 0
    if tokens is not None:
        outputs = tokens[1]
        series.answers.inputs.observe(tokens[0])
        if outputs:
            series.answers.outputs.observe(outputs)
    if request.stream:
        series.first_tokens.observe(request.first_at - request.started)
        if outputs > 1:  # the first one's time is another metric
            per_token_s = (request.ended - request.first_at) / (outputs - 1)
            series.answers.per_token.observe(per_token_s)


def _route_label(path: str) -> str:
    if path in OPERATIONS or path in _CONTROL_PATHS or path in _OLLAMA_PATHS:
        return path
    return "/v1/models/{id}" if path.startswith("/v1/models/") else OTHER


def _ms(seconds: float) -> float:
    """Return milliseconds with three decimals; `round` takes four times as long."""
    return int(seconds * 1_000_000) / 1000
