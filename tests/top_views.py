"""Gateways, readings and looks of `frontier top`, as tests need them."""

from collections.abc import Mapping, Sequence
from typing import Any

from frontier.domain.exposition import Exposition
from frontier.domain.project import Project, Route, Service
from frontier.domain.state import DaemonState, ServiceState
from frontier.domain.top import (
    EngineView,
    Failure,
    GpuView,
    KeyView,
    MachineView,
    ModelView,
    Spread,
    TopView,
    Traffic,
)
from frontier.domain.top_rates import NAMES
from frontier.domain.top_reading import (
    BackendRead,
    GatewayRead,
    MachineRead,
    Reading,
    RouteRead,
    RunningRead,
    Usage,
)

GIB = 1 << 30
MODEL = "smollm2:135m"
BOUNDS = ("0.05", "0.1", "0.25", "+Inf")
SERVICE = Service(name="llamacpp", argv=("llama-server",))
PROJECT = Project(
    name="p",
    stack="llamacpp",
    services=(SERVICE,),
    routes=(Route(model=MODEL, service="llamacpp", backend="llamacpp"),),
    ports=(11434,),
)


def exposition(
    *,
    model: str = MODEL,
    codes: Mapping[str, int] | None = None,
    tokens: tuple[int, int] = (0, 0),
    pieces: int | None = None,
    first: Sequence[int] = (0, 0, 0, 0),
    key: str = "none",
    more: str = "",
) -> str:
    """What a gateway would tell.

    Args:
        pieces: Of answers so far; the tokens that came out if left out.
        first: Streams by bucket of `BOUNDS`, cumulative.
    """
    own = f'model="{model}",backend="llamacpp"'
    lines = [
        f'frontier_requests_total{{operation="chat",{own},code="{code}",stream="true"}} {count}'
        for code, count in (codes or {"200": 0}).items()
    ]
    for direction, count in zip(("input", "output"), tokens, strict=True):
        lines.append(f'frontier_tokens_total{{{own},key="{key}",direction="{direction}"}} {count}')
    for bound, count in zip(BOUNDS, first, strict=True):
        lines.append(f'frontier_time_to_first_token_seconds_bucket{{{own},le="{bound}"}} {count}')
    lines.append(f"frontier_answer_pieces_total{{{own}}} {tokens[1] if pieces is None else pieces}")
    lines += [f"frontier_inflight_requests{{{own}}} 2", 'frontier_build_info{version="1.2"} 1']
    return "\n".join([*lines, more]) + "\n"


def gateway(
    text: str, *, at_s: float = 0.0, breaker: str = "closed", port: int = 39000
) -> GatewayRead:
    backend = BackendRead(
        name="llamacpp",
        url=f"http://127.0.0.1:{port}",
        busy=2,
        breaker=breaker,
        context=4096,
    )
    return GatewayRead(
        at_s=at_s,
        metrics=Exposition.parse(text, NAMES),
        routes=(RouteRead(model=MODEL, backends=(backend,)),),
    )


def daemon(**fields: Any) -> DaemonState:
    state = {"phase": "ready", "digest": SERVICE.digest, "pid": 7, "port": 39000, "started_at": 5.0}
    service = ServiceState(name="llamacpp", **{**state, **fields})
    return DaemonState(pid=1, started_at=0.0, stack="llamacpp", services=(service,))


def reading(at_s: float = 0.0, **fields: Any) -> Reading:
    """A look at a stack that runs; *fields* replace what is told otherwise."""
    usual: dict[str, Any] = {
        "workspace": "/w",
        "now": 1000.0 + at_s,
        "running": RunningRead(daemon=daemon(), has_died=False, project=PROJECT),
        "gateway": gateway(exposition(), at_s=at_s),
        "machine": MachineRead(
            cpus=2,
            cpu_busy_s=at_s,
            cpu_total_s=2 * at_s,
            memory_used_bytes=GIB,
            memory_total_bytes=4 * GIB,
        ),
        "usage": {7: Usage(cpu_s=at_s / 2, memory_bytes=GIB)},
    }
    return Reading(at_s=at_s, **{**usual, **fields})


class FakeWatch:
    """Gives the readings that it was given, the last one for ever."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = list(readings)
        self.is_closed = False

    def read(self, *, patience_s: float) -> Reading:
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    def close(self) -> None:
        self.is_closed = True


def look(**fields: Any) -> TopView:
    """A look with something in every panel."""
    traffic = Traffic(
        requests_per_s=12.5,
        failed_per_s=0.5,
        tokens_in_per_s=800.0,
        tokens_out_per_s=345.0,
        in_flight=3,
        queued=2,
        held=1,
        first_token=Spread(p50_s=0.052, p95_s=0.18),
        per_token=Spread(p50_s=0.009, p95_s=0.015),
    )
    usual: dict[str, Any] = {
        "time": "2026-11-21T12:00:00.000+00:00",
        "workspace": "/w",
        "state": "running",
        "stack": "llamacpp",
        "url": "http://127.0.0.1:11434",
        "window_s": 10.0,
        "traffic": traffic,
        "models": (
            ModelView(name=MODEL, backends=("llamacpp",), memory_bytes=GIB, traffic=traffic),
            ModelView(name="a-model-with-a-name-that-is-longer-than-a-narrow-screen-can-show"),
        ),
        "engines": (
            EngineView(name="llamacpp", phase="ready", place="process", pid=7, cpu_percent=150.0),
            EngineView(name="gateway", phase="backoff", place="process", reason="exit code 1"),
        ),
        "keys": (
            KeyView(key="none", tokens_in_per_s=1, tokens_out_per_s=2, tokens_in=3, tokens_out=4),
        ),
        "machine": MachineView(
            cpus=8,
            cpu_percent=63.0,
            memory_used_bytes=12 * GIB,
            memory_total_bytes=24 * GIB,
            gpus=(GpuView(vendor="nvidia", name="NVIDIA H200", used_percent=93.0),),
        ),
        "errors": tuple(
            Failure(
                time=f"2026-11-21T12:00:0{n}.000Z",
                route="/v1/embeddings",
                status=500 - n,
                request_id=f"req_{n}",
            )
            for n in range(9)
        ),
    }
    return TopView(**{**usual, **fields})
