"""What clients ask, and what becomes of it."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.board import Row, board
from dashboards.panels import TOKENS_PER_S, Levels, Panel, Query, heat, lines, number
from dashboards.promql import BOTH, MODEL, growth, quantile, rate, total

SLUG = "requests"

_REQUESTS = "frontier_requests_total"
_TOKENS = "frontier_tokens_total"
_DURATION = "frontier_request_duration_seconds"
_FIRST = "frontier_time_to_first_token_seconds"
_FAILED = f'{BOTH},code=~"5.."'
_ERRORS: Levels = ((None, "green"), (0.005, "orange"), (0.01, "red"))


def build() -> Dashboard:
    """Return the dashboard."""
    about = "Requests through the gateway: how many, how they end, how long they take."
    rows = (Row("Now", _now()), Row("Traffic", _traffic()), Row("Outcome", _outcome()))
    return board(
        SLUG, "Requests", about, (*rows, Row("Duration", _duration())), labels=("model", "backend")
    )


def _now() -> tuple[Panel, ...]:
    failed = f"{rate(_REQUESTS, _FAILED)} / {rate(_REQUESTS, BOTH)}"
    served = f"1 - {growth(_REQUESTS, _FAILED)} / {growth(_REQUESTS, BOTH)}"
    waiting = f"{total('frontier_queue_depth', MODEL)} + {total('frontier_held_requests', MODEL)}"
    return (
        number("Requests", "Requests that end, per second.", "reqps", Query(rate(_REQUESTS, BOTH))),
        number(
            "Errors",
            "Share of requests that end with a server error (5xx). Above ALERT_ERROR_RATIO for "
            "five minutes HighErrorRate fires.",
            "percentunit",
            Query(failed),
            levels=_ERRORS,
        ),
        number(
            "Served",
            "Share of requests in the chosen time that ended without a server error.",
            "percentunit",
            Query(served),
            levels=((None, "red"), (0.99, "orange"), (0.999, "green")),
        ),
        number(
            "First token, p95",
            "19 of 20 streams begin within this time.",
            "s",
            Query(quantile(0.95, _FIRST, BOTH)),
        ),
        number(
            "In flight",
            "Requests that an engine works on.",
            "short",
            Query(total("frontier_inflight_requests", BOTH)),
        ),
        number(
            "Waiting",
            "Requests that wait for a free engine, or for their model to load.",
            "short",
            Query(waiting),
            levels=((None, "text"), (1, "orange")),
        ),
    )


def _traffic() -> tuple[Panel, ...]:
    return (
        lines(
            "Requests by model",
            "Model names come from the configuration; `other` is a model that nobody configured.",
            "reqps",
            Query(rate(_REQUESTS, BOTH, by="model"), "{{model}}"),
            stack=True,
        ),
        lines(
            "Requests by path",
            "Which API clients speak: OpenAI's and Anthropic's under /v1, Ollama's under /api.",
            "reqps",
            Query(rate(_REQUESTS, BOTH, by="route"), "{{route}}"),
            stack=True,
        ),
        lines(
            "Tokens",
            "Prompt tokens read and tokens generated, as far as answers carry their usage.",
            TOKENS_PER_S,
            Query(
                rate(_TOKENS, f'{BOTH},direction=~"input|output"', by="direction"), "{{direction}}"
            ),
        ),
        lines(
            "In flight and waiting",
            "Where waiting grows and in flight does not, the engine is the limit: give it more "
            "slots or add another one.",
            "short",
            Query(total("frontier_inflight_requests", BOTH), "in flight"),
            Query(total("frontier_queue_depth", MODEL), "in the queue"),
            Query(total("frontier_held_requests", MODEL), "held while a model loads"),
        ),
    )


def _outcome() -> tuple[Panel, ...]:
    return (
        lines(
            "Requests by status",
            "499: the client left before its answer was complete. 503: no engine could take it.",
            "reqps",
            Query(rate(_REQUESTS, BOTH, by="code"), "{{code}}"),
            stack=True,
        ),
        lines(
            "Errors by backend",
            "Share of each backend's requests that end with a server error.",
            "percentunit",
            Query(
                f"{rate(_REQUESTS, _FAILED, by='backend')} / {rate(_REQUESTS, BOTH, by='backend')}",
                "{{backend}}",
            ),
            most=1,
        ),
        lines(
            "Kept out by a limit",
            "Requests that a limit of their key refused with 429: its requests or tokens per "
            "minute, or its budget of the day.",
            "reqps",
            Query(rate("frontier_rate_limited_total", by="scope"), "{{scope}}"),
        ),
        lines(
            "Refused because of who asked",
            "No key, an unknown, expired or revoked one, one for other models or other addresses.",
            "reqps",
            Query(rate("frontier_refused_requests_total", by="reason"), "{{reason}}"),
        ),
    )


def _duration() -> tuple[Panel, ...]:
    return (
        lines(
            "How long requests take",
            "From a request's first byte to its answer's last: long answers take long.",
            "s",
            *(Query(quantile(q, _DURATION, BOTH), f"p{q * 100:.0f}") for q in (0.5, 0.95, 0.99)),
        ),
        heat(
            "Requests by duration",
            "Two bands mean two kinds of requests, or a cache that sometimes helps.",
            Query(growth(f"{_DURATION}_bucket", BOTH, by="le", window="$__rate_interval")),
        ),
    )
