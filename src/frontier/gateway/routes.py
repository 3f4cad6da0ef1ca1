"""The routing table: immutable, built whole from route files, swapped whole."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from frontier.domain.errors import ConfigError
from frontier.gateway.durations import seconds
from frontier.gateway.route_file import ModelEntry, RouteFile, TimeoutEntry

# In single-model mode llama.cpp's server never looks at `model`: the body can go as it came.
_IGNORES_NAMES = frozenset({"llamacpp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long an engine may take, in seconds.

    Attributes:
        connect: From the first attempt to a TCP connection.
        first_token: From the request to the first byte of a streamed answer.
        idle: Between two reads once the answer began.
        total: The whole request; the only limit for the silence before an unstreamed answer.
    """

    connect: float = 5.0
    first_token: float = 120.0
    idle: float = 60.0
    total: float = 600.0


class Address(NamedTuple):
    """Where an engine listens: plain HTTP, host and port, and a path before ``/v1``."""

    host: str
    port: int
    prefix: str = ""

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address for people."""
        return f"http://{self.authority}{self.prefix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A configured model: who computes it and how long that may take.

    Attributes:
        name: What clients ask for; the ``model`` label of every metric.
        address: None while no engine of this backend runs.
        upstream_model: What the engine calls it.
    """

    name: str
    aliases: tuple[str, ...]
    backend: str
    address: Address | None
    upstream_model: str
    timeouts: Timeouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One name that clients may ask for, prepared so that a request needs no work twice.

    Attributes:
        asked: The name or alias.
        splice: The body needs the engine's own name for the model.
        echo: What a raw answer contains if the engine says the asked name itself.
        heads: Upstream request head by path, up to the value of Content-Length.
    """

    asked: str
    target: Target
    splice: bool
    echo: bytes
    heads: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def head(self, path: str) -> bytes:
        """Return the upstream request head for *path*, up to the value of Content-Length."""
        head = self.heads.get(path)
        if head is None:
            head = self.heads[path] = _head(self.target, path)
        return head


@dataclass(frozen=True, slots=True)
class Table:
    """Every route by name and alias."""

    routes: Mapping[str, Route] = field(default_factory=dict[str, Route])

    @property
    def targets(self) -> tuple[Target, ...]:
        """The configured models, in the order of the files, without their aliases."""
        return tuple(r.target for name, r in self.routes.items() if r.target.name == name)


def load_table(paths: Sequence[Path]) -> Table:
    """Return the table of *paths*; a later file wins wherever two files use one name.

    Raises:
        ConfigError: a file is wrong; the message names file, line and field.
    """
    routes: dict[str, Route] = {}
    default_urls: dict[str, Address] = {}
    for path in paths:
        file = RouteFile(path)
        for index, entry in enumerate(file.models):
            target = _target(file, index, entry, default_urls)
            _replace(routes, target)
        for target in (route.target for route in routes.values()):
            if target.address is not None:
                default_urls.setdefault(target.backend, target.address)
    return Table(routes)


def _replace(routes: dict[str, Route], target: Target) -> None:
    """Add *target*; the entry of an earlier file with the same name goes with its aliases."""
    old = routes.get(target.name)
    if old is not None and old.target.name == target.name:
        for name in [n for n, route in routes.items() if route.target is old.target]:
            del routes[name]
    for name in (target.name, *target.aliases):
        routes[name] = _route(name, target)


def _target(
    file: RouteFile, index: int, entry: ModelEntry, default_urls: Mapping[str, Address]
) -> Target:
    where = f"models[{index}]"
    address = default_urls.get(entry.backend)
    if entry.backend_url is not None:
        address = _address(file, f"{where}.backend_url", entry.backend_url)
    return Target(
        name=entry.name,
        aliases=entry.aliases,
        backend=entry.backend,
        address=address,
        upstream_model=entry.upstream_model or entry.name,
        timeouts=_timeouts(file, f"{where}.timeouts", entry.timeouts),
    )


def _address(file: RouteFile, where: str, url: str) -> Address:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise file.error(where, f"{url!r} is not a URL: {error}") from error
    if parts.scheme != "http" or not host or parts.query or parts.username:
        raise file.error(where, f"{url!r} is not of the form http://HOST:PORT")
    if any(character.isspace() or not character.isprintable() for character in url):
        raise file.error(where, f"{url!r} contains a blank or a control character")
    return Address(host, port or 80, parts.path.rstrip("/").removesuffix("/v1"))


def _timeouts(file: RouteFile, where: str, entry: TimeoutEntry) -> Timeouts:
    given: dict[str, float] = {}
    for name in ("connect", "first_token", "idle", "total"):
        value: str | float | None = getattr(entry, name)
        if value is not None:
            try:
                given[name] = seconds(value)
            except ValueError as error:
                raise file.error(f"{where}.{name}", str(error)) from error
    return Timeouts(**given)


def _route(asked: str, target: Target) -> Route:
    return Route(
        asked=asked,
        target=target,
        splice=asked != target.upstream_model and target.backend not in _IGNORES_NAMES,
        echo=b'"model":' + json.dumps(asked, ensure_ascii=False).encode(),
    )


def _head(target: Target, path: str) -> bytes:
    address = target.address
    if address is None:
        raise ConfigError(f"{target.name}: no address")
    return (
        f"POST {address.prefix}{path} HTTP/1.1\r\n"
        f"host: {address.authority}\r\n"
        "content-type: application/json\r\n"
        "accept: */*\r\n"
        "content-length: "
    ).encode()
