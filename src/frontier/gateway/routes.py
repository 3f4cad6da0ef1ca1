"""The routing table: immutable, swapped whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from frontier.domain.errors import ConfigError

_LONGEST_MATCHED: Final = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long an engine may take, in seconds.

    Attributes:
        connect: From the first attempt to a TCP connection.
        first_token: From the request to the first byte of a streamed answer.
        idle: Between two reads once the answer began.
        total: The whole request; the only limit for the silence before an unstreamed answer.
        hold: How long a request may wait here for an engine that is being replaced; before the
            other times begin.
    """

    connect: float = 5.0
    first_token: float = 120.0
    idle: float = 60.0
    total: float = 600.0
    hold: float = 120.0


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
        address: None while no engine of this backend runs, and while requests are held.
        upstream_model: What the engine calls it.
        is_held: Requests wait for the next table.
    """

    name: str
    aliases: tuple[str, ...]
    backend: str
    address: Address | None
    upstream_model: str
    timeouts: Timeouts
    is_held: bool = False


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
class Pattern:
    """An alias with wildcards: ``*`` stands for any text.

    Attributes:
        route: Makes the route of a name that matches.
    """

    alias: str
    route: Callable[[str], Route]

    @property
    def weight(self) -> int:
        """How particular it is."""
        return len(self.alias) - self.alias.count("*")

    def matches(self, asked: str) -> bool:
        """Tell whether *asked* is such a name."""
        first, *inner = self.alias.split("*")
        last = inner.pop()
        if not asked.startswith(first) or len(asked) < len(first) + len(last):
            return False
        at = len(first)
        for part in inner:
            at = asked.find(part, at)
            if at < 0:
                return False
            at += len(part)
        return asked.endswith(last) and len(asked) - len(last) >= at


@dataclass(frozen=True, slots=True)
class Table:
    """Every route by name and alias.

    Attributes:
        digests: SHA-256 of each file that it was built from, hex, by path.
        patterns: Aliases with wildcards, the most particular first; looked at where no name fits.
    """

    routes: Mapping[str, Route] = field(default_factory=dict[str, Route])
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    patterns: tuple[Pattern, ...] = ()

    def find(self, asked: str) -> Route | None:
        """Return the route of the name *asked*, None if nothing leads anywhere."""
        return self.routes.get(asked) or self._matching(asked)

    def _matching(self, asked: str) -> Route | None:
        if len(asked) > _LONGEST_MATCHED:
            return None
        return next((p.route(asked) for p in self.patterns if p.matches(asked)), None)

    @property
    def addresses(self) -> frozenset[Address]:
        """Every place that a request may be sent to."""
        found = (route.target.address for route in self.routes.values())
        return frozenset(address for address in found if address is not None)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The configured models, in the order of the files, without their aliases."""
        return tuple(r.target for name, r in self.routes.items() if r.target.name == name)


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
