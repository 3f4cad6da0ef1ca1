"""The routing table: immutable, swapped whole."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Self

from frontier.domain.errors import ConfigError
from frontier.gateway.choice import Balance
from frontier.gateway.details import UNKNOWN, Details
from frontier.gateway.names import canonical
from frontier.gateway.prices import Price

NO_BACKEND: Final = "none"

_LONGEST_MATCHED: Final = 512
_MOST_MET: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long an engine may take, in seconds.

    Attributes:
        connect: From the first attempt to a TCP connection.
        first_token: From the request to the first byte of a streamed answer.
        idle: Between two reads once the answer began.
        total: The whole request; the only limit for the silence before an unstreamed answer.
        hold: How long a request may wait here for an engine that is being replaced, loads its
            model or is busy; before the other times begin.
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
class Limits:
    """What one engine may be asked to do for one model.

    Attributes:
        concurrency: Requests at a time, 0 if there is no limit.
        queue: How many may wait here while all are taken.
        context: Tokens, 0 for what the engine says itself.
    """

    concurrency: int = 0
    queue: int = 64
    context: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """One engine that computes a model.

    Attributes:
        name: The ``backend`` label of every metric.
        address: None while no engine of this kind runs, and while requests are held.
        upstream_model: What the engine calls the model.
        weight: Its share among the model's engines; 0: it takes nothing.
    """

    name: str
    address: Address | None
    upstream_model: str
    weight: int = 1
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A configured model: who computes it and how long that may take.

    Attributes:
        name: What clients ask for; the ``model`` label of every metric.
        backend: The kind of its engines.
        backends: Its engines, at least one.
        label: The ``backend`` label of requests that no engine took.
        fallbacks: Names of models that answer when no engine of this one can, in order.
        is_held: Requests wait for the next table.
        details: What is known of the model itself.
        price: Of its tokens, None where nobody says.
    """

    name: str
    aliases: tuple[str, ...]
    backend: str
    backends: tuple[Backend, ...]
    timeouts: Timeouts
    label: str
    balance: Balance = "weights"
    fallbacks: tuple[str, ...] = ()
    is_held: bool = False
    details: Details = UNKNOWN
    price: Price | None = None

    @property
    def address(self) -> Address | None:
        """Where its first engine is."""
        return self.backends[0].address

    @property
    def upstream_model(self) -> str:
        """What its first engine calls it."""
        return self.backends[0].upstream_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """From one name to one engine, prepared so that a request needs no work twice.

    Attributes:
        asked: The name or alias.
        splice: The body needs the engine's own name for the model.
        echo: What a raw answer contains if the engine says the asked name itself.
        mark: Header lines of the answer that say who gave it, where that is not plain.
        heads: Upstream request head by path, up to the value of Content-Length.
    """

    asked: str
    target: Target
    backend: Backend
    splice: bool
    echo: bytes
    mark: bytes = b""
    heads: dict[str, bytes] = field(default_factory=dict[str, bytes])

    @property
    def upstream_model(self) -> str:
        """What the engine calls the model."""
        return self.backend.upstream_model

    @property
    def address(self) -> Address:
        """Where the engine is; only of a route that can be taken."""
        address = self.backend.address
        if address is None:
            raise ConfigError(f"{self.backend.name}: no address")
        return address

    def spelled(self, asked: str) -> Self:
        """Return the same for another spelling of the name."""
        return replace(self, asked=asked, splice=True, echo=echo(asked))

    def head(self, path: str) -> bytes:
        """Return the upstream request head for *path*, up to the value of Content-Length."""
        head = self.heads.get(path)
        if head is None:
            head = self.heads[path] = _head(self.address, path)
        return head


@dataclass(frozen=True, slots=True, kw_only=True)
class Routes:
    """All that one name leads to.

    Attributes:
        each: One to each of the target's engines.
        fallbacks: From the same name to other models.
        plain: The one of a model with one engine that has no limit, None for others.
    """

    target: Target
    each: tuple[Route, ...]
    fallbacks: "tuple[Routes, ...]" = ()
    plain: Route | None = None

    @property
    def has_others(self) -> bool:
        """Tell whether there is anybody else to ask when one engine cannot be reached."""
        return len(self.each) > 1 or bool(self.fallbacks)

    def spelled(self, asked: str) -> Self:
        """Return the same for another spelling of the name."""
        each = tuple(route.spelled(asked) for route in self.each)
        return replace(
            self,
            each=each,
            plain=each[0] if self.plain is not None else None,
            fallbacks=tuple(other.spelled(asked) for other in self.fallbacks),
        )


@dataclass(frozen=True, slots=True)
class Pattern:
    """An alias with wildcards: ``*`` stands for any text.

    Attributes:
        routes: Makes those of a name that matches.
    """

    alias: str
    routes: Callable[[str], Routes]

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
        others: Configured names by the one spelling of all that Ollama takes for the same.
        digests: SHA-256 of each file that it was built from, hex, by path.
        patterns: Aliases with wildcards, the most particular first; looked at where no name fits.
        met: Routes of other spellings and of names that match a pattern, made once; clients ask by
            few names, and who invents new ones fills no memory.
    """

    routes: Mapping[str, Routes] = field(default_factory=dict[str, Routes])
    others: Mapping[str, str] = field(default_factory=dict[str, str])
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    patterns: tuple[Pattern, ...] = ()
    met: dict[str, Routes] = field(default_factory=dict[str, Routes])

    def _matching(self, asked: str) -> Routes | None:
        if len(asked) > _LONGEST_MATCHED:
            return None
        return next((p.routes(asked) for p in self.patterns if p.matches(asked)), None)

    def find(self, asked: str) -> Routes | None:
        """Return where the name *asked* leads, however it is spelled; None if nowhere."""
        routes = self.routes.get(asked) or self.met.get(asked)
        if routes is not None:
            return routes
        name = self.others.get(canonical(asked))
        found = self._matching(asked) if name is None else self.routes[name].spelled(asked)
        if found is not None and len(self.met) < _MOST_MET and len(asked) <= _LONGEST_MATCHED:
            self.met[asked] = found
        return found

    @property
    def addresses(self) -> frozenset[Address]:
        """Every place that a request may be sent to."""
        backends = (b for route in self.routes.values() for b in route.target.backends)
        return frozenset(b.address for b in backends if b.address is not None)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The configured models, in the order of the files, without their aliases."""
        return tuple(r.target for name, r in self.routes.items() if r.target.name == name)


def echo(asked: str) -> bytes:
    """Return what a raw answer contains if the engine says the name *asked* itself."""
    return b'"model":' + json.dumps(asked, ensure_ascii=False).encode()


def _head(address: Address, path: str) -> bytes:
    return (
        f"POST {address.prefix}{path} HTTP/1.1\r\n"
        f"host: {address.authority}\r\n"
        "content-type: application/json\r\n"
        "accept: */*\r\n"
        "content-length: "
    ).encode()
