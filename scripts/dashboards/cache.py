"""Prompts that an engine had read before: the one cache there is, since answers are not kept."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.board import Row, board
from dashboards.panels import HEIGHT, TOKENS_PER_S, Panel, Query, bars, lines, number
from dashboards.promql import BOTH, growth, quantile, rate

SLUG = "cache"

_TOKENS = "frontier_tokens_total"
_CACHED = f'{BOTH},direction="cached"'
_INPUT = f'{BOTH},direction="input"'
_LLAMA_CACHED = "llamacpp:prompt_tokens_cached_total"
_LLAMA_READ = "llamacpp:prompt_tokens_total"


def build() -> Dashboard:
    """Return the dashboard; what one kind of engine tells is folded."""
    return board(
        SLUG,
        "Cache performance",
        "How much of the prompts the engines need not read again. The gateway keeps no answers.",
        (
            Row("Now", _now()),
            Row("Prompt cache", _prompts()),
            Row("llama.cpp", _llama_cpp(), is_folded=True),
            Row("vLLM", _vllm(), is_folded=True),
            Row("mistral.rs", _mistral(), is_folded=True),
        ),
        labels=("model", "backend"),
    )


def _share(by: str = "") -> str:
    return f"{rate(_TOKENS, _CACHED, by=by)} / {rate(_TOKENS, _INPUT, by=by)}"


def _now() -> tuple[Panel, ...]:
    ratio = f"{growth(_TOKENS, _CACHED)} / {growth(_TOKENS, _INPUT)}"
    return (
        number(
            "From the cache",
            "Share of the prompts' tokens that engines had read before, in the chosen time.",
            "percentunit",
            Query(ratio),
            width=6,
        ),
        number(
            "Tokens not read again",
            "How many they were.",
            "short",
            Query(growth(_TOKENS, _CACHED)),
            width=6,
            is_count=True,
        ),
        number(
            "Tokens read",
            "The prompts' other tokens, which took time.",
            "short",
            Query(f"{growth(_TOKENS, _INPUT)} - {growth(_TOKENS, _CACHED)}"),
            width=6,
            is_count=True,
        ),
        number(
            "First token, median",
            "What the cache is for: a prompt that is known begins at once.",
            "s",
            Query(quantile(0.5, "frontier_time_to_first_token_seconds", BOTH)),
            width=6,
        ),
    )


def _prompts() -> tuple[Panel, ...]:
    return (
        lines(
            "Share from the cache by model",
            "Below ALERT_CACHE_HIT_RATIO LowCacheHitRate fires. Low for chats that go on: "
            "several engines without `balance: session`, or too few "
            "slots, so that conversations push each other out.",
            "percentunit",
            Query(_share("model"), "{{model}}"),
            most=1,
        ),
        lines(
            "Prompt tokens",
            "Those from the cache, and those that had to be read.",
            TOKENS_PER_S,
            Query(rate(_TOKENS, _CACHED), "from the cache"),
            Query(f"{rate(_TOKENS, _INPUT)} - {rate(_TOKENS, _CACHED)}", "read"),
            stack=True,
        ),
        bars(
            "Share from the cache by key",
            "Whose prompts begin alike: the ten keys with the most, in the chosen time.",
            "percentunit",
            Query(
                f"topk(10, {growth(_TOKENS, _CACHED, by='key')} / "
                f"({growth(_TOKENS, _INPUT, by='key')} > 0))",
                "{{key}}",
            ),
        ),
        lines(
            "Time to first token",
            "Where the share of the cache rises, this should fall.",
            "s",
            *(
                Query(quantile(q, "frontier_time_to_first_token_seconds", BOTH), f"p{q * 100:.0f}")
                for q in (0.5, 0.95)
            ),
        ),
    )


def _llama_cpp() -> tuple[Panel, ...]:
    none = "no llama.cpp in this stack"
    saved = (
        f"{growth(_LLAMA_CACHED)} * {growth('llamacpp:prompt_seconds_total')} / "
        f"{growth(_LLAMA_READ)}"
    )
    return (
        lines(
            "Prompt tokens",
            "Tokens reused from a slot, and tokens computed, as the engine counts them.",
            TOKENS_PER_S,
            Query(rate(_LLAMA_CACHED), "reused"),
            Query(rate(_LLAMA_READ), "computed"),
            width=8,
            stack=True,
            none=none,
        ),
        lines(
            "Share reused",
            "By engine, embeddings and health checks included.",
            "percentunit",
            Query(
                f"{rate(_LLAMA_CACHED, by='instance')} / ({rate(_LLAMA_CACHED, by='instance')} + "
                f"{rate(_LLAMA_READ, by='instance')})",
                "{{instance}}",
            ),
            width=8,
            most=1,
            none=none,
        ),
        number(
            "Time saved",
            "What reading the reused tokens would have taken, at the speed of those that were "
            "read in the chosen time.",
            "s",
            Query(saved),
            width=8,
            height=HEIGHT,
            none=none,
        ),
    )


def _vllm() -> tuple[Panel, ...]:
    none = "no vLLM in this stack"
    hits, queries = "vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"
    return (
        lines(
            "Prefix cache hits",
            "Share of the looked-up tokens that were found.",
            "percentunit",
            Query(
                f"{rate(hits, by='model_name')} / {rate(queries, by='model_name')}",
                "{{model_name}}",
            ),
            most=1,
            none=none,
        ),
        lines(
            "KV cache in use",
            "Old prefixes stay until their room is needed: near 1 they are soon gone.",
            "percentunit",
            Query("max by (model_name) (vllm:kv_cache_usage_perc)", "{{model_name}}"),
            most=1,
            none=none,
        ),
    )


def _mistral() -> tuple[Panel, ...]:
    none = "no mistral.rs in this stack"
    hits, lookups = "mistralrs_prefix_cache_hits_total", "mistralrs_prefix_cache_lookups_total"
    return (
        lines(
            "Prefix cache hits",
            "Share of the lookups that found a beginning of the prompt.",
            "percentunit",
            Query(f"{rate(hits)} / {rate(lookups)}", "hits"),
            most=1,
            none=none,
        ),
        lines(
            "Lookups",
            "One per request.",
            "reqps",
            Query(rate(lookups), "lookups"),
            Query(rate(hits), "hits"),
            none=none,
        ),
    )
