"""An engine on the host behind containers: the way to a GPU that no container reaches; pure."""

from dataclasses import replace

from frontier.domain.project import Project, Service
from frontier.renderers.native import GATEWAY

HOST = "host.docker.internal"
"""The host's name in containers; Docker Desktop sends it to the host's loopback."""


def engine_url(port: int) -> str:
    """Return where containers reach the engine that listens on loopback *port* of the host."""
    return f"http://{HOST}:{port}"


def engine_on(native: Project, port: int) -> tuple[Service, ...]:
    """Return the services of *native* without its gateway, listening on *port*."""
    return tuple(replace(s, port=port) for s in native.services if s.name != GATEWAY)


def join(native: Project, containers: Project, port: int) -> Project:
    """Return one project: the engine of *native*, and *containers* in front of it."""
    names = {route.model: route.upstream_model for route in native.routes}
    routes = tuple(
        replace(route, upstream_model=names.get(route.model) or route.upstream_model)
        for route in containers.routes
    )
    return replace(containers, services=engine_on(native, port), routes=routes)
