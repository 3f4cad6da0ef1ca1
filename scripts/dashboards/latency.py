"""Where the time goes: the queue, the first token, each one after it."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.board import Row, board
from dashboards.panels import Levels, Panel, Query, heat, lines, number
from dashboards.promql import ASKED, BOTH, MODEL, growth, quantile, rate, total, within

SLUG = "latency"

_FIRST = "frontier_time_to_first_token_seconds"
_EACH = "gen_ai_server_time_per_output_token_seconds"
_WAIT = "frontier_queue_wait_seconds"
_QUANTILES = (0.5, 0.95, 0.99)
_SLOW: Levels = ((None, "green"), (2, "orange"), (10, "red"))


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        SLUG,
        "Latency",
        "Time to the first token, time per token, time in the queue.",
        (
            Row("Now", _now()),
            Row("Time to first token", _first_token()),
            Row("Time per output token", _per_token()),
            Row("Queue", _queue()),
            Row("Whole requests", _whole()),
        ),
        labels=("model", "backend"),
    )


def _quantiles(metric: str, where: str) -> list[Query]:
    return [Query(quantile(q, metric, where), f"p{q * 100:.0f}") for q in _QUANTILES]


def _now() -> tuple[Panel, ...]:
    return (
        number(
            "First token, median",
            "Half of all streams begin within this time.",
            "s",
            Query(quantile(0.5, _FIRST, BOTH)),
            levels=_SLOW,
        ),
        number(
            "First token, p95",
            "19 of 20 streams begin within this time. Above ALERT_TTFT_S HighTTFT fires.",
            "s",
            Query(quantile(0.95, _FIRST, BOTH)),
            levels=_SLOW,
        ),
        number(
            "Within 2 s",
            "Share of streams whose first token came within two seconds; counted, not estimated.",
            "percentunit",
            Query(within(_FIRST, "2.0", BOTH)),
            levels=((None, "red"), (0.9, "orange"), (0.95, "green")),
        ),
        number(
            "Per token, median",
            "Time between two tokens of a stream. People read about five words a second, 0.15 s.",
            "s",
            Query(quantile(0.5, _EACH, ASKED)),
            levels=((None, "green"), (0.15, "orange"), (0.4, "red")),
        ),
        number(
            "Tokens per second",
            "How fast one stream reads: one over the mean time per token.",
            "short",
            Query(f"{rate(_EACH + '_count', ASKED)} / {rate(_EACH + '_sum', ASKED)}"),
        ),
        number(
            "Queue, p95",
            "19 of 20 requests wait no longer than this for a free engine.",
            "s",
            Query(quantile(0.95, _WAIT, MODEL)),
            levels=((None, "green"), (1, "orange"), (10, "red")),
        ),
    )


def _first_token() -> tuple[Panel, ...]:
    return (
        lines(
            "Time to first token",
            "From a request's first byte to a stream's first: queue, prompt, first token.",
            "s",
            *_quantiles(_FIRST, BOTH),
        ),
        lines(
            "p95 by model",
            "A model that has to load first shows here, and long prompts do.",
            "s",
            Query(quantile(0.95, _FIRST, BOTH, by="model"), "{{model}}"),
        ),
        heat(
            "Streams by time to first token",
            "Two bands often are prompts that the engine's cache knew, and those it did not.",
            Query(growth(f"{_FIRST}_bucket", BOTH, by="le", window="$__rate_interval")),
        ),
        lines(
            "Share that began in time",
            "Streams whose first token came within half a second, two and ten seconds.",
            "percentunit",
            *(Query(within(_FIRST, bound, BOTH), f"{bound} s") for bound in ("0.5", "2.0", "10.0")),
            most=1,
        ),
    )


def _per_token() -> tuple[Panel, ...]:
    return (
        lines(
            "Time per output token",
            "From a stream's first token to its last, over the tokens between. It grows with the "
            "number of streams that an engine computes together.",
            "s",
            *_quantiles(_EACH, ASKED),
        ),
        lines(
            "p95 by model",
            "The slow ones of each model.",
            "s",
            Query(
                quantile(0.95, _EACH, ASKED, by="gen_ai_request_model"),
                "{{gen_ai_request_model}}",
            ),
        ),
    )


def _queue() -> tuple[Panel, ...]:
    return (
        lines(
            "Time in the queue",
            "How long requests waited for a free engine: too few slots, or too much to do.",
            "s",
            *_quantiles(_WAIT, MODEL),
        ),
        lines(
            "Length of the queue",
            "Requests that wait, by model; beyond its limit they get 429. "
            "Above ALERT_QUEUE EngineQueueGrowing fires.",
            "short",
            Query(total("frontier_queue_depth", MODEL, by="model"), "{{model}}"),
            stack=True,
        ),
    )


def _whole() -> tuple[Panel, ...]:
    engine = "gen_ai_client_operation_duration_seconds"
    answers = rate(engine + "_count", ASKED)
    return (
        lines(
            "p95 by operation",
            "Chats take as long as their answers are; embeddings should be quick.",
            "s",
            Query(
                quantile(0.95, "frontier_request_duration_seconds", BOTH, by="operation"),
                "{{operation}}",
            ),
        ),
        lines(
            "Gateway and engine",
            "What a client waits for an answer, on average: the gateway's queue, then the engine. "
            "Requests that no engine answered do not count.",
            "s",
            Query(f"{rate(_WAIT + '_sum', MODEL)} / {answers}", "queue"),
            Query(f"{rate(engine + '_sum', ASKED)} / {answers}", "engine"),
            stack=True,
        ),
    )
