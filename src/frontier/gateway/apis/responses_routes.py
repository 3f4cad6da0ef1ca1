"""What the Responses API serves besides new responses: that none is kept."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from frontier.gateway.errors import Problem

_HTTP_NOT_FOUND: Final = 404


def _not_kept(name: str) -> Problem:
    message = (
        f"There is no response `{name}`: this gateway keeps none. Send the whole conversation "
        "in `input`."
    )
    return Problem(_HTTP_NOT_FOUND, message, code="response_not_found")


async def _missing(request: Request) -> Response:
    problem = _not_kept(request.path_params["name"])
    return Response(problem.body, problem.status, media_type="application/json")


ROUTES: Final = (
    Route("/v1/responses/{name}", _missing, methods=["GET", "DELETE"]),
    Route("/v1/responses/{name}/cancel", _missing, methods=["POST"]),
    Route("/v1/responses/{name}/input_items", _missing, methods=["GET"]),
)
