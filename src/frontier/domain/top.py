"""What `frontier top` shows: one look at a running stack, as values."""

from dataclasses import dataclass
from typing import Literal

RunState = Literal["running", "degraded", "stopped", "died"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Median and 95th percentile of durations, None where there were none."""

    p50_s: float | None = None
    p95_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What requests did within the last seconds. None: nobody could tell, or nothing happened.

    The gateway counts a request, its tokens and its times when its answer ends.

    Attributes:
        tokens_out_per_s: Counted while they come: of a stream its pieces.
        failed_per_s: Of `requests_per_s` those with a status of 400 and above; clients that left
            (499) are none of them.
        in_flight: Requests that engines work on now.
        queued: Those that wait for a free engine.
        held: Those that wait for an engine to be replaced or to load.
        first_token: From a request's first byte to a stream's first.
        per_token: From one token of a stream to the next.
    """

    requests_per_s: float | None = None
    failed_per_s: float | None = None
    tokens_in_per_s: float | None = None
    tokens_out_per_s: float | None = None
    in_flight: int = 0
    queued: int = 0
    held: int = 0
    first_token: Spread = Spread()
    per_token: Spread = Spread()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelView:
    """One model that the gateway serves.

    Attributes:
        backends: Names of its engines, as metrics label them.
        context: Tokens that a request may have, None while its engine has not told.
        memory_bytes: What the loaded model takes, as its engine tells, else what the engine's
            processes hold where they serve no other; None where nobody knows.
        vram_bytes: Of that what lies on a GPU, likewise.
        requests: Answered since the gateway's start.
        load_failures: Times that an engine could not load it.
    """

    name: str
    aliases: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    context: int | None = None
    memory_bytes: int | None = None
    vram_bytes: int | None = None
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    load_failures: int = 0
    traffic: Traffic = Traffic()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """What one API key used.

    Attributes:
        key: Its id, ``none`` for requests without one.
        tokens_in: Since the gateway's start, and so are the following.
        cost_usd: None where no model has a price.
    """

    key: str
    tokens_in_per_s: float | None
    tokens_out_per_s: float | None
    tokens_in: int
    tokens_out: int
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineView:
    """One service, or an engine elsewhere that the gateway uses.

    Attributes:
        phase: As `frontier status` has it; of an engine elsewhere ``up``, ``down`` or ``unknown``.
        place: ``process``, ``container``, or ``elsewhere`` for what is not ours.
        container: Its name in Docker, "" for what is none.
        memory_bytes: Of the process and all it started, None where it cannot be read.
        cpu_percent: Likewise; 100 is one processor that is busy all the time.
        backend: Its name in the gateway's metrics, "" for what is no engine.
        breaker: Of the gateway's circuit breaker for it: ``closed``, ``half_open`` or ``open``;
            "" for none.
        busy: Requests that it works on, None where it is no engine.
        gpu: ``used``; ``missing`` where one was expected and is not used; "" for none or unknown.
        reason: Why it is in this phase, for people.
    """

    name: str
    phase: str
    place: Literal["process", "container", "elsewhere"]
    pid: int | None = None
    container: str = ""
    port: int | None = None
    uptime_s: float | None = None
    restarts: int = 0
    memory_bytes: int | None = None
    cpu_percent: float | None = None
    backend: str = ""
    breaker: str = ""
    busy: int | None = None
    gpu: Literal["used", "missing", ""] = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuView:
    """One GPU now; None is what its driver does not tell.

    Attributes:
        used_percent: Of the time within which it computed at all.
    """

    vendor: Literal["nvidia", "amd", "intel", "apple"]
    name: str
    used_percent: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    temperature_c: float | None = None
    power_w: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineView:
    """The machine now.

    Attributes:
        cpu_percent: 100 is all processors busy; None before the second look.
        memory_used_bytes: Not available without swapping.
        problem: Why GPUs could not be asked, "" where they could, or where there are none.
    """

    cpus: int
    cpu_percent: float | None
    memory_used_bytes: int
    memory_total_bytes: int
    gpus: tuple[GpuView, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One request that failed, from the gateway's access log; newest come first.

    Attributes:
        time: ISO 8601, as logged.
        route: The path that was asked, ``other`` for unknown ones.
        model: "" where the request did not get that far, and so are the following.
        key: Id of the API key.
    """

    time: str
    route: str
    status: int
    model: str = ""
    backend: str = ""
    key: str = ""
    duration_s: float = 0.0
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopView:
    """One look.

    Attributes:
        time: When, ISO 8601, UTC.
        state: As `frontier status` has it.
        window_s: The seconds that rates and quantiles are of, None before there are two readings.
        problem: Why the gateway gave no numbers, "" where it did.
        silent_s: How long it has given none, 0 where it did.
    """

    time: str
    workspace: str
    state: RunState
    stack: str = ""
    url: str = ""
    version: str = ""
    window_s: float | None = None
    problem: str = ""
    silent_s: float = 0.0
    traffic: Traffic = Traffic()
    models: tuple[ModelView, ...] = ()
    engines: tuple[EngineView, ...] = ()
    keys: tuple[KeyView, ...] = ()
    machine: MachineView | None = None
    errors: tuple[Failure, ...] = ()
