"""What one process has to tell: its metrics, the files in force and what is under way."""

from collections import Counter
from typing import TYPE_CHECKING

import frontier
from frontier.gateway.board import Report, State
from frontier.gateway.exposed import Now

if TYPE_CHECKING:
    from frontier.gateway.core import Core
    from frontier.gateway.routes import Backend, Target


def report(core: "Core") -> Report:
    """Return the metrics of *core*, and its state as ``/admin/routes`` shows it."""
    return Report(_metrics(core), _state(core))


def _metrics(core: "Core") -> str:
    core.journal.settle()
    in_flight: Counter[tuple[str, str]] = Counter()
    for (model, backend, _), count in core.in_flight().items():
        in_flight[model, backend] += count
    return core.exposed.render(
        Now(
            clients=len(core.clients),
            upstreams=core.pools.open,
            in_flight=in_flight,
            held=core.held(),
            queued=core.queued(),
            up=core.up(),
            breakers=core.breakers(),
            facts=core.facts.read(),
            loaded=core.loaded,
            version=frontier.__version__,
        )
    )


def _state(core: "Core") -> State:
    held = core.held() + core.queued()
    return {
        "files": {**core.table.digests, **core.gate.keyring.digests},
        "rejected": core.rejected,
        "config_error": core.config_error or None,
        "models": [_model(core, target, held[target.name]) for target in core.table.targets],
        "in_flight": [
            {"model": model, "backend": backend, "backend_url": url, "requests": count}
            for (model, backend, url), count in sorted(core.in_flight().items())
        ],
    }


def _model(core: "Core", target: "Target", held: int) -> State:
    return {
        "name": target.name,
        "aliases": list(target.aliases),
        "backend": target.backend,
        "backend_url": target.address.url if target.address else None,
        "upstream_model": target.upstream_model,
        "hold": target.is_held,
        "held": held,
        "fallbacks": list(target.fallbacks),
        "backends": [_backend(core, backend) for backend in target.backends],
    }


def _backend(core: "Core", backend: "Backend") -> State:
    pool = core.pools[backend.address] if backend.address else None
    return {
        "name": backend.name,
        "url": backend.address.url if backend.address else None,
        "upstream_model": backend.upstream_model,
        "weight": backend.weight,
        "busy": pool.busy if pool else 0,
        "breaker": pool.breaker.state(core.clock.now) if pool else None,
        "context": pool.contexts.get(backend.upstream_model) if pool else None,
    }
