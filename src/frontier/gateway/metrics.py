"""Metrics as plain numbers, rendered as Prometheus text only when somebody asks."""

import os
import resource
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Literal, get_args

from frontier.gateway.apis.known import OPERATIONS
from frontier.gateway.breaker import State
from frontier.gateway.keys import NOBODY
from frontier.gateway.limits import SCOPES, Scope
from frontier.gateway.prices import Price
from frontier.gateway.routes import NO_BACKEND, Table, Target

BOUNDS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
OTHER: Final = "other"
DIRECTIONS: Final = ("input", "output", "cached")
Outcome = Literal["ok", "error", "timeout", "rejected"]
_OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
_STATES: Final[tuple[State, ...]] = get_args(State)
_PRIORITY: Final = "normal"  # there is one, so far; dashboards know the label
_CODES: Final = (200, 400, 403, 429, 499, 500, 502, 503, 504)
_OTHER_CODES: Final = (400, 401, 403, 404, 408, 413, 499, 500)
_BOOL: Final = ("false", "true")
_REQUESTS: Final = ("operation", "model", "backend", "route", "code", "stream")
_DURATIONS: Final = ("operation", "model", "backend", "stream")
_MODEL: Final = ("model", "backend")
_KEYED: Final = (*_MODEL, "key")
_TOKENS: Final = (*_KEYED, "direction")
_QUEUE: Final = ("model", "priority")
# More label sets than that come only when they are used.
_MOST_DECLARED: Final = 2000

Refusal = Literal["origin", "no_key", "expired", "revoked", "forbidden", "model"]
REFUSALS: Final[tuple[Refusal, ...]] = get_args(Refusal)

Labels = tuple[str, ...]


class Histogram:
    """Counts per bucket of `BOUNDS_S`, their sum and number."""

    __slots__ = ("buckets", "sum")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_S) + 1)
        self.sum = 0.0

    def observe(self, value_s: float) -> None:
        """Count one duration."""
        self.buckets[bisect_left(BOUNDS_S, value_s)] += 1
        self.sum += value_s


class Series:
    """One operation of one model, streamed or not: how its requests ended and how long they took.

    Attributes:
        codes: Requests by HTTP status, 499 if the client left.
        durations: From a request's first byte to its answer's last; paths of one operation share
            them.
    """

    __slots__ = ("codes", "durations")

    def __init__(self, durations: Histogram, codes: Iterable[int] = ()) -> None:
        self.codes = dict.fromkeys(codes, 0)
        self.durations = durations


class ModelSeries:
    """What one model's answers say.

    Attributes:
        first_tokens: Seconds to the first byte of a stream.
    """

    __slots__ = ("first_tokens",)

    def __init__(self) -> None:
        self.first_tokens = Histogram()


