"""Asking engines whether they work."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

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
    """Return why each backend is not ready, empty if it is, and set its ``up`` metric."""
    targets = core.table.targets
    places = {(t.backend, t.address) for t in targets if t.address is not None}
    order = sorted(places, key=lambda place: (place[0], place[1].url))
    reasons = await asyncio.gather(*(probe(a, _PATHS[b], core.pools.resolver) for b, a in order))
    unplaced = [t for t in targets if t.address is None]
    found = {t.backend: _unplaced(t) for t in sorted(unplaced, key=lambda t: t.is_held)}
    for (backend, _), reason in zip(order, reasons, strict=True):
        found[backend] = "; ".join(filter(None, (found.get(backend, ""), reason)))
    for backend, reason in found.items():
        core.metrics.backend_up[backend] = 0 if reason else 1
    return found


def _unplaced(target: Target) -> str:
    if target.is_held:
        return f"requests wait: the {target.backend} engine is being replaced"
    return f"no {target.backend} engine is running"
