"""Asking engines whether they work."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from frontier.gateway import loaded
from frontier.gateway.engine_context import read_contexts
from frontier.gateway.routes import Address, Target
from frontier.gateway.wire.resolver import Resolver

if TYPE_CHECKING:
    from frontier.gateway.core import Core

_PATHS: Final = {
    "llamacpp": "/health",
    "vllm": "/health",
    "mistral": "/health",
    "ollama": "/api/version",
    "openai": "/v1/models",
}
_PROBE_S: Final = 1.0
_ALL_S: Final = 10.0
_OPEN_S: Final = 1.0
_LONGEST_LINE: Final = 4096


async def probe(address: Address, path: str, resolver: Resolver) -> str:
    """Return why the engine at *address* is not ready, empty if it is; within a second."""
    try:
        async with asyncio.timeout(_PROBE_S):
            return await _probe(address, path, resolver)
    except TimeoutError:
        return f"no answer from {address.url}{path} within {_PROBE_S:g} s"
    except OSError as error:
        return f"{address.url} cannot be reached: {error.strerror or error}"
    except ValueError:  # a line beyond the reader's limit
        return f"{address.url}{path} answered no HTTP"


async def _probe(address: Address, path: str, resolver: Resolver) -> str:
    reader, writer = await resolver.first(
        address.host, lambda ip: asyncio.open_connection(ip, address.port, limit=_LONGEST_LINE)
    )
    try:
        host = address.authority
        request = (
            f"GET {address.prefix}{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        )
        writer.write(request.encode())
        line = await reader.readline()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    words = line.split(maxsplit=2)
    if len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].startswith(b"2"):
        return ""
    said = line.decode("latin-1").strip() or "nothing"
    return f"{address.url}{path} answered: {said}"


async def probe_all(core: "Core") -> dict[str, str]:
    """Return why each backend is not ready, empty if it is; note which of its engines are."""
    backends = [(t, b) for t in core.table.targets for b in t.backends]
    places = {(b.name, t.backend, b.address) for t, b in backends if b.address is not None}
    order = sorted(places, key=lambda place: (place[0], place[2].url))
    resolver, pools = core.pools.resolver, [core.pools[address] for _, _, address in order]
    reasons = await asyncio.gather(*(probe(a, _PATHS[kind], resolver) for _, kind, a in order))
    unplaced = [(t, b) for t, b in backends if b.address is None]
    found = {b.name: _unplaced(t) for t, b in sorted(unplaced, key=lambda place: place[0].is_held)}
    for (name, _, _), pool, reason in zip(order, pools, reasons, strict=True):
        pool.is_up = not reason
        found[name] = "; ".join(filter(None, (found.get(name, ""), reason)))
    return found


def is_ready(core: "Core", reasons: Mapping[str, str]) -> bool:
    """Tell whether every model has an engine that is ready.

    Args:
        core: Its table has the models.
        reasons: What `probe_all` returned.
    """
    return all(any(not reasons.get(b.name) for b in t.backends) for t in core.table.targets)


async def probe_open(core: "Core") -> None:
    """Ask the engines whose circuit breaker is open, so that no request has to find out."""
    now = core.clock.now
    kinds = {b.address: t.backend for t in core.table.targets for b in t.backends}
    tripped = [pool for pool in core.pools if pool.breaker.state(now) == "open"]
    paths = [_PATHS[kinds[pool.address]] for pool in tripped]
    reasons = await asyncio.gather(
        *(
            probe(p.address, path, core.pools.resolver)
            for p, path in zip(tripped, paths, strict=True)
        )
    )
    for pool, reason in zip(tripped, reasons, strict=True):
        if not reason:
            pool.breaker.is_reached(core.clock.now)
        elif not pool.breaker.is_loading:
            pool.breaker.is_unreachable(core.clock.now)


async def watch(core: "Core") -> None:
    """Ask engines how they are, for ever: all of them now and then, those that failed often."""
    due_at = look_at = 0.0
    while True:
        try:
            if core.is_fresh or core.clock.now >= look_at:
                look_at = core.clock.now + loaded.EVERY_S
                await loaded.read_loaded(core)
            if core.is_fresh or core.clock.now >= due_at:
                core.is_fresh = False
                due_at = core.clock.now + _ALL_S
                await asyncio.gather(probe_all(core), read_contexts(core))
            await probe_open(core)
        except Exception as error:  # whatever it is, the next round may be better
            core.bug(error)
        await asyncio.sleep(_OPEN_S)


def _unplaced(target: Target) -> str:
    if target.is_held:
        return f"requests wait: the {target.backend} engine is being replaced"
    return f"no {target.backend} engine is running"
