"""Ollama's control routes: what is there, what runs, and how to get more."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from frontier.gateway.apis import ollama_models
from frontier.gateway.apis.api import BadRequestError
from frontier.gateway.apis.known import OLLAMA
from frontier.gateway.apis.ollama import not_found, not_there
from frontier.gateway.apis.ollama_body import Json
from frontier.gateway.apis.ollama_control import Wanted, document, read
from frontier.gateway.apis.ollama_pull import pulled, served, told
from frontier.gateway.errors import Problem
from frontier.gateway.health import probe_all
from frontier.gateway.keys import FORBIDDEN
from frontier.gateway.names import canonical, is_valid
from frontier.gateway.rights import may_use, may_use_all
from frontier.gateway.wire.fetch import fetch
from frontier.gateway.wire.streamed import streamed

if TYPE_CHECKING:
    from frontier.gateway.core import Core
    from frontier.gateway.routes import Address, Target

# The version of Ollama whose API this is: clients refuse old ones.
_VERSION: Final = "0.33.0"
_ASK_S: Final = 2.0
_UPSTREAM_ONLY: Final = (
    "this gateway cannot {what}: no Ollama server is behind it. "
    "Models come and go by `frontier models pull`, `frontier models rm` and `frontier up --model`."
)


class _Listed(msgspec.Struct, frozen=True):
    models: list[Json] = []


_LISTED: Final = msgspec.json.Decoder(_Listed)
Handler = Callable[[Request], Awaitable[Response]]


def routes(core: "Core", workspace: Path | None) -> list[Route]:
    """Return the routes.

    Args:
        core: Knows the models.
        workspace: Whose store takes what is pulled; None where there is none.
    """
    control = _OllamaControl(core, workspace)
    return [
        Route("/api/version", control.version),
        Route("/api/status", control.status, methods=["GET"]),
        Route("/api/tags", control.tags),
        Route("/api/ps", control.ps),
        Route("/api/show", _told(control.show), methods=["POST"]),
        Route("/api/pull", _told(control.changed(control.pull)), methods=["POST"]),
        Route("/api/push", _told(control.changed(control.push)), methods=["POST"]),
        Route("/api/create", _told(control.changed(control.create)), methods=["POST"]),
        Route("/api/copy", _told(control.changed(control.copy)), methods=["POST"]),
        Route("/api/delete", _told(control.changed(control.delete)), methods=["DELETE"]),
        Route(
            "/api/blobs/{digest}", _told(control.changed(control.blob)), methods=["HEAD", "POST"]
        ),
    ]


def unknown_path() -> Response:
    """Return the 404 for a path below ``/api/`` that nothing serves."""
    return PlainTextResponse("404 page not found", 404)


def wrong_method(allow: str) -> Response:
    """Return the 405 with the methods that the path does answer."""
    return PlainTextResponse("405 method not allowed", 405, {"allow": allow})


def _told(handler: Handler) -> Handler:
    """Have *handler*'s refusals told as Ollama tells errors."""

    async def told(request: Request) -> Response:
        try:
            return await handler(request)
        except BadRequestError as error:
            return _problem(error.problem)

    return told


def _problem(problem: Problem) -> Response:
    return document({"error": problem.message}, problem.status)


