"""Waiting until containers work, and saying why one does not."""

import contextlib
import math
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, cast

from frontier.adapters.docker_cli import Chunks, docker, lines, text
from frontier.adapters.docker_containers import Container
from frontier.domain.docker import hint_for, why_ended
from frontier.domain.errors import FrontierError, RuntimeFailedError
from frontier.domain.state import ServiceState
from frontier.ports import Reporter, Task

DEFAULT_BUDGET_S = 120.0

Answer = Literal["healthy", "unhealthy", "hangs"]

_EVENT_TRIES = 5
_TAIL_LINES = 15
_POLL_S = (0.1, 0.5)
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
        on_failed: Hears the name of a service that is given up.
        since: Unix time, seconds: what started earlier was not started by who waits.
        ready_at: When services got ready whose start was seen, Unix time, by name.
    """

    look: Callable[[], tuple[Container, ...]]
    digests: Mapping[str, str]
    budgets_s: Mapping[str, float]
    reporter: Reporter
    on_failed: Callable[[str], None] = lambda _name: None
    since: float = math.inf
    ready_at: dict[str, float] = field(default_factory=dict[str, float], init=False)
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
            self._note(states)
            self._tell(states, task)
            if len(states) == len(self.digests) and all(s.phase == "ready" for s in states):
                return states
            waited_s = time.monotonic() - begin
            if given_up := self._given_up(found, states, waited_s):
                name, error = given_up
                self.on_failed(name)
                raise error
            time.sleep(min(_POLL_S[1], max(_POLL_S[0], waited_s / 20)))

    def _states(self, found: Mapping[str, Container]) -> tuple[ServiceState, ...]:
        looked = looked_at([c for c in found.values() if c.id not in self._hanging])
        self._hanging.update(id_ for id_, answer in looked.items() if answer == "hangs")
        return tuple(self._state(container, looked) for container in found.values())

    def _state(self, container: Container, looked: Mapping[str, Answer]) -> ServiceState:
        state = seen(container, looked)
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

    def _note(self, states: Collection[ServiceState]) -> None:
        for state in states:
            before = self._phases.get(state.name)
            is_ours = before is not None or (state.started_at or 0.0) >= self.since
            if state.phase == "ready" != before and is_ours:
                self.ready_at[state.name] = time.time()

    def _tell(self, states: Collection[ServiceState], task: Task) -> None:
        for state in states:
            if self._phases.get(state.name) != state.phase and state.phase in _WORDS:
                self.reporter.say(f"{state.name}: {_WORDS[state.phase]}")
            self._phases[state.name] = state.phase
        task.update(sum(s.phase == "ready" for s in states), len(self.digests))

    def _given_up(
        self, found: Mapping[str, Container], states: Collection[ServiceState], waited_s: float
    ) -> tuple[str, RuntimeFailedError] | None:
        """Return a service that will not get ready any more, and why."""
        for state in states:
            if state.phase in ("backoff", "stopped") or state.has_failed:
                return state.name, failure(found[state.name])
        for name in self.digests:
            if name not in found:
                return name, _vanished(name)
        for state in states:
            budget_s = self.budgets_s.get(state.name, DEFAULT_BUDGET_S)
            if state.phase != "ready" and waited_s > budget_s:
                return state.name, _too_slow(found[state.name], budget_s)
        return None


def looked_at(containers: Collection[Container], limit_s: float = 5.0) -> dict[str, Answer]:
    """Map the ids of *containers* that Docker itself has not looked at yet to our own check.

    Docker waits an interval, often half a minute, before it looks for the first time, and engines
    before 25 know no shorter one for the start.
    """
    asked = [c for c in containers if c.phase == "starting" and c.health_test]
    with ThreadPoolExecutor(max(1, len(asked))) as pool:
        answers = pool.map(partial(_probe, limit_s=limit_s), asked)
        return dict(zip((c.id for c in asked), answers, strict=True))


def seen(container: Container, looked: Mapping[str, Answer]) -> ServiceState:
    """Return the state of *container*, ready where our own check found it healthy."""
    if looked.get(container.id) == "healthy":
        return replace(container.state, phase="ready", was_ready=True)
    return container.state


def _probe(container: Container, limit_s: float) -> Answer:
    """Run the health check of *container*, once and not for long.

    One that hangs is not asked again: its process stays in the container after docker is killed,
    and Docker's own checks go on.
    """
    begin, limit_s = time.monotonic(), min(container.health_timeout_s, limit_s)
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
    for _ in range(_EVENT_TRIES):  # a busy engine tells of a death a moment after it counted it
        events = _events(container)
        if deaths := [int(code) for action, code in events if action == "die" and code.isdigit()]:
            is_oom = container.is_oom or any(action == "oom" for action, _ in events)
            return why_ended(deaths[-1], is_oom=is_oom, error="")
        time.sleep(_POLL_S[0])
    return ""


def _events(container: Container) -> list[list[str]]:
    """Return what happened to *container*, and the exit codes, as far as Docker remembers."""
    columns = "{{.Action}}\t{{.Actor.Attributes.exitCode}}"
    since = ("--since", container.created, "--until", "0s")
    whose = ("--filter", f"container={container.id}", "--format", columns)
    with contextlib.suppress(RuntimeFailedError), docker("asking for events") as client:
        return [line.split("\t") for line in text(client, "events", *since, *whose).splitlines()]
    return []


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
