"""The control plane: what people and monitors ask, as an ordinary ASGI application."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from frontier.gateway.apis import responses_routes
from frontier.gateway.apis.known import OPERATIONS, api_of
from frontier.gateway.board import Report, add, join
from frontier.gateway.errors import Problem, model_not_found, unknown_path, wrong_method
from frontier.gateway.health import is_ready, probe_all
from frontier.gateway.openapi import document
from frontier.gateway.report import report

if TYPE_CHECKING:
    from frontier.gateway.core import Core
    from frontier.gateway.keys import Caller
    from frontier.gateway.routes import Target
    from frontier.gateway.wire.asgi import AsgiApp

_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def create_app(core: "Core") -> "AsgiApp":
    """Return the application that answers everything but the hot path."""
    app = Starlette(
        routes=[*_routes(_Control(core)), *responses_routes.ROUTES],
        exception_handlers={404: _on_unknown_path, 405: _on_wrong_method},
    )
    app.router.redirect_slashes = False
    return cast("AsgiApp", app)


def description() -> dict[str, Any]:
    """Return the whole API as OpenAPI has it."""
    return document(OPERATIONS, _routes(_Control))


def _routes(control: "_Control | type[_Control]") -> list[Route]:
    return [
        Route("/", control.root),
        Route("/api/hello", control.root),  # Claude Code looks whether anybody is there
        Route("/healthz", control.healthz),
        Route("/readyz", control.readyz),
        Route("/metrics", control.metrics),
        Route("/admin/routes", control.routes),
        Route("/openapi.json", control.openapi),
        Route("/v1/models", control.models),
        Route("/v1/models/{name:path}", control.model),
    ]


class _Control:
    def __init__(self, core: "Core") -> None:
        self._core = core

    async def root(self, _request: Request) -> PlainTextResponse:
        """Say who answers on this port."""
        return PlainTextResponse("Frontier is running")

    async def healthz(self, _request: Request) -> Response:
        """Answer as long as the process lives."""
        return _json({"status": "ok"})

    async def readyz(self, _request: Request) -> Response:
        """Answer 200 when every model has an engine that does, else 503 with the reasons."""
        backends = await probe_all(self._core)
        ready = is_ready(self._core, backends)
        body = {
            "status": "ready" if ready else "not_ready",
            "backends": {name: reason or "ok" for name, reason in sorted(backends.items())},
            "config_error": self._core.config_error or None,
        }
        return _json(body, 200 if ready else 503)

    async def _reports(self) -> tuple[Report, ...]:
        """Return what every worker process has to tell."""
        core = self._core
        return await core.colleague.gather() if core.colleague else (report(core),)

    async def metrics(self, _request: Request) -> PlainTextResponse:
        """Render every metric."""
        texts = [found.metrics for found in await self._reports()]
        text = texts[0] if len(texts) == 1 else add(texts)
        return PlainTextResponse(text, media_type=_METRICS_TYPE)

    async def openapi(self, _request: Request) -> Response:
        """Describe this API."""
        return _json(description())

    async def routes(self, _request: Request) -> Response:
        """Tell which route files are in force, and what is under way by them and by older ones."""
        return _json(join(found.state for found in await self._reports()))

    async def models(self, request: Request) -> Response:
        """List the models that the key may use, in one body that both APIs' clients read."""
        targets = [t for t in self._core.table.targets if _may_use(request, t)]
        data = [self._model(t.name, t) for t in targets]
        names = [t.name for t in targets]
        first, last = (names[0], names[-1]) if names else (None, None)
        body = {"object": "list", "data": data, "has_more": False}
        return _json(body | {"first_id": first, "last_id": last})

    async def model(self, request: Request) -> Response:
        """Describe one model, by its name or an alias."""
        name: str = request.path_params["name"]
        route = self._core.table.find(name)
        if route is None or not _may_use(request, route.target):
            return _problem(request, model_not_found(name))
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
            **self._context(target),
        }

    def _context(self, target: "Target") -> dict[str, Any]:
        """Return the guaranteed context, as vLLM's and as llama.cpp's clients look for it."""
        context = self._core.contexts.get(target.name)
        if context is None:
            return {}
        return {"max_model_len": context.least, "meta": {"n_ctx": context.least}}


def _may_use(request: Request, target: "Target") -> bool:
    caller: Caller | None = request.scope["caller"]
    return caller is None or caller.may_use(target)


def _json(body: object, status: int = 200) -> Response:
    # ASCII only: some clients split lines at U+2028, which JSON may hold as it is.
    return Response(json.dumps(body), status, media_type="application/json")


def _problem(request: Request, problem: Problem) -> Response:
    headers = {name.decode(): value.decode() for name, value in problem.headers}
    body = api_of(request.url.path).problem(problem, request.scope["request_id"])
    return Response(body, problem.status, headers, media_type="application/json")


async def _on_unknown_path(request: Request, _error: Exception) -> Response:
    return _problem(request, unknown_path(request.method, request.url.path))


async def _on_wrong_method(request: Request, error: Exception) -> Response:
    headers = error.headers if isinstance(error, HTTPException) else None
    allow = headers["Allow"] if headers else "GET, HEAD"
    problem = wrong_method(request.method, request.url.path, allow.encode())
    return _problem(request, problem)