class _OllamaControl:
    def __init__(self, core: "Core", workspace: Path | None) -> None:
        self._core = core
        self._workspace = workspace

    def changed(self, handler: Handler) -> Handler:
        """Keep from *handler*, which changes what models there are, keys that may use but some."""

        async def changed(request: Request) -> Response:
            if not may_use_all(request):
                self._core.metrics.refused("forbidden")
                raise BadRequestError(FORBIDDEN)
            return await handler(request)

        return changed

    async def version(self, _request: Request) -> Response:
        """Tell the version."""
        return document({"version": _VERSION})

    async def status(self, _request: Request) -> Response:
        """Say that nothing here is in a cloud."""
        return document({"cloud": {"disabled": True, "source": "none"}})

    async def tags(self, request: Request) -> Response:
        """List the models that the key may use; an Ollama server tells more of its own."""
        core = self._core
        theirs = await self._theirs("/api/tags")
        items: list[Json] = []
        for target in self._targets(request):
            item = ollama_models.listed(target, core.started_at)
            names = {"name": item["name"], "model": item["model"]}
            items.append(item | theirs.get(_place(target), {}) | names)
        return document({"models": items})

    async def ps(self, request: Request) -> Response:
        """List such models whose engines are ready, those that stay longest first."""
        core, now = self._core, time.time()
        reasons = await probe_all(core)
        theirs = await self._theirs("/api/ps")
        items: list[tuple[float, Json]] = []
        for target in self._targets(request):
            until = OLLAMA.leases.end_of(target.name)
            item = ollama_models.loaded(target, until, self._context(target))
            if target.backend == "ollama":
                own = theirs.get(_place(target))
                if own is not None:
                    names = {"name": item["name"], "model": item["model"]}
                    items.append((until, item | own | names))
            elif until > now and any(not reasons.get(b.name) for b in target.backends):
                items.append((until, item))
        items.sort(key=lambda pair: -pair[0])
        return document({"models": [item for _, item in items]})

    def _targets(self, request: Request) -> "list[Target]":
        return [t for t in self._core.table.targets if may_use(request, t)]

    async def _theirs(self, path: str) -> dict[tuple[str, str], Json]:
        """Return what the Ollama servers list at *path*, by place and canonical name."""
        targets = self._core.table.targets
        places = {t.address for t in targets if t.backend == "ollama" and t.address is not None}
        found: dict[tuple[str, str], Json] = {}
        for address, body in zip(
            places, await asyncio.gather(*(self._asked(a, path) for a in places)), strict=True
        ):
            for item in _items(body):
                found[address.url, canonical(str(item.get("model") or item.get("name")))] = item
        return found

    async def _asked(self, address: "Address", path: str, body: bytes = b"") -> bytes:
        """Return what an engine answers, empty if it does not within two seconds."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_ASK_S):
                return await fetch(self._core.pools[address], path, body)
        return b""

    async def show(self, request: Request) -> Response:
        """Tell what is known of one model."""
        wanted, _ = await read(request)
        target = self._target(wanted)
        if target is None or not may_use(request, target):
            return _problem(not_found(wanted.asked))
        if target.backend == "ollama" and target.address is not None:
            body = json.dumps({"model": target.upstream_model, "verbose": wanted.verbose}).encode()
            if told := await self._asked(target.address, "/api/show", body):
                return Response(told, media_type="application/json")
        return document(ollama_models.shown(target, self._core.started_at, self._context(target)))

    def _context(self, target: "Target") -> int:
        """Return what the engines really have, else what is configured; tokens."""
        found = self._core.contexts.get(target.name)
        return found.least if found else target.details.context

    def _target(self, wanted: Wanted) -> "Target | None":
        route = self._core.table.find(wanted.asked)
        return route.target if route else None

    async def pull(self, request: Request) -> Response:
        """Get a model: from an Ollama server, or from our catalog into the workspace."""
        wanted, body = await read(request)
        target = self._target(wanted)
        if target is not None and target.backend != "ollama":
            return await told(served(target), stream=wanted.stream is not False)
        if (place := self._upstream(target)) is not None:
            return await self._passed(request, place, wanted.renamed(body, target))
        if self._workspace is None:
            return _problem(_cannot(f"pull {wanted.asked!r}"))
        if not is_valid(wanted.asked):
            return _problem(not_found(wanted.asked))
        progress = pulled(wanted.asked, self._workspace)
        return await told(progress, stream=wanted.stream is not False)

    async def push(self, request: Request) -> Response:
        """Have an Ollama server publish a model."""
        return await self._only_upstream(request, "push models")

    async def create(self, request: Request) -> Response:
        """Have an Ollama server make a model of another."""
        return await self._only_upstream(request, "create models")

    async def copy(self, request: Request) -> Response:
        """Have an Ollama server give a model a second name."""
        return await self._only_upstream(request, "copy models", missing=not_there)

    async def delete(self, request: Request) -> Response:
        """Have an Ollama server delete a model."""
        return await self._only_upstream(request, "delete models", missing=not_found)

    async def _only_upstream(
        self, request: Request, what: str, missing: Callable[[str], Problem] | None = None
    ) -> Response:
        wanted, body = await read(request)
        target = self._target(wanted)
        if (place := self._upstream(target)) is not None:
            return await self._passed(request, place, wanted.renamed(body, target))
        if target is None and missing is not None:
            return _problem(missing(wanted.asked))
        return _problem(_cannot(what))

    async def blob(self, request: Request) -> Response:
        """Ask an Ollama server for a blob, or give it one."""
        if (place := self._upstream(None)) is not None:
            return await self._passed(request, place, await request.body())
        if request.method == "HEAD":
            return Response(status_code=404)
        return _problem(_cannot("take blobs"))

    def _upstream(self, target: "Target | None") -> "Address | None":
        """Return the Ollama server of *target*; without a target the first there is."""
        if target is not None:
            return target.address if target.backend == "ollama" else None
        found = (t.address for t in self._core.table.targets if t.backend == "ollama")
        return next((address for address in found if address is not None), None)

    async def _passed(self, request: Request, place: "Address", body: bytes) -> Response:
        """Pass a request on, and its answer as it comes."""
        stack = contextlib.AsyncExitStack()
        try:
            answer = await stack.enter_async_context(
                streamed(place, request.method, request.url.path, body, self._core.pools.resolver)
            )
        except OSError as error:
            return document({"error": f"the Ollama server at {place.url}: {error}"}, 502)

        async def pieces() -> AsyncIterator[bytes]:
            async with stack:
                try:
                    async for piece in answer.pieces():
                        yield piece
                except OSError as error:
                    yield json.dumps({"error": f"the Ollama server: {error}"}).encode() + b"\n"

        if "ndjson" in answer.content_type:
            return StreamingResponse(pieces(), answer.status, media_type=answer.content_type)
        whole = b"".join([piece async for piece in pieces()])
        return Response(whole, answer.status, media_type=answer.content_type or None)


def _place(target: "Target") -> tuple[str, str]:
    url = target.address.url if target.address else ""
    return url, canonical(target.upstream_model)


def _items(body: bytes) -> list[Json]:
    try:
        return _LISTED.decode(body).models if body else []
    except (ValueError, RecursionError):
        return []


def _cannot(what: str) -> Problem:
    return Problem(400, _UPSTREAM_ONLY.format(what=what))
