"""What the gateway answers, as OpenAPI 3.1: made from the tables that it answers by."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_type_hints

import msgspec
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

import frontier
from frontier.gateway.apis.api import Operation

_PARAMETER: Final = re.compile(r"{(\w+):path}")
_ERROR: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {}},
}
_WORDS: Final[dict[str, Any]] = {
    "info": {
        "title": "Frontier",
        "version": frontier.__version__,
        "description": "Of a request only what the gateway itself judges is described: engines "
        "judge the rest, and unknown fields do no harm.",
    },
    "openapi": "3.1.0",
    "security": [{"bearer": []}, {"key": []}, {}],
}
_KEYS: Final = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
}


def document(operations: Mapping[str, Operation], routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """Return the description of all paths.

    Args:
        operations: Paths that lead to an engine.
        routes: All others.
    """
    bodies = [operation.request for operation in operations.values()]
    refs, schemas = msgspec.json.schema_components(
        bodies, ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {
        path: {"post": _asking(operation, body)}
        for (path, operation), body in zip(operations.items(), refs, strict=True)
    }
    for route in routes:
        if isinstance(route, Route):
            paths |= _looking(route)
    components = {"schemas": {**schemas, "Error": _ERROR}, "securitySchemes": _KEYS}
    return {**_WORDS, "paths": paths, "components": components}


def _asking(operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
    kinds = ["application/json", *(["text/event-stream"] if operation.streams else [])]
    return {
        "operationId": f"{type(operation.api).__name__.lower()}_{operation.name}",
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": _responses(kinds),
    }


def _looking(route: Route) -> dict[str, dict[str, Any]]:
    path = _PARAMETER.sub(r"{\1}", route.path)
    answer: type[Response] = get_type_hints(route.endpoint)["return"]
    found: dict[str, Any] = {
        "summary": (route.endpoint.__doc__ or "").partition("\n")[0],
        "responses": _responses([answer.media_type or "application/json"]),
    }
    names = _PARAMETER.findall(route.path)
    if names:
        found["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ]
    return {path: {"get": found}}


def _responses(kinds: list[str]) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {
        "200": {"description": "The answer.", "content": {kind: {} for kind in kinds}},
        "4XX": {"description": "The request is refused.", "content": error},
        "5XX": {"description": "No engine can answer.", "content": error},
    }
