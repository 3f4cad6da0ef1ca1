"""From route files to the routing table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from frontier.gateway.names import USUAL, canonical, display
from frontier.gateway.route_entries import Engine, Model, checked
from frontier.gateway.route_file import Content, RouteFile, read
from frontier.gateway.routes import (
    NO_BACKEND,
    Address,
    Backend,
    Pattern,
    Route,
    Routes,
    Table,
    Target,
    echo,
)

# In single-model mode llama.cpp's server never looks at `model`: the body can go as it came.
_IGNORES_NAMES: Final = frozenset({"llamacpp"})


@dataclass(frozen=True, slots=True)
class Source:
    """One route file, read and found right.

    Attributes:
        sha256: Of the bytes that it was read from, hex.
    """

    path: Path
    sha256: str
    models: tuple[Model, ...]

    @property
    def is_empty(self) -> bool:
        """Tell whether it says nothing."""
        return not self.models


def parse(content: Content) -> Source:
    """Return *content* checked.

    Raises:
        ConfigError: it is wrong; the message names file, line and field.
    """
    file = RouteFile(content)
    models = tuple(checked(file, index, entry) for index, entry in enumerate(file.models))
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
        first: Each kind's first place, the default of later files; its hold time in seconds
            if requests wait for it.
        holds_s: Addresses whose engine is being replaced, and how long requests wait for it.
    """

    first: dict[str, tuple[Address | None, float | None]] = field(
        default_factory=dict[str, "tuple[Address | None, float | None]"]
    )
    holds_s: dict[Address, float] = field(default_factory=dict[Address, float])

    def learn(self, models: Iterable[Model]) -> None:
        for entry, engines, timeouts in models:
            hold_s = timeouts.hold if entry.hold else None
            for engine in engines:
                if engine.address is not None and hold_s is not None:
                    self.holds_s.setdefault(engine.address, hold_s)
                if engine.address is not None or hold_s is not None:
                    self.first.setdefault(entry.backend, (engine.address, hold_s))

    def place(self, model: Model, engine: Engine) -> tuple[Address | None, float | None]:
        """Return where *engine* is, and its hold time in seconds if it is held."""
        if model.entry.hold:
            return engine.address, model.timeouts.hold
        if engine.address is None:
            return self.first.get(model.entry.backend, (None, None))
        return engine.address, self.holds_s.get(engine.address)


def build(sources: Sequence[Source]) -> Table:
    """Return the table of *sources*; a later one wins wherever two use one name."""
    targets: dict[str, Target] = {}
    engines = _Engines()
    for source in sources:
        for model in source.models:
            _replace(targets, _target(model, engines))
        engines.learn(source.models)
    patterns = _patterns(targets)
    routes = {name: _routes(name, target, targets) for name, target in targets.items()}
    digests = {str(source.path): source.sha256 for source in sources}
    return Table(routes, _others(routes), digests, patterns)


def _patterns(targets: dict[str, Target]) -> tuple[Pattern, ...]:
    """Take the aliases with wildcards out of *targets*."""
    found = [name for name, target in targets.items() if "*" in name and name != target.name]
    patterns = [
        Pattern(name, partial(_routes, target=targets.pop(name), targets=targets)) for name in found
    ]
    return tuple(sorted(patterns, key=lambda pattern: -pattern.weight))


def _others(routes: dict[str, Routes]) -> dict[str, str]:
    """Return the names of *routes* by how Ollama's clients may spell them, what is given first."""
    found: dict[str, str] = {}
    for name in routes:
        found.setdefault(canonical(name), name)
    for name in routes:
        found.setdefault(canonical(display(name)), name)
    for usual, name in USUAL.items():
        if (configured := found.get(canonical(name))) is not None:
            found.setdefault(usual, configured)
    return found


def _replace(targets: dict[str, Target], target: Target) -> None:
    """Add *target*; the entry of an earlier file with the same name goes with its aliases."""
    old = targets.get(target.name)
    if old is not None and old.name == target.name:
        for name in [n for n, other in targets.items() if other is old]:
            del targets[name]
    for name in (target.name, *target.aliases):
        targets[name] = target


def _target(model: Model, engines: _Engines) -> Target:
    """Return what *model* means; it is held if all its engines are."""
    entry, timeouts = model.entry, model.timeouts
    places = [engines.place(model, engine) for engine in model.engines]
    holds_s = [hold_s for _, hold_s in places if hold_s is not None]
    is_held = len(holds_s) == len(places)
    if is_held and entry.timeouts.hold is None:
        timeouts = replace(timeouts, hold=max(holds_s))
    return Target(
        name=entry.name,
        aliases=entry.aliases,
        backend=entry.backend,
        backends=tuple(
            _backend(engine, None if hold_s is not None else address)
            for engine, (address, hold_s) in zip(model.engines, places, strict=True)
        ),
        timeouts=timeouts,
        label=NO_BACKEND if entry.backends else entry.backend,
        balance=entry.balance,
        fallbacks=entry.fallbacks,
        is_held=is_held,
        details=entry.details,
        price=entry.price,
    )


def _backend(engine: Engine, address: Address | None) -> Backend:
    return Backend(
        name=engine.name,
        address=address,
        upstream_model=engine.upstream_model,
        weight=engine.weight,
        limits=engine.limits,
    )


def _routes(asked: str, target: Target, targets: dict[str, Target]) -> Routes:
    """Return all that the name *asked* leads to; a fallback that no file has is passed over."""
    found = (targets[name] for name in target.fallbacks if name in targets)
    fallbacks = tuple(_to(asked, other, is_fallback=True) for other in found if other is not target)
    return replace(_to(asked, target), fallbacks=fallbacks)


def _to(asked: str, target: Target, *, is_fallback: bool = False) -> Routes:
    mark = b"x-frontier-model: %b\r\n" % quote(target.name).encode() if is_fallback else b""
    each = tuple(_route(asked, target, backend, mark) for backend in target.backends)
    return Routes(target=target, each=each, plain=_plain(each[0]) if len(each) == 1 else None)


def _plain(route: Route) -> Route | None:
    backend = route.backend
    is_plain = backend.address is not None and not backend.limits.concurrency and not route.mark
    return route if is_plain else None


def _route(asked: str, target: Target, backend: Backend, mark: bytes) -> Route:
    if target.label == NO_BACKEND:
        mark += b"x-frontier-backend: %b\r\n" % backend.name.encode()
    is_named = asked == backend.upstream_model or target.backend in _IGNORES_NAMES
    return Route(
        asked=asked,
        target=target,
        backend=backend,
        splice=not is_named,
        echo=echo(asked),
        mark=mark,
    )
