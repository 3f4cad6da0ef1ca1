"""What tokens cost, of the models that have a price in the configuration."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.board import Row, board
from dashboards.panels import TOKENS_PER_S, Panel, Query, bars, lines, number
from dashboards.promql import BOTH, growth, rate

SLUG = "costs"

_COST = "frontier_cost_usd_total"
_TOKENS = "frontier_tokens_total"
_USED = f'{BOTH},direction=~"input|output"'
_USD = "currencyUSD"
_NO_PRICE = "no model has a price"


def build() -> Dashboard:
    """Return the dashboard."""
    return board(
        SLUG,
        "Cost analytics",
        "Dollars and tokens by model, backend and key. Prices stand in config/models.yaml.",
        (Row("Now", _now()), Row("Dollars", _dollars()), Row("Tokens", _tokens())),
        labels=("model", "backend"),
    )


def _now() -> tuple[Panel, ...]:
    per_million = f"1e6 * {growth(_COST, BOTH)} / {growth(_TOKENS, _USED)}"
    return (
        number(
            "Last 24 hours",
            "Above ALERT_DAILY_COST_USD HighDailyCost fires.",
            _USD,
            Query(growth(_COST, BOTH, window="1d")),
            width=5,
            levels=((None, "green"), (80, "orange"), (100, "red")),
            none=_NO_PRICE,
        ),
        number(
            "In the chosen time",
            "All that the answers of this time cost.",
            _USD,
            Query(growth(_COST, BOTH)),
            width=5,
            none=_NO_PRICE,
        ),
        number(
            "Per hour",
            "At the pace of the last hour.",
            _USD,
            Query(f"{rate(_COST, BOTH, window='1h')} * 3600"),
            width=5,
            none=_NO_PRICE,
        ),
        number(
            "Per month",
            "30 days at the pace of the last one.",
            _USD,
            Query(f"{rate(_COST, BOTH, window='1d')} * 2592000"),
            width=5,
            none=_NO_PRICE,
        ),
        number(
            "Per million tokens",
            "What a million tokens cost, prompts and answers together, free models included.",
            _USD,
            Query(per_million),
            none=_NO_PRICE,
        ),
    )


def _dollars() -> tuple[Panel, ...]:
    hourly = [
        lines(
            f"Dollars per hour by {label}",
            about,
            _USD,
            Query(f"{rate(_COST, BOTH, by=label)} * 3600", f"{{{{{label}}}}}"),
            stack=True,
            none=_NO_PRICE,
        )
        for label, about in (
            (
                "model",
                "CostSpike fires at ALERT_COST_SPIKE times what the day before took per hour.",
            ),
            ("backend", "Which provider the bill will come from."),
        )
    ]
    return (
        *hourly,
        bars(
            "Dollars by key",
            "The ten keys that spent the most in the chosen time; `frontier keys list` names them.",
            _USD,
            Query(f"topk(10, {growth(_COST, BOTH, by='key')})", "{{key}}"),
            none=_NO_PRICE,
        ),
        bars(
            "Dollars per thousand requests",
            "By model, in the chosen time.",
            _USD,
            Query(
                f"1000 * {growth(_COST, BOTH, by='model')} / "
                f"({growth('frontier_requests_total', BOTH, by='model')} > 0)",
                "{{model}}",
            ),
            none=_NO_PRICE,
        ),
    )


def _tokens() -> tuple[Panel, ...]:
    return (
        lines(
            "Tokens by direction",
            "`cached` are those of the input that the engine had read before.",
            TOKENS_PER_S,
            Query(rate(_TOKENS, BOTH, by="direction"), "{{direction}}"),
        ),
        lines(
            "Tokens by model",
            "Prompts and answers together.",
            TOKENS_PER_S,
            Query(rate(_TOKENS, _USED, by="model"), "{{model}}"),
            stack=True,
        ),
        bars(
            "Tokens by key",
            "The ten keys with the most in the chosen time.",
            "short",
            Query(f"topk(10, {growth(_TOKENS, _USED, by='key')})", "{{key}}"),
        ),
        bars(
            "Tokens per request",
            "By model, in the chosen time: long prompts are what most bills are made of.",
            "short",
            Query(
                f"{growth(_TOKENS, _USED, by='model')} / "
                f"({growth('frontier_requests_total', BOTH, by='model')} > 0)",
                "{{model}}",
            ),
        ),
    )