class Metrics:
    """What the gateway counts. Label values come from configuration, never from a request.

    Attributes:
        backend_up: 0 or 1 by backend.
        attempts: How requests ended at an engine, by backend.
        retries: Requests that a backend could not take and that were sent again, by backend.
        fallbacks: Requests that another model answered, by the model asked and the other.
        queue_waits: How long requests waited for a free engine, by model.
    """

    def __init__(self) -> None:
        self.backend_up: dict[str, int] = {}
        self.reload_failures = 0
        self.rate_limited: dict[Scope, int] = dict.fromkeys(SCOPES, 0)
        self._refused: dict[Refusal, int] = dict.fromkeys(REFUSALS, 0)
        self._keys: tuple[str, ...] = (NOBODY,)
        self._tokens: dict[tuple[str, str, str], list[int]] = {}
        self._prices: dict[str, Price] = {}
        self._costs_usd: dict[tuple[str, str, str], float] = {}
        self.attempts: dict[str, dict[Outcome, int]] = {}
        self.retries: dict[str, int] = {}
        self.fallbacks: dict[tuple[str, str], int] = {}
        self.queue_waits: dict[str, Histogram] = {}
        self._series: dict[tuple[str, str, str, bool], Series] = {}
        self._durations: dict[tuple[str, str, str, str], Histogram] = {}
        self._models: dict[tuple[str, str], ModelSeries] = {}

    def declare(self, table: Table) -> None:
        """Create every label set that *table* makes possible, with value 0."""
        for path in OPERATIONS:
            self._declare(path, OTHER, NO_BACKEND, stream=False, codes=_OTHER_CODES)
        for target in table.targets:
            self.queue_waits.setdefault(target.name, Histogram())
            self._declare_target(target, target.label)
            for backend in target.backends:
                self.backend_up.setdefault(backend.name, 0)
                self.attempts.setdefault(backend.name, dict.fromkeys(_OUTCOMES, 0))
                self.retries.setdefault(backend.name, 0)
                self._models.setdefault((target.name, backend.name), ModelSeries())
                self._declare_target(target, backend.name)
        self._prices = {t.name: t.price for t in table.targets if t.price is not None}
        for route in table.routes.values():
            for fallback in route.fallbacks:
                self.fallbacks.setdefault((route.target.name, fallback.target.name), 0)
        self._declare_tokens()

    def _declare_target(self, target: Target, backend: str) -> None:
        for path, operation in OPERATIONS.items():
            for stream in (False, True) if operation.streams else (False,):
                self._declare(path, target.name, backend, stream=stream, codes=_CODES)

    def _declare(
        self, path: str, model: str, backend: str, *, stream: bool, codes: Iterable[int] = ()
    ) -> Series:
        key = (path, model, backend, stream)
        if (found := self._series.get(key)) is None:
            kind = OPERATIONS[path].name, model, backend, _BOOL[stream]
            found = Series(self._durations.setdefault(kind, Histogram()), codes)
            self._series[key] = found
        return found

    def declare_keys(self, keys: tuple[str, ...]) -> None:
        """Create every label set that the ids *keys* make possible."""
        self._keys = keys
        self._declare_tokens()

    def _declare_tokens(self) -> None:
        for model, backend in self._models:
            for key in self._keys:
                if len(self._tokens) < _MOST_DECLARED:
                    self._tokens.setdefault((model, backend, key), [0] * len(DIRECTIONS))
                    if model in self._prices:
                        self._costs_usd.setdefault((model, backend, key), 0.0)

    def count_tokens(
        self, model: str, backend: str, key: str, tokens: tuple[int, int, int]
    ) -> None:
        """Add the usage of one answer, in the order of `DIRECTIONS`."""
        found = self._tokens.get((model, backend, key))
        if found is None:
            found = self._tokens[model, backend, key] = [0] * len(DIRECTIONS)
        found[0] += tokens[0]
        found[1] += tokens[1]
        found[2] += tokens[2]
        if (price := self._prices.get(model)) is not None:
            costs, labels = self._costs_usd, (model, backend, key)
            costs[labels] = costs.get(labels, 0.0) + price.usd(tokens)

    def refused(self, reason: Refusal) -> None:
        """Count a request that was refused because of who asked."""
        self._refused[reason] += 1

    def series(self, path: str, model: str, backend: str, *, stream: bool) -> Series:
        """Return the counters of one kind of request."""
        found = self._series.get((path, model, backend, stream))
        return found or self._declare(path, model, backend, stream=stream)

    def model(self, name: str, backend: str) -> ModelSeries:
        """Return the counters of one model."""
        found = self._models.get((name, backend))
        if found is None:
            found = self._models[name, backend] = ModelSeries()
        return found

    def _request_samples(self) -> Iterator[tuple[Labels, int]]:
        for (path, model, backend, stream), series in self._series.items():
            for code, count in series.codes.items():
                yield (
                    (OPERATIONS[path].name, model, backend, path, str(code), _BOOL[stream]),
                    count,
                )

    def _token_samples(self) -> Iterator[tuple[Labels, int]]:
        for labels, counts in self._tokens.items():
            for direction, count in zip(DIRECTIONS, counts, strict=True):
                yield (*labels, direction), count

    def _in_flight_samples(self, counts: Mapping[Labels, int]) -> Iterator[tuple[Labels, int]]:
        for labels in self._models:
            yield labels, counts.get(labels, 0)

    def _held_samples(self, counts: Mapping[str, int]) -> Iterator[tuple[Labels, int]]:
        for name in dict.fromkeys(name for name, _ in self._models):
            yield (name,), counts.get(name, 0)

    def _routing(self, queued: Mapping[str, int], breakers: Mapping[str, State]) -> Iterator[str]:
        """Yield what became of requests between the client and an engine."""
        depths = (((name, _PRIORITY), queued.get(name, 0)) for name in self.queue_waits)
        waits = (((name, _PRIORITY), wait) for name, wait in self.queue_waits.items())
        attempts = (
            ((name, outcome), count)
            for name, counts in self.attempts.items()
            for outcome, count in counts.items()
        )
        retries = (((name,), count) for name, count in self.retries.items())
        states = (
            ((name, state), int(breakers.get(name, "closed") == state))
            for name in self.attempts
            for state in _STATES
        )
        yield from _family("frontier_queue_depth", "gauge", _QUEUE, depths)
        yield from _histograms("frontier_queue_wait_seconds", _QUEUE, waits)
        yield from _family(
            "frontier_backend_attempts_total", "counter", ("backend", "outcome"), attempts
        )
        yield from _family("frontier_retries_total", "counter", ("backend",), retries)
        yield from _family(
            "frontier_fallbacks_total", "counter", ("from", "to"), self.fallbacks.items()
        )
        yield from _family("frontier_circuit_breaker_state", "gauge", ("backend", "state"), states)

    def render(
        self,
        *,
        clients: int,
        upstreams: int,
        in_flight: Mapping[Labels, int],
        held: Mapping[str, int],
        queued: Mapping[str, int],
        breakers: Mapping[str, State],
        version: str,
    ) -> str:
        """Return the exposition, Prometheus text format 0.0.4.

        Args:
            clients: Open connections from clients.
            upstreams: Open connections to engines.
            in_flight: Requests that engines work on, by model and backend.
            held: Requests that wait for their engine to be replaced or to load, by model.
            queued: Requests that wait for a free engine, by model.
            breakers: The state of each backend's worst circuit breaker.
            version: Of Frontier, for ``frontier_build_info``.
        """
        first_tokens = ((labels, s.first_tokens) for labels, s in self._models.items())
        connections = ((("client",), clients), (("upstream",), upstreams))
        up = (((name,), value) for name, value in self.backend_up.items())
        working = self._in_flight_samples(in_flight)
        rejected = (((), self.reload_failures),)
        limited = (((scope,), count) for scope, count in self.rate_limited.items())
        refused = (((reason,), count) for reason, count in self._refused.items())
        lines = [
            *_family("frontier_requests_total", "counter", _REQUESTS, self._request_samples()),
            *_histograms("frontier_request_duration_seconds", _DURATIONS, self._durations.items()),
            *_histograms("frontier_time_to_first_token_seconds", _MODEL, first_tokens),
            *_family("frontier_tokens_total", "counter", _TOKENS, self._token_samples()),
            *_family("frontier_cost_usd_total", "counter", _KEYED, self._costs_usd.items()),
            *_family("frontier_inflight_requests", "gauge", _MODEL, working),
            *_family("frontier_held_requests", "gauge", ("model",), self._held_samples(held)),
            *self._routing(queued, breakers),
            *_family("frontier_open_connections", "gauge", ("kind",), connections),
            *_family("frontier_backend_up", "gauge", ("backend",), up),
            *_family("frontier_rate_limited_total", "counter", ("scope",), limited),
            *_family("frontier_refused_requests_total", "counter", ("reason",), refused),
            *_family("frontier_config_reload_failures_total", "counter", (), rejected),
            *_family("frontier_build_info", "gauge", ("version",), (((version,), 1),)),
            *_process(),
        ]
        return "\n".join(lines) + "\n"


