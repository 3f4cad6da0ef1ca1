"""How engines started and where they compute: noted for the metrics of the gateway."""

import contextlib
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from frontier.adapters.files import locked, write_atomic
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import FrontierError
from frontier.domain.facts import Facts
from frontier.domain.offload import Compute
from frontier.domain.project import Project, Route
from frontier.domain.state import ServiceState

_PATIENCE_S: Final = 2.0
_CERTIFICATE: Final = "secrets/tls-certificate"
_NGINX: Final = "nginx"


class EngineRecord:
    """What commands and the daemon note of one workspace's engines.

    A metric that cannot be kept stops nothing: no method raises anything.

    Args:
        workspace: Whose gateway reads it.
        compute: Tells where a service of that kind of engine computes, None if it does not say.
        now: Unix time, seconds.
    """

    def __init__(
        self,
        workspace: Workspace,
        compute: Callable[[ServiceState, str], Compute | None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._workspace, self._compute, self._now = workspace, compute, now

    def announce(self, project: Project) -> None:
        """Note what is about to start: counts begin at 0, so that the first failure is seen."""
        not_after = self._certificates(project)

        def edit(facts: Facts) -> Facts:
            for route in project.routes:
                facts = facts.announced((route.backend, route.model))
            return replace(facts, not_after=not_after)

        self._change(edit)

    def ready(
        self,
        project: Project,
        states: Iterable[ServiceState],
        at: Mapping[str, float] | None = None,
    ) -> None:
        """Note that the engines of *project* among *states* are ready.

        One start is counted once, however often it is found to be ready.

        Args:
            project: What should run.
            states: Services that are ready.
            at: When they got ready, Unix time, by name, now if left out; of one that it does not
                name nobody saw that, and its start is not counted.
        """
        found = {state.name: state for state in states}
        engines = [(r, found[r.service]) for r in project.routes if r.service in found]
        gpus = {route.backend: self._has_gpu(state, route.backend) for route, state in engines}

        def edit(facts: Facts) -> Facts:
            for route, state in engines:
                facts = self._loaded(facts, route, state, at)
            for backend, in_use in gpus.items():
                facts = facts.computing(backend, expected=project.has_gpu, in_use=in_use)
            return facts

        if engines:
            self._change(edit)

    def failed(self, project: Project, service: str) -> None:
        """Note that *service* of *project* was started and did not get ready."""

        def edit(facts: Facts) -> Facts:
            for route in project.routes:
                engine = route.backend, route.model
                if route.service == service:
                    facts = facts.counted(engine, facts.loads_of(engine).failed())
            return facts

        self._change(edit)

    def _has_gpu(self, state: ServiceState, backend: str) -> bool | None:
        compute = self._compute(state, backend)
        return None if compute is None else compute.is_gpu

    def _loaded(
        self, facts: Facts, route: Route, state: ServiceState, at: Mapping[str, float] | None
    ) -> Facts:
        began, engine = state.started_at, (route.backend, route.model)
        if began is None or facts.starts.get(state.name) == began:
            return facts
        facts = replace(facts, starts={**facts.starts, state.name: began})
        ready_at = self._now() if at is None else at.get(state.name)
        if ready_at is None:
            return facts
        return facts.counted(engine, facts.loads_of(engine).took(max(0.0, ready_at - began)))

    def _certificates(self, project: Project) -> Mapping[str, float]:
        containers = project.containers
        name = containers.secrets.get(_CERTIFICATE) if containers else None
        if name is None:
            return {}
        end = _not_after(self._workspace.secrets / name)
        return {} if end is None else {_NGINX: end}

    def _change(self, edit: Callable[[Facts], Facts]) -> None:
        path, lock = self._workspace.facts_file, self._workspace.state / "facts.lock"
        with (
            contextlib.suppress(FrontierError, OSError),
            locked(lock, doing="noting how engines started", wait_s=_PATIENCE_S),
        ):
            before = _read(path)
            after = edit(before)
            if after != before:
                write_atomic(path, after.to_json())


def _read(path: Path) -> Facts:
    """Return what the file says; counts begin anew where it is damaged."""
    with contextlib.suppress(OSError, ValueError):
        if path.is_file():  # the gateway's container may write there: a pipe would hold us for ever
            return Facts.from_json(path.read_bytes())
    return Facts()


def _not_after(certificate: Path) -> float | None:
    """Return when the first certificate of a PEM file expires, Unix time; None if it is none."""
    from frontier.adapters.certificates import not_after

    with contextlib.suppress(FrontierError, OSError, ValueError):
        return float(ssl.cert_time_to_seconds(not_after(certificate)))
    return None
