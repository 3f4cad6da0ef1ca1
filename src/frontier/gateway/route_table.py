"""From route files to the routing table."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from frontier.gateway.durations import seconds
from frontier.gateway.route_file import Content, ModelEntry, RouteFile, TimeoutEntry, read
from frontier.gateway.routes import Address, Pattern, Route, Table, Target, Timeouts

# In single-model mode llama.cpp's server never looks at `model`: the body can go as it came.
_IGNORES_NAMES: Final = frozenset({"llamacpp"})
_TIMEOUTS: Final = ("connect", "first_token", "idle", "total", "hold")


class _Model(NamedTuple):
    """One entry with its values checked; what other files say is not in it yet."""

    entry: ModelEntry
    address: Address | None
    timeouts: Timeouts


@dataclass(frozen=True, slots=True)
class Source:
    """One route file, read and found right.

    Attributes:
        sha256: Of the bytes that it was read from, hex.
    """

    path: Path
    sha256: str
    models: tuple[_Model, ...]


def parse(content: Content) -> Source:
    """Return *content* checked.

    Raises:
        ConfigError: it is wrong; the message names file, line and field.
    """
    file = RouteFile(content)
    models = tuple(_model(file, index, entry) for index, entry in enumerate(file.models))
    return Source(content.path, content.sha256, models)


def load_sources(paths: Iterable[Path]) -> tuple[Source, ...]:
    """Return the route files *paths*.

    Raises:
        ConfigError: a file is wrong; the message names file, line and field.
    """
    return tuple(parse(read(path)) for path in paths)


@dataclass(slots=True)
class _Engines:
    """What earlier files say about the places of engines.

    Attributes:
        first: Each backend's first place, the default of later files; its hold time in seconds
            if requests wait for it.
        holds_s: Addresses whose engine is being replaced, and how long requests wait for it.
    """

    first: dict[str, tuple[Address | None, float | None]] = field(
        default_factory=dict[str, "tuple[Address | None, float | None]"]
    )
    holds_s: dict[Address, float] = field(default_factory=dict[Address, float])

    def learn(self, models: Iterable[_Model]) -> None:
        for entry, address, timeouts in models:
            hold_s = timeouts.hold if entry.hold else None
            if address is not None and hold_s is not None:
                self.holds_s.setdefault(address, hold_s)
            if address is not None or hold_s is not None:
                self.first.setdefault(entry.backend, (address, hold_s))

    def place(self, model: _Model) -> tuple[Address | None, float | None]:
        """Return where *model* is computed, and its hold time if it is held."""
        entry, address, timeouts = model
        if entry.hold:
            return address, timeouts.hold
        if address is None:
            return self.first.get(entry.backend, (None, None))
        return address, self.holds_s.get(address)


def build(sources: Sequence[Source]) -> Table:
    """Return the table of *sources*; a later one wins wherever two use one name."""
    routes: dict[str, Route] = {}
    engines = _Engines()
    for source in sources:
        for model in source.models:
            _replace(routes, _target(model, engines))
        engines.learn(source.models)
    patterns = _patterns(routes)
    return Table(routes, {str(source.path): source.sha256 for source in sources}, patterns)


def _patterns(routes: dict[str, Route]) -> tuple[Pattern, ...]:
    """Take the aliases with wildcards out of *routes*."""
    found = [name for name, route in routes.items() if "*" in name and name != route.target.name]
    patterns = [Pattern(name, partial(_route, target=routes.pop(name).target)) for name in found]
    return tuple(sorted(patterns, key=lambda pattern: -pattern.weight))


def _replace(routes: dict[str, Route], target: Target) -> None:
    """Add *target*; the entry of an earlier file with the same name goes with its aliases."""
    old = routes.get(target.name)
    if old is not None and old.target.name == target.name:
        for name in [n for n, route in routes.items() if route.target is old.target]:
            del routes[name]
    for name in (target.name, *target.aliases):
        routes[name] = _route(name, target)


def _target(model: _Model, engines: _Engines) -> Target:
    entry, _, timeouts = model
    address, hold_s = engines.place(model)
    if hold_s is not None and entry.timeouts.hold is None:
        timeouts = replace(timeouts, hold=hold_s)
    return Target(
        name=entry.name,
        aliases=entry.aliases,
        backend=entry.backend,
        address=None if hold_s is not None else address,
        upstream_model=entry.upstream_model or entry.name,
        timeouts=timeouts,
        is_held=hold_s is not None,
    )


def _model(file: RouteFile, index: int, entry: ModelEntry) -> _Model:
    where = f"models[{index}]"
    url = entry.backend_url
    address = None if url is None else _address(file, f"{where}.backend_url", url)
    return _Model(entry, address, _timeouts(file, f"{where}.timeouts", entry.timeouts))


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
    for name in _TIMEOUTS:
        value: str | float | None = getattr(entry, name)
        if value is not None:
            try:
                given[name] = seconds(value)
            except ValueError as error:
                raise file.error(f"{where}.{name}", str(error)) from error
    # a client that waits so long for an engine's first token waits as long for the engine
    given.setdefault("hold", Timeouts(**given).first_token)
    return Timeouts(**given)


def _route(asked: str, target: Target) -> Route:
    return Route(
        asked=asked,
        target=target,
        splice=asked != target.upstream_model and target.backend not in _IGNORES_NAMES,
        echo=b'"model":' + json.dumps(asked, ensure_ascii=False).encode(),
    )
