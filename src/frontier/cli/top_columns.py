"""The columns of `frontier top`, those that matter most in the narrowest window."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from frontier.cli.top_tables import Column, Row, Table, Tone
from frontier.cli.top_words import amount, duration, percent, rate
from frontier.domain.top import EngineView, Failure, KeyView, ModelView

_TONES: Final[dict[str, Tone]] = {
    **dict.fromkeys(("ready", "up", "closed", "used"), "good"),
    **dict.fromkeys(("waiting", "starting", "stopping", "half_open"), "wait"),
    **dict.fromkeys(("stopped", "backoff", "down", "open", "missing"), "bad"),
}
_SERVER_ERROR: Final = 500


def _words(title: str, of: Callable[[Row], str], rank: int, width: int = 4) -> Column[Row]:
    return Column(title, lambda row: of(row) or "-", of, rank, width, is_left=True)


def _state(title: str, of: Callable[[Row], str], rank: int, width: int) -> Column[Row]:
    def tone(row: Row) -> Tone:
        return _TONES.get(of(row), "")

    return replace(_words(title, of, rank, width), tone=tone)


def _rate(title: str, of: Callable[[Row], float | None], rank: int) -> Column[Row]:
    return Column(title, lambda row: rate(of(row)), lambda row: of(row) or 0.0, rank, 5)


def _time(title: str, of: Callable[[Row], float | None], rank: int) -> Column[Row]:
    return Column(title, lambda row: duration(of(row)), lambda row: of(row) or 0.0, rank, 7)


def _size(title: str, of: Callable[[Row], int | None], rank: int) -> Column[Row]:
    return Column(title, lambda row: amount(of(row)), lambda row: of(row) or 0, rank, 9)


def _count(title: str, of: Callable[[Row], int | None], rank: int) -> Column[Row]:
    def cell(row: Row) -> str:
        return "-" if (number := of(row)) is None else f"{number}"

    return Column(title, cell, lambda row: of(row) or 0, rank)


def _place(engine: EngineView) -> str:
    if engine.place == "container":
        return engine.container
    return f"pid {engine.pid}" if engine.pid else engine.place


def _failing(model: ModelView) -> Tone:
    return "bad" if model.traffic.failed_per_s else ""


def _whose(failure: Failure) -> Tone:
    """Tell failures of ours from those of whoever asked."""
    return "bad" if failure.status >= _SERVER_ERROR else "wait"


def _clock(failure: Failure) -> str:
    """Return when it was, by the clock on the wall."""
    try:
        return datetime.fromisoformat(failure.time).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return failure.time


MODELS: Final[Table[ModelView]] = Table(
    "Models",
    lambda view: view.models,
    lambda model: model.name,
    (
        _words("MODEL", lambda m: m.name, 0, 12),
        _rate("REQ/S", lambda m: m.traffic.requests_per_s, 1),
        replace(_rate("FAIL/S", lambda m: m.traffic.failed_per_s, 6), tone=_failing),
        _rate("OUT/S", lambda m: m.traffic.tokens_out_per_s, 0),
        _rate("IN/S", lambda m: m.traffic.tokens_in_per_s, 5),
        _time("FIRST", lambda m: m.traffic.first_token.p50_s, 2),
        _time("p95", lambda m: m.traffic.first_token.p95_s, 4),
        _time("TOKEN", lambda m: m.traffic.per_token.p50_s, 7),
        _time("p95", lambda m: m.traffic.per_token.p95_s, 9),
        _count("NOW", lambda m: m.traffic.in_flight, 1),
        _count("QUEUE", lambda m: m.traffic.queued, 3),
        _count("HELD", lambda m: m.traffic.held, 8),
        _size("MEMORY", lambda m: m.memory_bytes, 3),
        _size("VRAM", lambda m: m.vram_bytes, 10),
        _count("CONTEXT", lambda m: m.context, 11),
        _words("ENGINES", lambda m: ", ".join(m.backends), 12, 8),
    ),
    "the gateway serves no model",
)

ENGINES: Final[Table[EngineView]] = Table(
    "Engines",
    lambda view: view.engines,
    lambda engine: engine.name,
    (
        _words("SERVICE", lambda e: e.name, 0, 10),
        _state("STATE", lambda e: e.phase, 0, 7),
        Column("CPU", lambda e: percent(e.cpu_percent), lambda e: e.cpu_percent or 0.0, 1, 5),
        _size("MEMORY", lambda e: e.memory_bytes, 1),
        _count("BUSY", lambda e: e.busy, 4),
        _state("BREAKER", lambda e: e.breaker, 3, 7),
        _time("UP", lambda e: e.uptime_s, 5),
        _count("RESTARTS", lambda e: e.restarts, 6),
        _state("GPU", lambda e: e.gpu, 7, 4),
        _words("WHERE", _place, 2, 10),
        Column("WHY", lambda e: e.reason, lambda e: e.reason, 4, is_left=True),
    ),
    "nothing runs: frontier start",
)

KEYS: Final[Table[KeyView]] = Table(
    "Keys",
    lambda view: view.keys,
    lambda key: key.key,
    (
        _words("KEY", lambda k: k.key, 0, 16),
        _rate("OUT/S", lambda k: k.tokens_out_per_s, 0),
        _rate("IN/S", lambda k: k.tokens_in_per_s, 1),
        _count("TOKENS OUT", lambda k: k.tokens_out, 2),
        _count("TOKENS IN", lambda k: k.tokens_in, 3),
        Column(
            "COST",
            lambda k: "-" if k.cost_usd is None else f"$ {k.cost_usd:.4f}",
            lambda k: k.cost_usd or 0.0,
            4,
            8,
        ),
    ),
    "no tokens were counted yet",
)

ERRORS: Final[Table[Failure]] = Table(
    "Errors",
    lambda view: view.errors,
    lambda failure: f"{failure.time} {failure.request_id}",
    (
        _words("TIME", _clock, 0, 8),
        replace(_count("CODE", lambda f: f.status, 0), tone=_whose),
        _words("ROUTE", lambda f: f.route, 0, 10),
        _words("MODEL", lambda f: f.model, 1, 12),
        _words("ENGINE", lambda f: f.backend, 3, 8),
        _words("KEY", lambda f: f.key, 4, 8),
        _time("TOOK", lambda f: f.duration_s, 2),
        _words("REQUEST", lambda f: f.request_id, 5, 10),
    ),
    "no request has failed",
)

TABLES: Final[tuple[Table[Any], ...]] = (MODELS, ENGINES, KEYS, ERRORS)
