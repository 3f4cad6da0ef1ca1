"""A project: one stack rendered for one workspace, as data that a runtime can carry out."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal, Self

from frontier.domain.containers import Containers
from frontier.domain.docker import pages
from frontier.domain.model import Details

_LATER: Final = {"metrics_path": "", "accelerator": ""}
"""Fields that came after the first version, and what they are where nobody set them.

Those are written, and told apart, only where they are set: what ran before goes on unchanged.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One supervised process.

    Attributes:
        name: Unique in the project; names its log file too.
        argv: Command line; an argument that is ``{port}``, and no more, becomes the chosen port.
        env: Added to the daemon's own environment.
        port: TCP port on loopback, or 0: the runtime chooses a free one at every start.
        health_path: HTTP path that answers 200 when the service works.
        metrics_path: HTTP path of an engine's metrics for Prometheus, "" where it has none.
        proof_model: When set, ready also means that one token of this model was generated.
        start_timeout_s: Seconds from spawn to ready.
        stop_grace_s: Seconds from SIGTERM to SIGKILL.
        needs: Services that must have been started first, so that their ports are known; they
            are stopped later, too. They need not be ready: a crash of one never stops another.
        generation: Raised by one to ask for a restart of an unchanged service; not part of the
            digest.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    port: int = 0
    health_path: str = "/health"
    metrics_path: str = ""
    proof_model: str = ""
    start_timeout_s: float = 120.0
    stop_grace_s: float = 10.0
    needs: tuple[str, ...] = ()
    generation: int = 0

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the configuration, hex; equal digests need no restart."""
        configuration = {**_written(self), "generation": 0}
        return hashlib.sha256(json.dumps(configuration, sort_keys=True).encode()).hexdigest()

    def command(self, port: int) -> tuple[str, ...]:
        """Return the command line that makes the service listen on *port*."""
        filled = {"{port}": str(port)}
        return tuple(filled.get(argument, argument) for argument in self.argv)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A model name that the gateway answers, and the service that computes it.

    Attributes:
        backend: The engine's kind, as the gateway's route file names it.
        upstream_model: What the engine calls the model; "" where it uses the same name.
        url: Where the service listens; "" where the runtime chooses its port.
        context: Tokens that every request may have, 0 for what the engine says; one whose slots
            share their store says more, which holds only for a request alone.
        details: What clients are told of the model.
    """

    model: str
    service: str
    backend: str
    aliases: tuple[str, ...] = ()
    upstream_model: str = ""
    url: str = ""
    context: int = 0
    details: Details | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What should run: host processes in start order, containers, and the routes to both.

    Attributes:
        services: Host processes, run by the native runtime.
        containers: What Compose runs, None where Docker has no part in it.
        address: Where the gateway listens.
        ports: TCP ports of the gateway; the first one is told to people.
        asked: Settings that the command line of `up` gave, by field name, as text; `start`
            asks for the same.
        accelerator: What was chosen for the engine to compute on, "" where nobody chose.
    """

    name: str
    stack: str
    services: tuple[Service, ...] = ()
    containers: Containers | None = None
    routes: tuple[Route, ...] = ()
    address: str = "127.0.0.1"
    ports: tuple[int, ...] = ()
    asked: Mapping[str, str] = field(default_factory=dict[str, str])
    accelerator: str = ""

    @property
    def has_gpu(self) -> bool:
        """Tell whether a GPU was chosen for the engine."""
        return self.accelerator not in ("", "cpu")

    @property
    def on_host(self) -> Self:
        """Return the part that the native runtime runs."""
        return replace(self, containers=None)

    @property
    def without_models(self) -> Self:
        """Return it without links to files: what can be checked before a model is here."""
        if self.containers is None:
            return self
        return replace(self, containers=replace(self.containers, links={}))

    @property
    def runtime(self) -> Literal["native", "docker", "hybrid"]:
        """Tell what runs it: ``hybrid`` is an engine on the host behind containers."""
        if self.containers is None:
            return "native"
        return "hybrid" if self.services else "docker"

    @property
    def pages(self) -> dict[str, str]:
        """Map what people open in a browser to its address."""
        return pages(self.containers) if self.containers else {}

    @property
    def digests(self) -> dict[str, str]:
        """Map each service name to the digest of its configuration."""
        native = {service.name: service.digest for service in self.services}
        return native | (self.containers.digests if self.containers else {})

    @property
    def generations(self) -> dict[str, int]:
        """Map each service name to its generation."""
        return {service.name: service.generation for service in self.services}

    def restarted(self, name: str) -> Self:
        """Return the project that asks for one restart of service *name*."""
        return self.with_generations({name: self.generations[name] + 1})

    def with_generations(self, generations: Mapping[str, int]) -> Self:
        """Return the project with the given *generations*; services not named keep theirs."""
        services = tuple(
            replace(s, generation=generations.get(s.name, s.generation)) for s in self.services
        )
        return replace(self, services=services)

    def to_json(self) -> str:
        """Return the project as indented JSON, stable between runs."""
        services = [_written(service) for service in self.services]
        return json.dumps({**_written(self), "services": services}, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the project that `to_json` wrote."""
        raw: dict[str, Any] = json.loads(text)
        services = tuple(Service(**_tupled(s, "argv", "needs")) for s in raw.pop("services"))
        routes = tuple(_route(r) for r in raw.pop("routes"))
        containers = raw.pop("containers", None)
        return cls(
            services=services,
            routes=routes,
            ports=tuple(raw.pop("ports")),
            containers=Containers(**containers) if containers else None,
            **raw,
        )


def _written(value: Service | Project) -> dict[str, Any]:
    fields: dict[str, Any] = asdict(value)
    return {name: v for name, v in fields.items() if name not in _LATER or v != _LATER[name]}


def _route(raw: dict[str, Any]) -> Route:
    told = raw.pop("details", None)
    details = Details(**_tupled(told, "capabilities")) if told else None
    return Route(**_tupled(raw, "aliases"), details=details)


def _tupled(raw: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return *raw* with the lists of JSON under *names* as the tuples they were."""
    return {**raw, **{name: tuple(raw[name]) for name in names}}
