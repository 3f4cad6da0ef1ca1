"""Every metric by its name: what it is, its labels and its buckets."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from frontier.domain.facts import LOADS_S
from frontier.gateway import histogram

_REQUESTS: Final = ("operation", "model", "backend", "route", "code", "stream")
_DURATIONS: Final = ("operation", "model", "backend", "stream")
_MODEL: Final = ("model", "backend")
_KEYED: Final = (*_MODEL, "key")
_TOKENS: Final = (*_KEYED, "direction")
_QUEUE: Final = ("model", "priority")
_ENGINE: Final = ("backend", "model")
_GENAI: Final = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric.

    Attributes:
        help: What it tells, one sentence.
        labels: Their names, in the order of every sample's values.
        bounds: Of a histogram's buckets.
        is_same: Every worker process finds it for itself: adding would tell it several times.
        is_state: One of the states that its last label names is 1; the worst comes last.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    is_same: bool = False
    is_state: bool = False


def _counter(name: str, words: str, *labels: str, is_same: bool = False) -> Family:
    return Family(name=name, kind="counter", help=words, labels=labels, is_same=is_same)


def _gauge(name: str, words: str, *labels: str, is_same: bool = False) -> Family:
    return Family(name=name, kind="gauge", help=words, labels=labels, is_same=is_same)


def _histogram(
    name: str,
    words: str,
    *labels: str,
    bounds: tuple[float, ...] = histogram.BOUNDS_S,
    is_same: bool = False,
) -> Family:
    return Family(
        name=name, kind="histogram", help=words, labels=labels, bounds=bounds, is_same=is_same
    )


def _requests() -> Iterator[Family]:
    yield _counter(
        "frontier_requests_total",
        "Requests to the engines' API by outcome; 499: the client left.",
        *_REQUESTS,
    )
    yield _histogram(
        "frontier_request_duration_seconds",
        "From a request's first byte to its answer's last.",
        *_DURATIONS,
    )
    yield _histogram(
        "frontier_time_to_first_token_seconds",
        "From a request's first byte to a stream's first.",
        *_MODEL,
    )
    yield _counter(
        "frontier_tokens_total",
        "Tokens, as far as answers carry their usage; cached ones are input as well.",
        *_TOKENS,
    )
    yield _counter(
        "frontier_answer_pieces_total",
        "Pieces of streams as they come, mostly a token each; tokens of answers that come at once.",
        *_MODEL,
    )
    yield _counter("frontier_cost_usd_total", "US dollars, of models that have a price.", *_KEYED)
    yield _gauge("frontier_inflight_requests", "Requests that an engine works on.", *_MODEL)
    yield _gauge(
        "frontier_held_requests",
        "Requests that wait for an engine to be replaced or to load.",
        "model",
    )
    yield _counter(
        "frontier_rate_limited_total", "Requests that a limit of their key kept out.", "scope"
    )
    yield _counter(
        "frontier_refused_requests_total", "Requests refused because of who asked.", "reason"
    )


def _routing() -> Iterator[Family]:
    yield _gauge(
        "frontier_queue_depth", "Requests that wait for a free engine of their model.", *_QUEUE
    )
    yield _histogram(
        "frontier_queue_wait_seconds", "How long requests waited for a free engine.", *_QUEUE
    )
    yield _gauge(
        "frontier_backend_up",
        "1 if every engine of this backend answered when it was last asked.",
        "backend",
        is_same=True,
    )
    yield _counter(
        "frontier_backend_attempts_total",
        "Requests sent to an engine by what became of them.",
        *("backend", "outcome"),
    )
    yield _counter(
        "frontier_retries_total",
        "Requests that a backend could not take, sent again elsewhere.",
        "backend",
    )
    yield _counter(
        "frontier_fallbacks_total", "Requests that another model answered.", *("from", "to")
    )
    yield Family(
        name="frontier_circuit_breaker_state",
        kind="gauge",
        help="1 for the state of the backend's circuit breaker.",
        labels=("backend", "state"),
        is_same=True,
        is_state=True,
    )


def _engines() -> Iterator[Family]:
    yield _gauge(
        "frontier_engine_gpu_expected",
        "1 if a GPU was chosen for the engine.",
        "backend",
        is_same=True,
    )
    yield _gauge(
        "frontier_engine_gpu_in_use",
        "1 if the engine said at its last start that a GPU computes.",
        "backend",
        is_same=True,
    )
    yield _histogram(
        "frontier_model_load_seconds",
        "From the start of an engine's process to its readiness.",
        *_ENGINE,
        bounds=LOADS_S,
        is_same=True,
    )
    yield _counter(
        "frontier_model_load_failures_total",
        "Starts after which the engine did not get ready.",
        *_ENGINE,
        is_same=True,
    )
    yield _gauge(
        "frontier_loaded_model_bytes",
        "Memory of a model that Ollama has loaded.",
        *_ENGINE,
        is_same=True,
    )
    yield _gauge(
        "frontier_loaded_model_vram_bytes",
        "The part of a loaded model that lies in a GPU's memory.",
        *_ENGINE,
        is_same=True,
    )


def _gateway() -> Iterator[Family]:
    yield _gauge("frontier_open_connections", "Open TCP connections.", "kind")
    yield _counter(
        "frontier_config_reload_failures_total",
        "Changed files that were rejected.",
        is_same=True,
    )
    yield _gauge(
        "frontier_tls_not_after_timestamp_seconds",
        "When the certificate of an endpoint expires, seconds since unix epoch.",
        "endpoint",
        is_same=True,
    )
    yield _gauge("frontier_build_info", "Always 1.", "version", is_same=True)


def _genai() -> Iterator[Family]:
    """Source: OpenTelemetry's semantic conventions for generative AI, metrics."""
    yield _histogram(
        "gen_ai_server_request_duration_seconds",
        "From a request's first byte to its answer's last.",
        *_GENAI,
        bounds=histogram.DURATIONS_S,
    )
    yield _histogram(
        "gen_ai_server_time_to_first_token_seconds",
        "From a request's first byte to a stream's first.",
        *_GENAI,
        bounds=histogram.FIRST_TOKENS_S,
    )
    yield _histogram(
        "gen_ai_server_time_per_output_token_seconds",
        "Mean time between the tokens of a stream, after the first one.",
        *_GENAI,
        bounds=histogram.PER_TOKEN_S,
    )
    yield _histogram(
        "gen_ai_client_operation_duration_seconds",
        "A request's duration without its wait in the gateway, where an engine answered.",
        *_GENAI,
        bounds=histogram.DURATIONS_S,
    )
    yield _histogram(
        "gen_ai_client_token_usage",
        "Tokens of a request and of its answer.",
        *(*_GENAI, "gen_ai_token_type"),
        bounds=histogram.TOKENS,
    )


def _process() -> Iterator[Family]:
    yield _counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")
    yield _gauge("process_resident_memory_bytes", "Resident memory size in bytes.")
    yield _gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.")
    yield _gauge(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds.",
        is_same=True,
    )
    yield _gauge("process_open_fds", "Number of open file descriptors.")
    yield _gauge("process_max_fds", "Maximum number of open file descriptors.")


FAMILIES: Final = {
    family.name: family
    for families in (_requests(), _routing(), _engines(), _gateway(), _genai(), _process())
    for family in families
}
