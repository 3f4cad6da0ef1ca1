"""All metrics of one process as Prometheus text, put together only when somebody asks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from frontier.domain.facts import LOADS_S, Engine, Facts, Loads
from frontier.gateway import samples
from frontier.gateway.breaker import STATES, State
from frontier.gateway.exposition import Exposition
from frontier.gateway.histogram import Histogram
from frontier.gateway.loaded import Loaded
from frontier.gateway.metrics import Metrics
from frontier.gateway.process_metrics import process_metrics

_PRIORITY: Final = "normal"  # there is one, so far; dashboards know the label


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """What is so at the moment of a scrape, beside what was counted.

    Attributes:
        clients: Open connections from clients.
        upstreams: Open connections to engines.
        in_flight: Requests that engines work on, by model and backend.
        held: Requests that wait for their engine to be replaced or to load, by model.
        queued: Requests that wait for a free engine, by model.
        up: 0 or 1 by backend of the table, and of no other: what an engine is now says nothing once
            it has left.
        breakers: The state of each backend's worst circuit breaker.
        facts: What the command line knows.
        loaded: What Ollama servers have loaded, by backend.
        version: Of Frontier.
    """

    clients: int
    upstreams: int
    in_flight: Mapping[tuple[str, str], int]
    held: Mapping[str, int]
    queued: Mapping[str, int]
    up: Mapping[str, int]
    breakers: Mapping[str, State]
    facts: Facts
    loaded: Mapping[str, tuple[Loaded, ...]]
    version: str


class Exposed:
    """Renders *metrics* in Prometheus' text format, 0.0.4."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        lines = Exposition()
        self._family, self._histograms = lines.family, lines.histograms

    def render(self, now: Now) -> str:
        """Return all of them."""
        parts = (
            self._requests(now),
            self._routing(now),
            self._engines(now),
            self._gateway(now),
            self._genai(),
        )
        return "".join(text for part in parts for text in part)

    def _requests(self, now: Now) -> Iterator[str]:
        metrics, family, histograms = self._metrics, self._family, self._histograms
        places, one = metrics.places, samples.by_one
        yield family("frontier_requests_total", samples.requests(metrics))
        yield histograms("frontier_request_duration_seconds", samples.durations(metrics))
        yield histograms("frontier_time_to_first_token_seconds", samples.first_tokens(metrics))
        yield family("frontier_tokens_total", samples.tokens(metrics))
        counted = ((place, count) for place, (count,) in metrics.pieces.items())
        yield family("frontier_answer_pieces_total", counted)
        yield family("frontier_cost_usd_total", metrics.costs_usd.items())
        working = ((place, now.in_flight.get(place, 0)) for place in places)
        yield family("frontier_inflight_requests", working)
        held = {model: now.held.get(model, 0) for model, _ in places}
        yield family("frontier_held_requests", one(held))
        yield family("frontier_rate_limited_total", one(metrics.rate_limited))
        yield family("frontier_refused_requests_total", one(metrics.refusals))

    def _routing(self, now: Now) -> Iterator[str]:
        metrics, family, one = self._metrics, self._family, samples.by_one
        waits = [((name, _PRIORITY), h) for name, h in metrics.queue_waits.items()]
        depths = ((labels, now.queued.get(labels[0], 0)) for labels, _ in waits)
        attempts = (
            ((name, outcome), count)
            for name, counts in metrics.attempts.items()
            for outcome, count in counts.items()
        )
        states = (
            ((name, state), int(now.breakers.get(name, "closed") == state))
            for name in now.up
            for state in STATES
        )
        yield family("frontier_queue_depth", depths)
        yield self._histograms("frontier_queue_wait_seconds", waits)
        yield family("frontier_backend_up", one(now.up))
        yield family("frontier_backend_attempts_total", attempts)
        yield family("frontier_retries_total", one(metrics.retries))
        yield family("frontier_fallbacks_total", metrics.fallbacks.items())
        yield family("frontier_circuit_breaker_state", states)

    def _engines(self, now: Now) -> Iterator[str]:
        facts, loaded, family, one = now.facts, now.loaded, self._family, samples.by_one
        expected = {name: int(facts.gpu_expected.get(name, False)) for name in now.up}
        said = {b: any(m.vram_bytes for m in found) for b, found in loaded.items() if found}
        known = {**facts.gpu_in_use, **said}
        in_use = {name: int(known[name]) for name in now.up if name in known}
        yield family("frontier_engine_gpu_expected", one(expected))
        yield family("frontier_engine_gpu_in_use", one(in_use))
        # a model that never got ready is not in the table: it was taken back
        engines: dict[Engine, Loads] = {(b, m): Loads() for m, b in self._metrics.places}
        engines.update(facts.loads)
        times = ((engine, _load_times(loads)) for engine, loads in engines.items())
        failures = ((engine, loads.failures) for engine, loads in engines.items())
        yield self._histograms("frontier_model_load_seconds", times)
        yield family("frontier_model_load_failures_total", failures)
        sizes = [((b, m.model), m) for b, found in loaded.items() for m in found]
        yield family("frontier_loaded_model_bytes", ((k, m.size_bytes) for k, m in sizes))
        yield family("frontier_loaded_model_vram_bytes", ((k, m.vram_bytes) for k, m in sizes))

    def _gateway(self, now: Now) -> Iterator[str]:
        family, one = self._family, samples.by_one
        connections = {"client": now.clients, "upstream": now.upstreams}
        yield family("frontier_open_connections", one(connections))
        rejected = [((), self._metrics.reload_failures)]
        yield family("frontier_config_reload_failures_total", rejected)
        yield family("frontier_tls_not_after_timestamp_seconds", one(now.facts.not_after))
        yield family("frontier_build_info", one({now.version: 1}))
        for name, value in process_metrics():
            yield family(name, [((), value)])

    def _genai(self) -> Iterator[str]:
        metrics, lines = self._metrics, self._histograms
        durations, tokens = samples.genai_durations(metrics), samples.genai_first_tokens(metrics)
        between, work = samples.genai_per_token(metrics), samples.genai_work(metrics)
        yield lines("gen_ai_server_request_duration_seconds", durations)
        yield lines("gen_ai_server_time_to_first_token_seconds", tokens)
        yield lines("gen_ai_server_time_per_output_token_seconds", between)
        yield lines("gen_ai_client_operation_duration_seconds", work)
        yield lines("gen_ai_client_token_usage", samples.genai_tokens(metrics))


def _load_times(loads: Loads) -> Histogram:
    found = Histogram(LOADS_S)
    found.buckets, found.sum = list(loads.buckets), loads.sum_s
    return found
