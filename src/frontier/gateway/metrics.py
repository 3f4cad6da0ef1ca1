"""Metrics as plain numbers, rendered as Prometheus text only when somebody asks."""

import os
import resource
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from frontier.gateway.routes import Table

BOUNDS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
OPERATIONS: Final = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
}
OTHER: Final = "other"
NO_BACKEND: Final = "none"
DIRECTIONS: Final = ("input", "output", "cached")
_CODES: Final = (200, 400, 499, 500, 502, 503, 504)
_OTHER_CODES: Final = (400, 401, 404, 408, 413, 499, 500)
_REQUESTS = ("operation", "model", "backend", "route", "code", "stream")

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


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one request to an engine's API ended.

    Attributes:
        model: The configured name, or ``other``.
        code: HTTP status, 499 if the client left.
        ttft_s: Only for streams that began.
        tokens: By direction, in the order of `DIRECTIONS`, if the answer carried its usage.
    """

    path: str
    model: str
    backend: str
    code: int
    stream: bool
    duration_s: float
    ttft_s: float | None
    tokens: tuple[int, int, int] | None


class Metrics:
    """What the gateway counts. Label values come from configuration, never from a request."""

    def __init__(self) -> None:
        self.requests: dict[Labels, int] = {}
        self.durations: dict[Labels, Histogram] = {}
        self.first_tokens: dict[Labels, Histogram] = {}
        self.tokens: dict[Labels, int] = {}
        self.inflight: dict[str, int] = {}
        self.backend_up: dict[str, int] = {}
        self.reload_failures = 0

    def declare(self, table: Table) -> None:
        """Create every label set that *table* makes possible, with value 0."""
        for path in OPERATIONS:
            for code in _OTHER_CODES:
                self._declare_request(path, OTHER, NO_BACKEND, code, stream=False)
        for target in table.targets:
            self.inflight.setdefault(target.backend, 0)
            self.backend_up.setdefault(target.backend, 0)
            self.first_tokens.setdefault((target.name, target.backend), Histogram())
            for direction in DIRECTIONS:
                self.tokens.setdefault((target.name, target.backend, direction), 0)
            for path in OPERATIONS:
                for code in _CODES:
                    for stream in (False, True):
                        self._declare_request(path, target.name, target.backend, code, stream)

    def _declare_request(
        self, path: str, model: str, backend: str, code: int, stream: bool
    ) -> None:
        if stream and path == "/v1/embeddings":
            return
        operation, streamed = OPERATIONS[path], "true" if stream else "false"
        self.requests.setdefault((operation, model, backend, path, str(code), streamed), 0)
        self.durations.setdefault((operation, model, backend, streamed), Histogram())

    def observe(self, outcome: Outcome) -> None:
        """Count one finished request."""
        operation = OPERATIONS[outcome.path]
        model, backend = outcome.model, outcome.backend
        stream = "true" if outcome.stream else "false"
        labels = (operation, model, backend, outcome.path, str(outcome.code), stream)
        self.requests[labels] = self.requests.get(labels, 0) + 1
        _histogram(self.durations, (operation, model, backend, stream)).observe(outcome.duration_s)
        if outcome.ttft_s is not None:
            _histogram(self.first_tokens, (model, backend)).observe(outcome.ttft_s)
        if outcome.tokens is not None:
            for direction, count in zip(DIRECTIONS, outcome.tokens, strict=True):
                key = (model, backend, direction)
                self.tokens[key] = self.tokens.get(key, 0) + count

    def render(self, *, clients: int, upstreams: int, version: str) -> str:
        """Return the exposition, Prometheus text format 0.0.4.

        Args:
            clients: Open connections from clients.
            upstreams: Open connections to engines.
            version: Of Frontier, for ``frontier_build_info``.
        """
        connections: dict[Labels, int] = {("client",): clients, ("upstream",): upstreams}
        up: dict[Labels, int] = {(name,): value for name, value in self.backend_up.items()}
        inflight: dict[Labels, int] = {(name,): value for name, value in self.inflight.items()}
        duration = ("operation", "model", "backend", "stream")
        lines = [
            *_family("frontier_requests_total", "counter", _REQUESTS, self.requests),
            *_histograms("frontier_request_duration_seconds", duration, self.durations),
            *_histograms(
                "frontier_time_to_first_token_seconds", ("model", "backend"), self.first_tokens
            ),
            *_family(
                "frontier_tokens_total", "counter", ("model", "backend", "direction"), self.tokens
            ),
            *_family("frontier_inflight_requests", "gauge", ("backend",), inflight),
            *_family("frontier_open_connections", "gauge", ("kind",), connections),
            *_family("frontier_backend_up", "gauge", ("backend",), up),
            *_family(
                "frontier_config_reload_failures_total", "counter", (), {(): self.reload_failures}
            ),
            *_family("frontier_build_info", "gauge", ("version",), {(version,): 1}),
            *_process(),
        ]
        return "\n".join(lines) + "\n"


_HELP: Final = {
    "frontier_requests_total": "Requests to the engines' API by outcome; 499: the client left.",
    "frontier_request_duration_seconds": "From a request's first byte to its answer's last.",
    "frontier_time_to_first_token_seconds": "From a request's first byte to a stream's first.",
    "frontier_tokens_total": "Tokens, as far as answers carry their usage.",
    "frontier_inflight_requests": "Requests that an engine works on.",
    "frontier_open_connections": "Open TCP connections.",
    "frontier_backend_up": "1 if every engine of this backend answered its last probe.",
    "frontier_config_reload_failures_total": "Changed route files that were rejected.",
    "frontier_build_info": "Always 1.",
    "process_cpu_seconds_total": "Total user and system CPU time spent in seconds.",
    "process_resident_memory_bytes": "Resident memory size in bytes.",
    "process_virtual_memory_bytes": "Virtual memory size in bytes.",
    "process_start_time_seconds": "Start time of the process since unix epoch in seconds.",
    "process_open_fds": "Number of open file descriptors.",
    "process_max_fds": "Maximum number of open file descriptors.",
}


def _histogram(family: dict[Labels, Histogram], labels: Labels) -> Histogram:
    found = family.get(labels)
    if found is None:
        found = family[labels] = Histogram()
    return found


def _header(name: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {_HELP[name]}"
    yield f"# TYPE {name} {kind}"


def _pairs(names: Iterable[str], values: Labels) -> str:
    return ",".join(f'{n}="{_escaped(v)}"' for n, v in zip(names, values, strict=True))


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _family(
    name: str, kind: str, names: tuple[str, ...], samples: dict[Labels, int]
) -> Iterator[str]:
    yield from _header(name, kind)
    for labels, value in samples.items():
        pairs = _pairs(names, labels)
        yield f"{name}{{{pairs}}} {value}" if pairs else f"{name} {value}"


def _histograms(
    name: str, names: tuple[str, ...], samples: dict[Labels, Histogram]
) -> Iterator[str]:
    yield from _header(name, "histogram")
    for labels, histogram in samples.items():
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
