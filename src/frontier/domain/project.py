"""A project: one stack rendered for one workspace, as data that a runtime can carry out."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One supervised process.

    Attributes:
        name: Unique in the project; names its log file too.
        argv: Command line; the literal ``{port}`` in any argument becomes the chosen port.
        env: Added to the daemon's own environment.
        port: TCP port on loopback, or 0: the runtime chooses a free one at every start.
        health_path: HTTP path that answers 200 when the service works.
        proof_model: When set, ready also means that one token of this model was generated.
        start_timeout_s: Seconds from spawn to ready.
        stop_grace_s: Seconds from SIGTERM to SIGKILL.
        needs: Services that must be ready first; they are stopped later, too.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    port: int = 0
    health_path: str = "/health"
    proof_model: str = ""
    start_timeout_s: float = 120.0
    stop_grace_s: float = 10.0
    needs: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the configuration, hex; equal digests need no restart."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A model name that the gateway answers, and the service that computes it."""

    model: str
    service: str
    backend: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What should run: services in start order, and the routes to them."""

    name: str
    stack: str
    services: tuple[Service, ...]
    routes: tuple[Route, ...] = ()

    @property
    def digests(self) -> dict[str, str]:
        """Map each service name to the digest of its configuration."""
        return {service.name: service.digest for service in self.services}

    def to_json(self) -> str:
        """Return the project as indented JSON, stable between runs."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the project that `to_json` wrote."""
        raw: dict[str, Any] = json.loads(text)
        services = tuple(
            Service(**{**s, "argv": tuple(s["argv"]), "needs": tuple(s["needs"])})
            for s in raw.pop("services")
        )
        routes = tuple(Route(**{**r, "aliases": tuple(r["aliases"])}) for r in raw.pop("routes"))
        return cls(services=services, routes=routes, **raw)
