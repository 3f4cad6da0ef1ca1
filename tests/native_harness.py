"""Real processes for tests: tiny services, a guard's other end, and proof that nothing is left."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from frontier.adapters import guard
from frontier.adapters.native import NativeRuntime
from frontier.adapters.native_leftovers import MARK
from frontier.adapters.workspace import Workspace
from frontier.domain.facts import Facts, Loads
from frontier.domain.project import Project, Route, Service
from frontier.domain.state import DaemonState, ServiceState
from native_fakes import engine
from waiting import until

TINY = Path(__file__).with_name("tiny_service.py")


def tiny(name: str = "llamacpp", *habits: str, **fields: object) -> Service:
    """A tiny service with *habits*, ``name=value``; listens on the port it is given."""
    argv = (sys.executable, "-I", "-S", str(TINY), "{port}", *habits)
    return engine(name=name, argv=argv, **{"stop_grace_s": 5.0, "proof_model": "", **fields})


def declare(*services: Service) -> Project:
    routes = tuple(Route(model="tiny", service=s.name, backend="llamacpp") for s in services[:1])
    return Project(name="p", stack="llamacpp", services=services, routes=routes)


class Silent:
    """A reporter that says nothing."""

    def say(self, text: str) -> None: ...

    def update(self, done: int, total: int | None = None) -> None: ...

    @contextlib.contextmanager
    def task(self, label: str, **_: object) -> "Iterator[Silent]":
        yield self


class Native:
    """One workspace, its runtime, and its processes."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace(root)
        self.runtime = NativeRuntime(self.workspace)

    def up(self, *services: Service) -> DaemonState:
        declared = declare(*services)
        self.runtime.apply(declared)
        return self.runtime.wait_ready(declared, Silent())

    def down(self) -> bool:
        return self.runtime.stop(Silent())

    def daemon(self) -> DaemonState:
        state = self.runtime.state()
        assert state is not None, self.log("daemon")
        return state

    def service(self, name: str) -> ServiceState:
        state = self.daemon().service(name)
        assert state is not None, self.log("daemon")
        return state

    def loads(self) -> Loads:
        """How the engine was started so far, as the gateway's metrics tell it."""
        facts = Facts.from_json(self.workspace.facts_file.read_bytes())
        return facts.loads_of(("llamacpp", "tiny"))

    def until(self, name: str, phase: str, *, not_pid: int | None = -1) -> ServiceState:
        def arrived() -> ServiceState | None:
            state = self.daemon().service(name)
            return state if state and state.phase == phase and state.pid != not_pid else None

        found = until(arrived, what=f"{name} {phase}")
        assert found is not None
        return found

    def log(self, name: str) -> str:
        path = self.workspace.logs / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def guard_of(self, name: str) -> int:
        pid = self.service(name).pid
        parent = psutil.Process(pid).ppid()
        assert "guard.py" in " ".join(psutil.Process(parent).cmdline())
        return parent

    def processes(self) -> list[psutil.Process]:
        """All living processes of this workspace, by environment or command line."""
        root = str(self.workspace.root)
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                words = [*process.cmdline(), process.environ().get(MARK, "")]
                if process.pid != os.getpid() and any(root in word for word in words):
                    found.append(process)
        return found

    def pids(self) -> set[int]:
        return {process.pid for process in self.processes()}

    def until_nothing_is_left(self) -> None:
        until(lambda: not self.processes(), what=f"the end of {self.processes()}")


@contextlib.contextmanager
def native_workspace(root: Path) -> Iterator[Native]:
    """A workspace that must be empty of processes in the end."""
    native = Native(root)
    try:
        yield native
        with contextlib.suppress(FileNotFoundError):
            native.down()
        native.until_nothing_is_left()
    finally:
        for process in native.processes():
            process.kill()


def is_alive(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


class GuardEnd:
    """The daemon's end of one guard."""

    def __init__(
        self,
        log: Path,
        *command: str,
        max_bytes: int = 10_000_000,
        grace_s: float = 5.0,
        deathsig: int = 1,
        program: tuple[str, ...] = ("-m", guard.__name__),
    ) -> None:
        words = (str(log), str(max_bytes), "3", str(grace_s), str(deathsig), *command)
        self.guard = subprocess.Popen(
            (sys.executable, *program, *words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.guard.stdout is not None
        word, _, rest = self.guard.stdout.readline().decode().strip().partition(" ")
        self.pid = int(rest) if word == "pid" else 0
        self.error = rest if word == "error" else ""

    def let_go(self) -> None:
        """Close the lifeline, as the kernel does when a daemon dies."""
        assert self.guard.stdin is not None
        self.guard.stdin.close()

    def end(self) -> tuple[int, str]:
        """Return exit code and last output."""
        assert self.guard.stdout is not None
        with self.guard:
            output = self.guard.stdout.read().decode()
            return self.guard.wait(timeout=20), output

    def kill_all(self) -> None:
        if self.guard.poll() is None:
            self.guard.kill()
        with contextlib.suppress(ProcessLookupError):
            if self.pid:
                os.killpg(self.pid, signal.SIGKILL)
        self.end()
