"""The gateway's route file, YAML, for engines on the host and in containers; pure."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from frontier.domain.project import Route

_HEAD = (
    "# Written by Frontier whenever an engine starts; edits are lost. Yours: config/models.yaml\n"
)


def routes_file(
    routes: Iterable[Route],
    ports: Mapping[str, int] | None = None,
    *,
    held: Iterable[Route] = (),
    hold_s: float = 0.0,
) -> str:
    """Return the route file of *routes*, in their order.

    Args:
        routes: A model that is named twice goes to its first route.
        ports: Service name to loopback port, for routes without a URL of their own; those whose
            port is not known are left out.
        held: Routes whose requests wait in the gateway until a file without them is loaded.
        hold_s: Seconds that they wait at most; 0 leaves it to the gateway.
    """
    urls = {name: f"http://127.0.0.1:{port}" for name, port in (ports or {}).items()}
    all_routes = [*((r, False) for r in routes), *((r, True) for r in held)]
    first = {route.model: (route, hold) for route, hold in reversed(all_routes)}
    lines = [
        _entry(route, route.url or urls[route.service], hold_s if hold else None)
        for route, hold in reversed(first.values())
        if route.url or route.service in urls
    ]
    models = "".join(f"\n  - {line}" for line in lines) or " []"
    return f"{_HEAD}version: 1\nmodels:{models}\n"


def _entry(route: Route, url: str, hold_s: float | None) -> str:
    entry: dict[str, object] = {
        "name": route.model,
        "aliases": list(route.aliases),
        "backend": route.backend,
        "backend_url": url,
        "upstream_model": route.upstream_model or route.model,
    }
    if route.context:
        entry["limits"] = {"context": route.context}
    if route.details is not None:
        entry["details"] = {k: v for k, v in asdict(route.details).items() if v}
    if hold_s is not None:
        entry["hold"] = True
        if hold_s:
            entry["timeouts"] = {"hold": f"{hold_s:g}s"}
    return json.dumps(entry, ensure_ascii=False)  # JSON is YAML, and needs no PyYAML here
