"""What the Responses API serves besides new responses: that none is kept."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from frontier.gateway.errors import Problem, unknown_path

_HTTP_NOT_FOUND: Final = 404


def _not_kept(name: str) -> Problem:
    message = (
        f"There is no response `{name}`: this gateway keeps none. Send the whole conversation "
        "in `input`."
    )
    return Problem(_HTTP_NOT_FOUND, message, code="response_not_found")


async def _missing(request: Request) -> Response:
    return _answer(_not_kept(request.path_params["name"]))


async def _unknown(request: Request) -> Response:
    return _answer(unknown_path(request.method, request.url.path))


def _answer(problem: Problem) -> Response:
    return Response(problem.body, problem.status, media_type="application/json")


ROUTES: Final = (
    # Clients take a 404 for "not here", and would take a 405 for a mistake.
    Route("/v1/responses/compact", _unknown, methods=["POST"]),
    Route("/v1/responses/input_tokens", _unknown, methods=["POST"]),
    Route("/v1/responses/{name}", _missing, methods=["GET", "DELETE"]),
    Route("/v1/responses/{name}/cancel", _missing, methods=["POST"]),
    Route("/v1/responses/{name}/input_items", _missing, methods=["GET"]),
)
