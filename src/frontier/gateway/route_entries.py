"""One entry of a route file: its values checked, before other files have their say."""

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from frontier.gateway.durations import seconds
from frontier.gateway.route_file import (
    BackendEntry,
    LimitEntry,
    ModelEntry,
    RouteFile,
    TimeoutEntry,
)
from frontier.gateway.routes import Address, Limits, Timeouts

_TIMEOUTS: Final = ("connect", "first_token", "idle", "total", "hold")


class Engine(NamedTuple):
    """One engine of an entry.

    Attributes:
        address: None for the one of this kind that an earlier file has.
    """

    name: str
    address: Address | None
    upstream_model: str
    weight: int
    limits: Limits


class Model(NamedTuple):
    """One entry; its engines, at least one."""

    entry: ModelEntry
    engines: tuple[Engine, ...]
    timeouts: Timeouts


def checked(file: RouteFile, index: int, entry: ModelEntry) -> Model:
    """Return the entry number *index* of *file*, from 0, checked.

    Raises:
        ConfigError: a value is wrong; the message names file, line and field.
    """
    where = f"models[{index}]"
    if entry.name in entry.fallbacks or set(entry.aliases) & set(entry.fallbacks):
        raise file.error(f"{where}.fallbacks", f"{entry.name!r} cannot be its own fallback")
    engines = _several(file, where, entry) if entry.backends else (_one(file, where, entry),)
    return Model(entry, engines, _timeouts(file, f"{where}.timeouts", entry.timeouts))


def _one(file: RouteFile, where: str, entry: ModelEntry) -> Engine:
    url = entry.backend_url
    address = None if url is None else _address(file, f"{where}.backend_url", url)
    limits = _limits(entry.limits, LimitEntry())
    return Engine(entry.backend, address, entry.upstream_model or entry.name, 1, limits)


def _several(file: RouteFile, where: str, entry: ModelEntry) -> tuple[Engine, ...]:
    if entry.backend_url is not None:
        raise file.error(f"{where}.backend_url", "a model has backend_url or backends, not both")
    engines = tuple(
        _engine(file, f"{where}.backends[{i}]", entry, backend, i)
        for i, backend in enumerate(entry.backends)
    )
    names = [engine.name for engine in engines]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise file.error(f"{where}.backends[{i}].name", f"{name!r} is given twice")
    if not any(engine.weight for engine in engines):
        raise file.error(f"{where}.backends", "at least one weight must be above zero")
    return engines


def _engine(
    file: RouteFile, where: str, entry: ModelEntry, backend: BackendEntry, index: int
) -> Engine:
    return Engine(
        name=backend.name or f"{entry.backend}-{index + 1}",
        address=None if backend.url is None else _address(file, f"{where}.url", backend.url),
        upstream_model=backend.upstream_model or entry.upstream_model or entry.name,
        weight=backend.weight,
        limits=_limits(backend.limits, entry.limits),
    )


def _limits(own: LimitEntry, models: LimitEntry) -> Limits:
    given: dict[str, int] = {}
    for name in ("concurrency", "queue", "context"):
        value: int | None = getattr(own, name)
        if value is None:
            value = getattr(models, name)
        if value is not None:
            given[name] = value
    return Limits(**given)


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
