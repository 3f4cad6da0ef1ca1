"""The control plane: what people and monitors ask, as an ordinary ASGI application."""

import json
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import frontier
from frontier.gateway.apis import responses_routes
from frontier.gateway.errors import Problem, model_not_found, unknown_path, wrong_method
from frontier.gateway.health import probe_all

if TYPE_CHECKING:
    from frontier.gateway.core import Core
    from frontier.gateway.routes import Target
    from frontier.gateway.wire.asgi import AsgiApp

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def create_app(core: "Core") -> "AsgiApp":
    """Return the application that answers everything but the hot path."""
    control = _Control(core)
    app = Starlette(
        routes=[
            Route("/", control.root),
            Route("/healthz", control.healthz),
            Route("/readyz", control.readyz),
            Route("/metrics", control.metrics),
            Route("/admin/routes", control.routes),
            Route("/v1/models", control.models),
            Route("/v1/models/{name:path}", control.model),
            *responses_routes.ROUTES,
        ],
        exception_handlers={404: _on_unknown_path, 405: _on_wrong_method},
    )
    app.router.redirect_slashes = False
    return cast("AsgiApp", app)


class _Control:
    def __init__(self, core: "Core") -> None:
        self._core = core

    async def root(self, _request: Request) -> Response:
        """Say who answers on this port."""
        return PlainTextResponse("Frontier is running")

    async def healthz(self, _request: Request) -> Response:
        """Answer as long as the process lives."""
        return _json({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        """Answer 200 when every backend does, else 503 with the reasons."""
        backends = await probe_all(self._core)
        is_ready = not any(backends.values())
        body = {
            "status": "ready" if is_ready else "not_ready",
            "backends": {name: reason or "ok" for name, reason in sorted(backends.items())},
            "config_error": self._core.config_error or None,
        }
        return _json(body, 200 if is_ready else 503)

    async def metrics(self, _request: Request) -> Response:
        """Render every metric."""
        core = self._core
        in_flight: Counter[tuple[str, ...]] = Counter()
        for (model, backend, _), count in core.in_flight().items():
            in_flight[model, backend] += count
        text = core.metrics.render(
            clients=len(core.clients),
            upstreams=core.pools.open,
            in_flight=in_flight,
            held=core.held(),
            version=frontier.__version__,
        )
        return Response(text, media_type=_METRICS_TYPE)

    async def routes(self, _request: Request) -> Response:
        """Tell which route files are in force, and what is under way by them and by older ones."""
        core = self._core
        held = core.held()
        in_flight = [
            {"model": model, "backend": backend, "backend_url": url, "requests": count}
            for (model, backend, url), count in sorted(core.in_flight().items())
        ]
        body = {
            "files": core.table.digests,
            "rejected": core.rejected,
            "config_error": core.config_error or None,
            "models": [_route(target, held[target.name]) for target in core.table.targets],
            "in_flight": in_flight,
        }
        return _json(body)

    async def models(self, _request: Request) -> Response:
        """List the configured models, in one body that OpenAI's and Anthropic's clients read."""
        data = [self._model(t.name, t) for t in self._core.table.targets]
        names = [t.name for t in self._core.table.targets]
        first, last = (names[0], names[-1]) if names else (None, None)
        body = {"object": "list", "data": data, "has_more": False}
        return _json(body | {"first_id": first, "last_id": last})

    async def model(self, request: Request) -> Response:
        """Describe one model, by its name or an alias."""
        name: str = request.path_params["name"]
        route = self._core.table.routes.get(name)
        if route is None:
            return _problem(model_not_found(name))
        return _json(self._model(name, route.target))

    def _model(self, name: str, target: "Target") -> dict[str, Any]:
        since = self._core.started_at
        return {
            "id": name,
            "object": "model",
            "type": "model",
            "created": since,
            "created_at": datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "owned_by": "frontier",
            "display_name": name,
            "lifecycle": "active",
            "aliases": list(target.aliases),
        }


def _route(target: "Target", held: int) -> dict[str, Any]:
    return {
        "name": target.name,
        "aliases": list(target.aliases),
        "backend": target.backend,
        "backend_url": target.address.url if target.address else None,
        "upstream_model": target.upstream_model,
        "hold": target.is_held,
        "held": held,
    }


def _json(body: object, status: int = 200) -> Response:
    # ASCII only: some clients split lines at U+2028, which JSON may hold as it is.
    return Response(json.dumps(body), status, media_type="application/json")


def _problem(problem: Problem) -> Response:
    headers = {name.decode(): value.decode() for name, value in problem.headers}
    return Response(problem.body, problem.status, headers, media_type="application/json")


async def _on_unknown_path(request: Request, _error: Exception) -> Response:
    return _problem(unknown_path(request.method, request.url.path))


async def _on_wrong_method(request: Request, error: Exception) -> Response:
    headers = error.headers if isinstance(error, HTTPException) else None
    allow = headers["Allow"] if headers else "GET, HEAD"
    return _problem(wrong_method(request.method, request.url.path, allow.encode()))
