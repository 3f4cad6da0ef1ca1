"""Which providers and engines can be reached, and how they behave."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.board import Row, board
from dashboards.panels import BAD_ABOVE_0, TOKENS_PER_S, UP, Panel, Query, lines, number, states
from dashboards.promql import BACKEND, BOTH, growth, quantile, rate, total

SLUG = "backends"

_ATTEMPTS = "frontier_backend_attempts_total"
_TOOK = "gen_ai_client_operation_duration_seconds"
_BREAKER = "frontier_circuit_breaker_state"
_OK = f'{BACKEND},outcome="ok"'


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        SLUG,
        "Providers and backends",
        "Whether each backend answers, its circuit breaker, retries and fallbacks.",
        (
            Row("Now", _now()),
            Row("State", _state()),
            Row("Attempts", _attempts()),
            Row("Time", _time()),
        ),
        labels=("model", "backend"),
    )


def _now() -> tuple[Panel, ...]:
    share = f"{growth(_ATTEMPTS, _OK)} / {growth(_ATTEMPTS, BACKEND)}"
    return (
        number(
            "Up",
            "Backends whose engines all answered their last probe.",
            "short",
            Query(total("frontier_backend_up", BACKEND)),
            levels=((None, "red"), (1, "green")),
        ),
        number(
            "Down",
            "Backends with an engine that did not. None up at all fires AllProvidersDown.",
            "short",
            Query(f"count(frontier_backend_up{{{BACKEND}}} == 0) or vector(0)"),
            levels=BAD_ABOVE_0,
        ),
        number(
            "Open breakers",
            "Backends that failed five times in a row and are left alone: CircuitBreakerOpen.",
            "short",
            Query(total(_BREAKER, f'{BACKEND},state="open"')),
            levels=BAD_ABOVE_0,
        ),
        number(
            "Success",
            "Share of the attempts in the chosen time that an engine answered.",
            "percentunit",
            Query(share),
            levels=((None, "red"), (0.95, "orange"), (0.99, "green")),
        ),
        number(
            "Retries",
            "Requests in the chosen time that were sent again to another engine of the model.",
            "short",
            Query(growth("frontier_retries_total", BACKEND)),
            is_count=True,
        ),
        number(
            "Fallbacks",
            "Requests in the chosen time that another model answered.",
            "short",
            Query(growth("frontier_fallbacks_total")),
            is_count=True,
        ),
    )


def _state() -> tuple[Panel, ...]:
    state = 'sum by (backend) ({}{{{},state="{}"}})'
    half = state.format(_BREAKER, BACKEND, "half_open")
    opened = state.format(_BREAKER, BACKEND, "open")
    return (
        states(
            "Up",
            "The last probe of each backend.",
            UP,
            Query(f"min by (backend) (frontier_backend_up{{{BACKEND}}})", "{{backend}}"),
        ),
        states(
            "Circuit breakers",
            "Closed: requests flow. Open: none is sent. Half open: one is let through to see.",
            {0: ("closed", "green"), 1: ("half open", "orange"), 2: ("open", "red")},
            Query(f"{half} + 2 * {opened}", "{{backend}}"),
        ),
    )


def _attempts() -> tuple[Panel, ...]:
    return (
        lines(
            "Attempts by outcome",
            "error: an answer of 5xx or none; rejected: the engine was full.",
            "reqps",
            Query(rate(_ATTEMPTS, BACKEND, by="outcome"), "{{outcome}}"),
            stack=True,
        ),
        lines(
            "Success by backend",
            "Share of the attempts that were answered.",
            "percentunit",
            Query(
                f"{rate(_ATTEMPTS, _OK, by='backend')} / {rate(_ATTEMPTS, BACKEND, by='backend')}",
                "{{backend}}",
            ),
            most=1,
        ),
        lines(
            "Retries by backend",
            "Requests that this backend could not take and another one got.",
            "reqps",
            Query(rate("frontier_retries_total", BACKEND, by="backend"), "{{backend}}"),
        ),
        lines(
            "Fallbacks",
            "A fallback that nobody notices is an outage that nobody notices.",
            "reqps",
            Query(rate("frontier_fallbacks_total", by="from, to"), "{{from}} to {{to}}"),
        ),
    )


def _time() -> tuple[Panel, ...]:
    return (
        lines(
            "p95 by provider",
            "How long an engine or provider takes for a whole answer.",
            "s",
            Query(quantile(0.95, _TOOK, by="gen_ai_provider_name"), "{{gen_ai_provider_name}}"),
        ),
        lines(
            "First token by backend, p95",
            "Where a backend is slower than the others, balance by weight or `least_busy`.",
            "s",
            Query(
                quantile(0.95, "frontier_time_to_first_token_seconds", BOTH, by="backend"),
                "{{backend}}",
            ),
        ),
        lines(
            "In flight by backend",
            "How the load is spread.",
            "short",
            Query(total("frontier_inflight_requests", BOTH, by="backend"), "{{backend}}"),
            stack=True,
        ),
        lines(
            "Tokens by provider",
            "Prompt and answer tokens, as the provider counted them.",
            TOKENS_PER_S,
            Query(
                rate("gen_ai_client_token_usage_sum", by="gen_ai_provider_name, gen_ai_token_type"),
                "{{gen_ai_provider_name}} {{gen_ai_token_type}}",
            ),
        ),
    )
