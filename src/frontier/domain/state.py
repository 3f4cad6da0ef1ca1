"""What the daemon says about itself: one JSON document, written whole at every change."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

Phase = Literal["waiting", "starting", "ready", "backoff", "stopping", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """One service as the daemon sees it.

    Attributes:
        phase: ``waiting`` for what it needs, ``starting`` until ready, ``backoff`` between a
            death and the next start.
        digest: Digest of the configuration that runs (`Service.digest`).
        generation: Restart request that was seen last (`Service.generation`).
        pid: Process id of the engine itself, None when none runs.
        port: Loopback port it listens on, None before the first start.
        restarts: Deaths since it was last stable.
        was_ready: It was ready at least once with this configuration.
        started_at: Unix time, seconds, of the last spawn.
        reason: Why it is in this phase, for people: the last failure or the cause of a restart.
        details: The last lines of output before the last failure.
    """

    name: str
    phase: Phase
    digest: str
    generation: int = 0
    pid: int | None = None
    port: int | None = None
    restarts: int = 0
    was_ready: bool = False
    started_at: float | None = None
    reason: str = ""
    details: str = ""

    @property
    def has_failed(self) -> bool:
        """Tell whether it died or was given up before it was ever ready."""
        return self.restarts > 0 and not self.was_ready


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonState:
    """The daemon and its services."""

    pid: int
    started_at: float
    stack: str
    services: tuple[ServiceState, ...]

    @property
    def digests(self) -> dict[str, str]:
        """Map each service name to the digest of the configuration that runs."""
        return {service.name: service.digest for service in self.services}

    @property
    def pids(self) -> frozenset[int]:
        """Return the process ids of the services that run."""
        return frozenset(s.pid for s in self.services if s.pid is not None)

    def service(self, name: str) -> ServiceState | None:
        """Return the state of service *name*, None when the daemon has none of that name."""
        return next((s for s in self.services if s.name == name), None)

    def is_ready(self, digests: dict[str, str]) -> bool:
        """Tell whether exactly the services of *digests* run and are ready."""
        return digests == self.digests and self.has_ready(digests)

    def has_ready(self, digests: Mapping[str, str]) -> bool:
        """Tell whether the services of *digests*, perhaps among others, run and are ready."""
        ready = {s.name: s.digest for s in self.services if s.phase == "ready"}
        return digests.items() <= ready.items()

    def to_json(self) -> str:
        """Return the state as JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the state that `to_json` wrote."""
        raw: dict[str, Any] = json.loads(text)
        services = tuple(ServiceState(**s) for s in raw.pop("services"))
        return cls(services=services, **raw)
