"""The native runtime: host processes, supervised by a detached daemon."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator

from frontier.adapters.files import is_locked, locked, storage_errors, write_atomic
from frontier.adapters.logs import last_lines
from frontier.adapters.native_files import RunFiles
from frontier.adapters.native_leftovers import MARK, sweep
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import FrontierError, NotRunningError, RuntimeFailedError
from frontier.domain.log_line import Reading
from frontier.domain.project import Project
from frontier.domain.state import DaemonState, ServiceState
from frontier.domain.supervision import check
from frontier.ports import Reporter, Task

_POLL_S = 0.05
_UNKNOWN_GRACES_S = 60.0
_TAIL_LINES = 15


class NativeRuntime:
    """Starts, notifies and stops the daemon of one workspace.

    Args:
        workspace: Where project, run files and logs lie.
        python: The interpreter that has Frontier installed.
        margin_s: Seconds that the daemon itself gets, beyond what its services may take.
    """

    def __init__(
        self, workspace: Workspace, *, python: str = sys.executable, margin_s: float = 15.0
    ) -> None:
        self._workspace, self._python = workspace, python
        self._margin_s = margin_s
        self._files = RunFiles(workspace)
        self._log = workspace.logs / "daemon.log"
        self._daemon: subprocess.Popen[bytes] | None = None

    def state(self) -> DaemonState | None:
        """Return what runs now, or None when no daemon lives."""
        if not is_locked(self._files.lock):
            return None
        pid = self._daemon_pid()
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            state = DaemonState.from_json(self._files.state.read_text())
            if state.pid == pid:
                return state
        return DaemonState(pid=pid, started_at=0.0, stack="", services=())

    def has_died(self) -> bool:
        """Tell whether a daemon ended without stopping: killed, or the machine went down."""
        return self.state() is None and self._files.state.exists()

    def _daemon_pid(self) -> int:
        """Return who holds the lock, 0 in the moment before it has said so."""
        word = self._files.lock.read_text().partition(" ")[0]
        return int(word) if word.isdigit() else 0

    def apply(self, project: Project) -> None:
        """Save *project* as what should run and start or notify the daemon; does not wait.

        Restarts that were asked for earlier are not asked for again.

        Raises:
            ConfigError: the services of *project* can never start.
            StorageError: the workspace cannot be written.
            RuntimeFailedError: the daemon does not start.
        """
        check(project.services)
        with self._changing("apply"):
            self._save(project.with_generations(self._generations()))

    def restart(self, service: str) -> None:
        """Ask the daemon to stop and start one service; return once it has begun.

        Raises:
            NotRunningError: no daemon lives, or it has no such service.
        """
        with self._changing("restart"):
            project = self._files.load() if self.state() else None
            if project is None or service not in project.generations:
                raise NotRunningError(f"{service} is not running", hint="frontier up")
            project = project.restarted(service)
            self._save(project)
        self._until_seen(service, project.generations[service])

    def _until_seen(self, service: str, generation: int) -> None:
        deadline = time.monotonic() + self._graces_s() + self._margin_s
        while time.monotonic() < deadline:
            seen = self._alive().service(service)
            if seen is None or seen.generation >= generation:
                return
            time.sleep(_POLL_S)
        raise RuntimeFailedError("the daemon does not react", hint="frontier logs daemon")

    def _generations(self) -> dict[str, int]:
        try:
            return self._files.load().generations
        except FrontierError:
            return {}  # nothing was ever saved, or it is damaged and written anew

    @contextlib.contextmanager
    def _changing(self, doing: str) -> Generator[None, None, None]:
        with locked(self._files.folder / "apply.lock", doing=doing, wait_s=self._margin_s):
            yield

    def _save(self, project: Project) -> None:
        write_atomic(self._files.project, project.to_json())
        if is_locked(self._files.lock):
            self._signal(signal.SIGHUP)
        else:
            self._start()

    def _signal(self, number: int) -> None:
        pid = self._daemon_pid()
        if pid and is_locked(self._files.lock):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _start(self) -> None:
        """Start the daemon, detached, and return once it holds its lock."""
        with storage_errors(self._log):
            self._log.parent.mkdir(parents=True, exist_ok=True)
            log = self._log.open("ab")
        run = ("-m", "frontier.adapters.native_daemon", str(self._workspace.root))
        with log:
            self._daemon = subprocess.Popen(  # noqa: S603 our own interpreter and module
                (self._python, *run),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={name: value for name, value in os.environ.items() if name != MARK},
                start_new_session=True,
            )
        # reaps the daemon should it end before this process does
        threading.Thread(target=self._daemon.wait, daemon=True).start()
        self._until_locked(self._daemon)

    def _until_locked(self, daemon: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + self._margin_s
        while not (is_locked(self._files.lock) and self._daemon_pid() == daemon.pid):
            if time.monotonic() > deadline:
                daemon.kill()
            if daemon.poll() is not None:
                break
            time.sleep(_POLL_S)
        else:
            return
        if not is_locked(self._files.lock):
            raise self._daemon_failed()
        self._signal(signal.SIGHUP)  # a daemon that someone else started came first

    def _daemon_failed(self) -> RuntimeFailedError:
        return RuntimeFailedError(
            "the daemon does not run: it ended by itself or was killed",
            hint="frontier logs daemon",
            details="\n".join(map(_shown, last_lines(self._log, _TAIL_LINES))),
        )

    def _alive(self) -> DaemonState:
        if state := self.state():
            return state
        raise self._daemon_failed()

    def wait_ready(self, project: Project, reporter: Reporter) -> DaemonState:
        """Return the state once every service of *project* is ready.

        Raises:
            RuntimeFailedError: a service died before it was ready, or took longer than its
                start budget; the message names it and carries its last lines. Or the daemon died.
        """
        names = ", ".join(service.name for service in project.services)
        with reporter.task(f"Starting {names}", total=len(project.services)) as task:
            return self._until_ready(project.on_host, task)

    def _until_ready(self, project: Project, task: Task) -> DaemonState:
        budget_s = max((s.start_timeout_s + s.stop_grace_s for s in project.services), default=0)
        deadline = time.monotonic() + budget_s + self._margin_s
        while not (state := self._alive()).is_ready(project.digests):
            current = [s for s in state.services if project.digests.get(s.name) == s.digest]
            if failed := next((s for s in current if s.has_failed), None):
                raise _service_failed(failed)
            if time.monotonic() > deadline:
                raise _too_slow(state)
            task.update(sum(s.phase == "ready" for s in current))
            time.sleep(_POLL_S)
        task.update(len(project.services))
        return state

    def stop(self, reporter: Reporter) -> bool:
        """Stop all services and the daemon, in-flight requests first; False if none ran.

        Raises:
            RuntimeFailedError: something still lives, even after SIGKILL.
        """
        if not self._files.folder.exists():
            return False
        with self._changing("stop"):
            was_alive = self.state() is not None
            if was_alive:
                with reporter.task("Stopping") as task:
                    self._stop_daemon(task)
            # a daemon that was killed leaves processes and files
            swept = sweep(self._files.folder)
            self._files.remove()
            return was_alive or bool(swept)

    def _stop_daemon(self, task: Task) -> None:
        deadline = time.monotonic() + self._graces_s() + self._margin_s
        self._signal(signal.SIGTERM)
        while state := self.state():
            if time.monotonic() > deadline:
                self._signal(signal.SIGKILL)
            task.update(sum(s.phase == "stopped" for s in state.services), len(state.services))
            time.sleep(_POLL_S)

    def _graces_s(self) -> float:
        try:
            return sum(service.stop_grace_s for service in self._files.load().services)
        except FrontierError:
            return _UNKNOWN_GRACES_S


def _shown(line: str) -> str:
    return Reading("daemon")(line).text


def _service_failed(service: ServiceState) -> RuntimeFailedError:
    return RuntimeFailedError(
        f"{service.name} did not start: {service.reason}",
        hint=f"frontier logs {service.name}",
        details=service.details,
    )


def _too_slow(state: DaemonState) -> RuntimeFailedError:
    late = next((s for s in state.services if s.phase != "ready"), None)
    if late is None:
        return RuntimeFailedError(
            "the daemon did not take over what should run", hint="frontier logs daemon"
        )
    reason = late.reason or f"still {late.phase}"
    return RuntimeFailedError(
        f"{late.name} is not ready: {reason}",
        hint=f"frontier logs {late.name}",
        details=late.details,
    )
