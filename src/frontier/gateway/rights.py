"""What a request to the control plane may see and do, by its key."""

from typing import TYPE_CHECKING

from starlette.requests import Request

if TYPE_CHECKING:
    from frontier.gateway.keys import Caller
    from frontier.gateway.routes import Target


def may_use(request: Request, target: "Target") -> bool:
    """Tell whether the caller may ask for *target*, and so learn of it."""
    caller = _caller(request)
    return caller is None or caller.may_use(target)


def may_use_all(request: Request) -> bool:
    """Tell whether the caller's key is limited to no models: it may add some and delete them."""
    caller = _caller(request)
    return caller is None or caller.models is None


def _caller(request: Request) -> "Caller | None":
    caller: Caller | None = request.scope["caller"]
    return caller