_HELP: Final = {
    "frontier_requests_total": "Requests to the engines' API by outcome; 499: the client left.",
    "frontier_request_duration_seconds": "From a request's first byte to its answer's last.",
    "frontier_time_to_first_token_seconds": "From a request's first byte to a stream's first.",
    "frontier_tokens_total": "Tokens, as far as answers carry their usage.",
    "frontier_cost_usd_total": "US dollars, of models that have a price.",
    "frontier_inflight_requests": "Requests that an engine works on.",
    "frontier_held_requests": "Requests that wait for an engine to be replaced or to load.",
    "frontier_queue_depth": "Requests that wait for a free engine of their model.",
    "frontier_queue_wait_seconds": "How long requests waited for a free engine.",
    "frontier_backend_attempts_total": "Requests sent to an engine by what became of them.",
    "frontier_retries_total": "Requests that a backend could not take, sent again elsewhere.",
    "frontier_fallbacks_total": "Requests that another model answered.",
    "frontier_circuit_breaker_state": "1 for the state of the backend's circuit breaker.",
    "frontier_open_connections": "Open TCP connections.",
    "frontier_backend_up": "1 if every engine of this backend answered its last probe.",
    "frontier_config_reload_failures_total": "Changed files that were rejected.",
    "frontier_rate_limited_total": "Requests that a limit of their key kept out.",
    "frontier_refused_requests_total": "Requests refused because of who asked.",
    "frontier_build_info": "Always 1.",
    "process_cpu_seconds_total": "Total user and system CPU time spent in seconds.",
    "process_resident_memory_bytes": "Resident memory size in bytes.",
    "process_virtual_memory_bytes": "Virtual memory size in bytes.",
    "process_start_time_seconds": "Start time of the process since unix epoch in seconds.",
    "process_open_fds": "Number of open file descriptors.",
    "process_max_fds": "Maximum number of open file descriptors.",
}


