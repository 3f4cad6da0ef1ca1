"""What Prometheus scrapes that may change while it runs: a file that it reads again; pure."""

import json
from collections.abc import Iterable, Mapping

from frontier.domain.project import Project, Route

Target = Mapping[str, object]
"""One entry of the file, as Prometheus has it."""


def engine_target(address: str, metrics_path: str, route: Route, stack: str) -> Target:
    """Return the target of an engine; most engines say nothing of model and backend themselves."""
    labels = {
        "__metrics_path__": metrics_path,
        "backend": route.backend,
        "model": route.model,
        "stack": stack,
    }
    return target("engine", address, labels)


def target(job: str, address: str, labels: Mapping[str, str] | None = None) -> Target:
    """Return one target of the job ``frontier-<job>``."""
    return {"targets": [address], "labels": {"job": f"frontier-{job}", **(labels or {})}}


def targets_file(targets: Iterable[Target]) -> str:
    """Return the file of *targets*, JSON."""
    return json.dumps(list(targets), indent=2, sort_keys=True) + "\n"


def native_targets(project: Project, ports: Mapping[str, int]) -> str:
    """Return the file of targets of the host processes of *project*, whose ports are *ports*."""
    routes = {route.service: route for route in reversed(project.routes)}
    return targets_file(
        engine_target(
            f"127.0.0.1:{ports[service.name]}",
            service.metrics_path,
            routes[service.name],
            project.stack,
        )
        for service in project.services
        if service.metrics_path and service.name in ports and service.name in routes
    )
