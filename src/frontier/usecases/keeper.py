"""One service, kept running: start, prove, watch, start again."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from frontier.domain.errors import RuntimeFailedError
from frontier.domain.project import Service
from frontier.domain.state import ServiceState
from frontier.domain.supervision import Pace, backoff_s
from frontier.ports import Probe, Process, Processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What supervision needs of the outside.

    Attributes:
        free_port: Returns a loopback port that nobody listens on.
        now: Unix time, seconds; intervals come from the event loop's clock.
    """

    processes: Processes
    probe: Probe
    free_port: Callable[[], int]
    pace: Pace = field(default_factory=Pace)
    now: Callable[[], float] = time.time


class Host(Protocol):
    """Who has several keepers."""

    async def until_started(self, names: tuple[str, ...]) -> None:
        """Wait until the ports of services *names* are known."""
        ...

    def changed(self, state: ServiceState) -> None:
        """Publish the new *state* of a service."""
        ...

    async def settled(self, state: ServiceState) -> None:
        """Note that the start of a service is over: it is ready, or it failed."""
        ...


class Keeper:
    """Keeps one service running until it is stopped.

    Attributes:
        service: What it keeps.
        state: What is known about it; every change goes to the host.
        task: The task that runs `keep`, set by who created it.
    """

    task: asyncio.Task[None]

    def __init__(self, service: Service, effects: Effects, host: Host, *, reason: str = "") -> None:
        self.service = service
        self._effects, self._host = effects, host
        self._released = asyncio.Event()
        self._problem = "no answer"
        self._is_settled = False
        self.state = ServiceState(
            name=service.name,
            phase="waiting",
            digest=service.digest,
            generation=service.generation,
            reason=reason,
        )

    async def stop(self, reason: str, *, generation: int | None = None) -> None:
        """Stop the service; return when nothing of it is left.

        Args:
            reason: Shown as long as it stops.
            generation: The restart request that is served by this, shown from now on.
        """
        seen = self.state.generation if generation is None else generation
        self._note(phase="stopping", reason=reason, generation=seen)
        self._released.set()
        # shielded: whoever waits may be cancelled, the service is stopped all the same
        await asyncio.shield(self.task)

    async def keep(self) -> None:
        """Start the service whenever it does not run, until `stop`."""
        await self._unless_released(self._host.until_started(self.service.needs))
        while not self._released.is_set():
            reason, details = await self._live()
            if self._released.is_set():
                break
            deaths = self.state.restarts + 1
            self._note(phase="backoff", restarts=deaths, reason=reason, details=details, pid=None)
            if not self._is_settled:
                await self._host.settled(self.state)
            await self._unless_released(asyncio.sleep(backoff_s(deaths)))
        self._note(phase="stopped", pid=None)

    async def _live(self) -> tuple[str, str]:
        """Run the process once; return why it ended, and its last lines."""
        self._is_settled = False
        port = self.service.port or self._effects.free_port()
        try:
            process = await self._effects.processes.start(self.service, port)
        except RuntimeFailedError as error:
            return error.message, error.details
        started = {"pid": process.pid, "port": port, "started_at": self._effects.now()}
        self._note(phase="starting", **started)
        verdict = await self._watch(process, port)
        end = await process.wait()
        return verdict or str(end), end.last_lines

    async def _watch(self, process: Process, port: int) -> str:
        """Return once the process has ended: why it was given up, "" if it ended by itself."""
        jobs = (process.wait(), self._attend(port), self._released.wait())
        async with _running(*jobs) as (ended, attended, released):
            tasks = (ended, attended, released)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return ""
            verdict = str(attended.result()) if attended.done() else ""
        # the attendant has left: nothing calls the service ready while it is stopped
        if verdict:
            self._note(phase="stopping", reason=verdict)
        await process.stop()
        return verdict

    async def _attend(self, port: int) -> str:
        """Return why the service should be given up; run as long as it is well."""
        patience_s = self.service.start_timeout_s
        try:
            async with asyncio.timeout(patience_s):
                await self._until_ready(port)
        except TimeoutError:
            return f"not ready within {patience_s:g} s: {self._problem}"
        news = {} if self.state.restarts else {"reason": ""}
        self._note(phase="ready", was_ready=True, **news)
        self._is_settled = True
        await self._host.settled(self.state)
        return await self._until_hung(port)

    async def _until_ready(self, port: int) -> None:
        while problem := await self._ask(port):
            self._problem = problem
            await asyncio.sleep(self._effects.pace.poll_s)
        if not self.service.proof_model:
            return
        self._problem = "healthy, but no token came"
        while problem := await self._effects.probe.token(port, self.service.proof_model):
            self._problem = problem
            await asyncio.sleep(self._effects.pace.poll_s)

    async def _until_hung(self, port: int) -> str:
        pace = self._effects.pace
        ready_at, misses, problem = asyncio.get_running_loop().time(), 0, ""
        while misses < pace.misses:
            await asyncio.sleep(pace.health_interval_s)
            problem = await self._ask(port)
            misses = misses + 1 if problem else 0
            self._forgive(asyncio.get_running_loop().time() - ready_at)
        return f"hung: {misses} health checks failed in a row, the last: {problem}"

    def _forgive(self, ready_s: float) -> None:
        """Forget earlier deaths once it was ready for long enough."""
        if self.state.restarts and ready_s >= self._effects.pace.stable_s:
            self._note(restarts=0, reason="", details="")

    async def _ask(self, port: int) -> str:
        path, patience_s = self.service.health_path, self._effects.pace.health_timeout_s
        return await self._effects.probe.health(port, path, timeout_s=patience_s)

    async def _unless_released(self, job: Coroutine[Any, Any, object]) -> None:
        """Wait for *job*, or for `stop` if that comes first."""
        async with _running(job, self._released.wait()) as tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    def _note(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self._host.changed(self.state)


@contextlib.asynccontextmanager
async def _running(
    *jobs: Coroutine[Any, Any, object],
) -> AsyncGenerator[tuple[asyncio.Task[object], ...], None]:
    """Run *jobs* side by side while the block lasts; those not done by then are cancelled."""
    tasks = tuple(asyncio.create_task(job) for job in jobs)
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