def _header(name: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {_HELP[name]}"
    yield f"# TYPE {name} {kind}"


def _pairs(names: Iterable[str], values: Labels) -> str:
    return ",".join(f'{n}="{_escaped(v)}"' for n, v in zip(names, values, strict=True))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _family(
    name: str, kind: str, names: tuple[str, ...], samples: Iterable[tuple[Labels, float]]
) -> Iterator[str]:
    yield from _header(name, kind)
    for labels, value in samples:
        pairs = _pairs(names, labels)
        yield f"{name}{{{pairs}}} {value}" if pairs else f"{name} {value}"


def _histograms(
    name: str, names: tuple[str, ...], samples: Iterable[tuple[Labels, Histogram]]
) -> Iterator[str]:
    yield from _header(name, "histogram")
    for labels, histogram in samples:
        pairs = _pairs(names, labels)
        total = 0
        for bound, count in zip((*BOUNDS_S, "+Inf"), histogram.buckets, strict=True):
            total += count
            yield f'{name}_bucket{{{pairs},le="{bound}"}} {total}'
        yield f"{name}_sum{{{pairs}}} {histogram.sum:.9g}"
        yield f"{name}_count{{{pairs}}} {total}"


def _process() -> Iterator[str]:
    """Yield the standard process metrics; those that need ``/proc`` only where there is one."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield from _sample("process_cpu_seconds_total", "counter", usage.ru_utime + usage.ru_stime)
    yield from _sample("process_max_fds", "gauge", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    proc = Path("/proc/self")
    if not proc.is_dir():
        return
    fields = (proc / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
    boot_s = _boot_time_s()
    yield from _sample("process_virtual_memory_bytes", "gauge", int(fields[20]))
    yield from _sample(
        "process_resident_memory_bytes", "gauge", int(fields[21]) * resource.getpagesize()
    )
    yield from _sample(
        "process_start_time_seconds", "gauge", boot_s + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    )
    yield from _sample("process_open_fds", "gauge", len(list((proc / "fd").iterdir())))


def _boot_time_s() -> int:
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        if line.startswith("btime "):
            return int(line.split()[1])
    return 0


def _sample(name: str, kind: str, value: float) -> Iterator[str]:
    yield from _header(name, kind)
    yield f"{name} {value}"
