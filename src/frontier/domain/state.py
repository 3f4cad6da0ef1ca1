"""What the daemon says about itself: one JSON document, written whole at every change."""

import json
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
        pid: Process id of the engine itself, None when none runs.
        port: Loopback port it listens on, None before the first start.
        restarts: Deaths since it was last stable.
        started_at: Unix time, seconds, of the last spawn.
        reason: Why it is in this phase, for people: the last failure or the cause of a restart.
    """

    name: str
    phase: Phase
    digest: str
    pid: int | None = None
    port: int | None = None
    restarts: int = 0
    started_at: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonState:
    """The daemon and its services."""

    pid: int
    started_at: float
    stack: str
    services: tuple[ServiceState, ...]

    def is_ready(self, digests: dict[str, str]) -> bool:
        """Tell whether exactly the services of *digests* run and are ready."""
        return digests == {s.name: s.digest for s in self.services} and all(
            s.phase == "ready" for s in self.services
        )

    def to_json(self) -> str:
        """Return the state as JSON."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the state that `to_json` wrote."""
        raw: dict[str, Any] = json.loads(text)
        services = tuple(ServiceState(**s) for s in raw.pop("services"))
        return cls(services=services, **raw)
