"""Numbers of `frontier top` that come from the gateway: what two of its answers tell together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from frontier.domain.exposition import Exposition, quantile
from frontier.domain.top import KeyView, ModelView, Spread, Traffic
from frontier.domain.top_reading import GatewayRead, RouteRead

_FIRST: Final = "frontier_time_to_first_token_seconds_bucket"
_PER: Final = "gen_ai_server_time_per_output_token_seconds_bucket"
_REQUESTS: Final = "frontier_requests_total"
_TOKENS: Final = "frontier_tokens_total"
_PIECES: Final = "frontier_answer_pieces_total"
_COST: Final = "frontier_cost_usd_total"
_IN_FLIGHT: Final = "frontier_inflight_requests"
_QUEUED: Final = "frontier_queue_depth"
_HELD: Final = "frontier_held_requests"
_MEMORY: Final = "frontier_loaded_model_bytes"
_VRAM: Final = "frontier_loaded_model_vram_bytes"
_LOAD_FAILURES: Final = "frontier_model_load_failures_total"
UP: Final = "frontier_backend_up"
GPU_EXPECTED: Final = "frontier_engine_gpu_expected"
GPU_IN_USE: Final = "frontier_engine_gpu_in_use"
BUILD: Final = "frontier_build_info"

NAMES: Final = frozenset(
    {_FIRST, _PER, _REQUESTS, _TOKENS, _PIECES, _COST, _IN_FLIGHT, _QUEUED, _HELD}
    | {_MEMORY, _VRAM, _LOAD_FAILURES, UP, GPU_EXPECTED, GPU_IN_USE, BUILD}
)
"""The samples that are read; older gateways lack some, and what they tell stays None."""

_FAILED: Final = 400
_LEFT: Final = "499"

_Sums = Mapping[tuple[str, ...], float]


class Rates:
    """What a gateway did between two of its answers.

    Args:
        before: The earlier one, None where there is none yet.
        now: The later one.
    """

    def __init__(self, before: GatewayRead | None, now: GatewayRead) -> None:
        self._metrics, self._routes = now.metrics, now.routes
        elapsed_s = now.at_s - before.at_s if before else 0.0
        self.window_s = elapsed_s if before and elapsed_s > 0 else None
        self._grown = now.metrics.since(before.metrics) if before else Exposition()

    @property
    def traffic(self) -> Traffic:
        """Return the sums over all models, requests for unknown ones included."""
        return self._traffic(_Groups.of(self._metrics, self._grown), ())

    def models(self) -> tuple[ModelView, ...]:
        """Return the models that the gateway serves, in the order of its routes.

        Without routes all that it counts are there.
        """
        counted = [name for (name,) in self._metrics.by(_IN_FLIGHT, "model")]
        routes = self._routes or tuple(RouteRead(model=name) for name in counted)
        groups = _Groups.of(self._metrics, self._grown, "model")
        totals = _Totals(self._metrics)
        return tuple(totals.view(r, self._traffic(groups, (r.model,))) for r in routes)

    def keys(self) -> tuple[KeyView, ...]:
        """Return the keys that used anything, by id."""
        total = self._metrics.by(_TOKENS, "key", "direction")
        grown = self._grown.by(_TOKENS, "key", "direction")
        costs = self._metrics.by(_COST, "key")
        used = sorted({key for (key, _), count in total.items() if count})
        return tuple(
            KeyView(
                key=key,
                tokens_in_per_s=self._rate(grown.get((key, "input"), 0.0)),
                tokens_out_per_s=self._rate(grown.get((key, "output"), 0.0)),
                tokens_in=int(total.get((key, "input"), 0)),
                tokens_out=int(total.get((key, "output"), 0)),
                cost_usd=costs.get((key,)),
            )
            for key in used
        )

    def _rate(self, growth: float) -> float | None:
        return growth / self.window_s if self.window_s else None

    def _traffic(self, groups: "_Groups", own: tuple[str, ...]) -> Traffic:
        codes = {group[-1]: n for group, n in groups.requests.items() if group[:-1] == own}
        failed = (n for code, n in codes.items() if code != _LEFT and int(code) >= _FAILED)
        told = groups.tokens.get((*own, "output"), 0.0)  # all that an older gateway has
        return Traffic(
            requests_per_s=self._rate(sum(codes.values())),
            failed_per_s=self._rate(sum(failed)),
            tokens_in_per_s=self._rate(groups.tokens.get((*own, "input"), 0.0)),
            tokens_out_per_s=self._rate(groups.pieces.get(own, told)),
            in_flight=int(groups.in_flight.get(own, 0)),
            queued=int(groups.queued.get(own, 0)),
            held=int(groups.held.get(own, 0)),
            first_token=_spread(groups.first_token, own),
            per_token=_spread(groups.per_token, own),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Groups:
    """Sums by model, or over all; the last part of a key is what the family counts by."""

    requests: _Sums
    tokens: _Sums
    pieces: _Sums
    first_token: _Sums
    per_token: _Sums
    in_flight: _Sums
    queued: _Sums
    held: _Sums

    @classmethod
    def of(cls, now: Exposition, grown: Exposition, *model: str) -> Self:
        """Return the sums by the label *model*, over all without it."""
        return cls(
            requests=grown.by(_REQUESTS, *model, "code"),
            tokens=grown.by(_TOKENS, *model, "direction"),
            pieces=grown.by(_PIECES, *model),
            first_token=grown.by(_FIRST, *model, "le"),
            per_token=grown.by(_PER, *("gen_ai_request_model" for _ in model), "le"),
            in_flight=now.by(_IN_FLIGHT, *model),
            queued=now.by(_QUEUED, *model),
            held=now.by(_HELD, *model),
        )


def _spread(buckets: _Sums, own: tuple[str, ...]) -> Spread:
    mine = {float(group[-1]): n for group, n in buckets.items() if group[:-1] == own}
    return Spread(p50_s=quantile(0.5, mine), p95_s=quantile(0.95, mine))


class _Totals:
    """What the gateway tells of models since its start, and of those that are loaded now."""

    def __init__(self, now: Exposition) -> None:
        self._requests = now.by(_REQUESTS, "model")
        self._tokens = now.by(_TOKENS, "model", "direction")
        self._memory, self._vram = now.by(_MEMORY, "model"), now.by(_VRAM, "model")
        self._load_failures = now.by(_LOAD_FAILURES, "model")

    def view(self, route: RouteRead, traffic: Traffic) -> ModelView:
        """Return the model of *route*."""
        own = (route.model,)
        contexts = [b.context for b in route.backends if b.context]
        return ModelView(
            name=route.model,
            aliases=route.aliases,
            backends=tuple(backend.name for backend in route.backends),
            context=min(contexts, default=None),
            memory_bytes=_whole(self._memory.get(own)),
            vram_bytes=_whole(self._vram.get(own)),
            requests=int(self._requests.get(own, 0)),
            tokens_in=int(self._tokens.get((*own, "input"), 0)),
            tokens_out=int(self._tokens.get((*own, "output"), 0)),
            load_failures=int(self._load_failures.get(own, 0)),
            traffic=traffic,
        )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
