"""Waiting until containers work, and saying why one does not."""

import contextlib
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from frontier.adapters.docker_cli import Chunks, docker, lines, text
from frontier.adapters.docker_containers import Container
from frontier.domain.docker import hint_for, why_ended
from frontier.domain.errors import FrontierError, RuntimeFailedError
from frontier.domain.state import ServiceState
from frontier.ports import Reporter, Task

DEFAULT_BUDGET_S = 120.0

_TAIL_LINES = 15
_POLL_S = (0.1, 0.5)
_PROBE_LIMIT_S = 5.0
_STEADY_S = 1.0
_WORDS = {"starting": "starting", "ready": "healthy", "backoff": "failing", "stopped": "stopped"}


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """One wait for services.

    Attributes:
        look: Returns our containers.
        digests: What has to run, by service.
        budgets_s: Seconds that services may take, by service.
        reporter: Hears what each of them does.
    """

    look: Callable[[], tuple[Container, ...]]
    digests: Mapping[str, str]
    budgets_s: Mapping[str, float]
    reporter: Reporter
    _phases: dict[str, str] = field(default_factory=dict[str, str])
    _hanging: set[str] = field(default_factory=set[str])
    _seen: dict[tuple[str, float | None], float] = field(
        default_factory=dict[tuple[str, float | None], float]
    )

    def until_ready(self) -> tuple[ServiceState, ...]:
        """Return the services once all are ready.

        Raises:
            RuntimeFailedError: one ended, is unhealthy, or took longer than its budget.
        """
        label = f"Starting {', '.join(self.digests)}"
        with self.reporter.task(label, total=len(self.digests)) as task:
            return self._until_ready(task)

    def _until_ready(self, task: Task) -> tuple[ServiceState, ...]:
        begin = time.monotonic()
        while True:
            found = {c.service: c for c in self.look() if c.service in self.digests}
            states = self._states(found)
            self._tell(states, task)
            if len(states) == len(self.digests) and all(s.phase == "ready" for s in states):
                return states
            waited_s = time.monotonic() - begin
            self._require_hope(found, states, waited_s)
            time.sleep(min(_POLL_S[1], max(_POLL_S[0], waited_s / 20)))

    def _states(self, found: Mapping[str, Container]) -> tuple[ServiceState, ...]:
        """Return the states, with our own health check where Docker's has not been run yet.

        Docker waits an interval, often half a minute, before it looks for the first time, and
        engines before 25 know no shorter one for the start.
        """
        asked = [
            c
            for c in found.values()
            if c.phase == "starting" and c.health_test and c.id not in self._hanging
        ]
        with ThreadPoolExecutor(max(1, len(asked))) as pool:
            answers = dict(zip((c.service for c in asked), pool.map(_probe, asked), strict=True))
        self._hanging.update(c.id for c in asked if answers[c.service] == "hangs")
        healthy = {name for name, answer in answers.items() if answer == "healthy"}
        return tuple(self._state(c, is_healthy=name in healthy) for name, c in found.items())

    def _state(self, container: Container, *, is_healthy: bool) -> ServiceState:
        state = container.state
        if is_healthy:
            return replace(state, phase="ready", was_ready=True)
        if state.phase == "ready" and not container.health and not self._is_steady(state):
            return replace(state, phase="starting", was_ready=False)
        return state

    def _is_steady(self, state: ServiceState) -> bool:
        """Tell whether a service without a health check has run for a moment.

        Programs that cannot work end within it. The clock of Docker's virtual machine may differ.
        """
        key, now = (state.name, state.started_at), time.monotonic()
        seen_s = now - self._seen.setdefault(key, now)
        return max(seen_s, time.time() - (state.started_at or time.time())) >= _STEADY_S

    def _tell(self, states: Collection[ServiceState], task: Task) -> None:
        for state in states:
            if self._phases.get(state.name) != state.phase and state.phase in _WORDS:
                self.reporter.say(f"{state.name}: {_WORDS[state.phase]}")
            self._phases[state.name] = state.phase
        task.update(sum(s.phase == "ready" for s in states), len(self.digests))

    def _require_hope(
        self, found: Mapping[str, Container], states: Collection[ServiceState], waited_s: float
    ) -> None:
        for state in states:
            if state.phase in ("backoff", "stopped") or state.has_failed:
                raise failure(found[state.name])
        for name in self.digests:
            if name not in found:
                raise _vanished(name)
        for state in states:
            budget_s = self.budgets_s.get(state.name, DEFAULT_BUDGET_S)
            if state.phase != "ready" and waited_s > budget_s:
                raise _too_slow(found[state.name], budget_s)


def _probe(container: Container) -> Literal["healthy", "unhealthy", "hangs"]:
    """Run the health check of *container*, once and not for long.

    One that hangs is not asked again: its process stays in the container after docker is killed,
    and Docker's own checks go on.
    """
    begin, limit_s = time.monotonic(), min(container.health_timeout_s, _PROBE_LIMIT_S)
    with contextlib.suppress(FrontierError), docker("checking", limit_s=limit_s) as client:
        text(client, "exec", container.id, *container.health_test)
        return "healthy"
    return "hangs" if time.monotonic() - begin >= limit_s else "unhealthy"


def failure(container: Container) -> RuntimeFailedError:
    """Return why *container* does not work, with its last words and the next move."""
    reason = _ending(container) or container.reason or "it does not get ready"
    log = tail(container.id)
    return RuntimeFailedError(
        f"{container.service} did not start: {reason}",
        hint=hint_for(container.service, reason, log),
        details=log,
    )


def _ending(container: Container) -> str:
    """Return how it ended last, from Docker's memory: a container that runs again forgot."""
    if not container.restarts and container.phase != "stopped":
        return ""
    seen: list[list[str]] = []
    with contextlib.suppress(RuntimeFailedError), docker("asking for events") as client:
        columns = "{{.Action}}\t{{.Actor.Attributes.exitCode}}"
        since = ("--since", container.created, "--until", "0s")
        events = text(
            client, "events", *since, "--filter", f"container={container.id}", "--format", columns
        )
        seen = [line.split("\t") for line in events.splitlines()]
    deaths = [int(code) for action, code in seen if action == "die" and code.isdigit()]
    if not deaths:
        return ""
    is_oom = container.is_oom or any(action == "oom" for action, _ in seen)
    return why_ended(deaths[-1], is_oom=is_oom, error="")


def tail(container_id: str, count: int = _TAIL_LINES) -> str:
    """Return the last lines that a container wrote."""
    with contextlib.suppress(RuntimeFailedError), docker("reading its log") as client:
        chunks = cast("Chunks", client.container.logs(container_id, tail=count, stream=True))
        return "\n".join(list(lines(client, chunks))[-count:])
    return ""


def _too_slow(container: Container, budget_s: float) -> RuntimeFailedError:
    log = tail(container.id)
    said = f"; its health check says: {container.health_output}" if container.health_output else ""
    return RuntimeFailedError(
        f"{container.service} is not ready after {budget_s:.0f} s{said}",
        hint=hint_for(container.service, "", log),
        details=log,
    )


def _vanished(service: str) -> RuntimeFailedError:
    return RuntimeFailedError(
        f"{service} has no container: somebody removed it", hint="frontier start"
    )
