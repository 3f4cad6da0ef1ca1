"""Everything that `frontier top` looks at, read beside each other so that nothing waits for all."""

import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from frontier.adapters.background import Background
from frontier.adapters.children import end_children
from frontier.adapters.failures import Failures
from frontier.adapters.gateway_numbers import GatewayNumbers
from frontier.adapters.machine.gpu_now import gpus_now
from frontier.adapters.machine.tools import runner
from frontier.adapters.vitals import Vitals
from frontier.domain.errors import NotRunningError
from frontier.domain.project import Project
from frontier.domain.top import GpuView
from frontier.domain.top_reading import GatewayRead, Reading, RunningRead
from frontier.domain.top_view import url_of

_GPU_S: Final = 3.0
_LATE_S: Final = 1.5
_DOCKER_LATE_S: Final = 4.0  # a busy one takes a second or two
_DOCKER_EVERY_S: Final = 5.0
_NOTHING: Final = RunningRead(daemon=None, has_died=False, project=None)

Gpus = tuple[tuple[GpuView, ...], str]


class Watch:
    """Looks at one workspace.

    Args:
        workspace: Shown only.
        running: Returns what runs.
        key: Returns a key for the gateway of a project, "" for an open one.
        failures: The gateway's access log.
        root: The file system that holds ``sys``.
    """

    def __init__(
        self,
        workspace: Path,
        *,
        running: Callable[[], RunningRead],
        key: Callable[[Project], str],
        failures: Failures,
        root: Path = Path("/"),
    ) -> None:
        self._workspace, self._key = workspace, key
        self._failures, self._root = failures, root
        self._vitals, self._numbers = Vitals(), GatewayNumbers()
        self._running = Background(running, every_s=0.0, first=_NOTHING)
        self._gateway = Background[GatewayRead | None](self._ask_gateway, every_s=0.0, first=None)
        self._gpus = Background[Gpus](self._ask_gpus, every_s=1.0, first=((), ""))

    def read(self, *, patience_s: float) -> Reading:
        """Return what is known now; see the port."""
        end = time.monotonic() + patience_s
        self._gpus.begin()
        self._running.begin()
        self._running.wait(patience_s)
        running = self._running.result
        self._running.every_s = _every_s(running)
        if running.daemon:
            self._gateway.begin()
            self._gateway.wait(end - time.monotonic())
        self._gpus.wait(end - time.monotonic())
        gpus, gpu_problem = self._gpus.result
        return Reading(
            at_s=time.monotonic(),
            now=time.time(),
            workspace=str(self._workspace),
            running=running,
            gateway=self._gateway.result if running.daemon else None,
            problem=self._problem(running),
            usage=self._vitals.usage(running.daemon.pids if running.daemon else ()),
            machine=self._vitals.machine(),
            gpus=gpus,
            gpu_problem=gpu_problem,
            failures=self._failures.newest(),
        )

    def close(self) -> None:
        """End what was started for looking: `docker logs` would go on without us."""
        end_children()

    def _ask_gateway(self) -> GatewayRead:
        project = self._running.result.project
        if project is None or not (url := url_of(project)):
            raise NotRunningError("nobody knows where the gateway listens")
        return self._numbers.read(url, self._key(project))

    def _ask_gpus(self) -> Gpus:
        return gpus_now(runner(_GPU_S), self._root, platform.system())

    def _problem(self, running: RunningRead) -> str:
        if error := self._running.error:
            return str(error)
        if self._running.late_s > _DOCKER_LATE_S:
            return f"nobody tells for {self._running.late_s:.0f} s what runs: does Docker hang?"
        if not running.daemon:
            return ""
        if self._gateway.late_s > _LATE_S:
            return f"the gateway gives no answer for {self._gateway.late_s:.0f} s"
        return str(self._gateway.error or "")


def _every_s(running: RunningRead) -> float:
    """Return how often to ask what runs: Docker costs a tenth of a second of processor time."""
    is_docker = running.project is not None and running.project.containers is not None
    return _DOCKER_EVERY_S if is_docker else 0.0
