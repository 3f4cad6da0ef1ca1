"""Several processes on one port: a parent that starts them, replaces the dead and ends them all."""

import contextlib
import gc
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Final

from frontier.gateway.clock import Clock
from frontier.gateway.json_log import JsonLog
from frontier.gateway.listening import Sockets

_TICK_S: Final = 1.0
_HEALTHY_S: Final = 5.0
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 5.0
_BUG: Final = 1
_OURS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


@dataclass(slots=True)
class _Worker:
    """One place among the workers, and the process that fills it.

    Attributes:
        pid: 0 while there is none.
        due_at: When the next one starts, monotonic seconds.
        pause_s: How long the next one waits if this one dies young.
    """

    index: int
    pid: int = 0
    started_at: float = 0.0
    due_at: float = 0.0
    pause_s: float = _FIRST_PAUSE_S


class Workers:
    """The parent of the workers; it serves nobody itself.

    Args:
        sockets: What each worker accepts from; the parent keeps them open, so that connections
            to a dead worker wait for its successor.
        work: Serves as the worker of that index; runs in its process.
        on_tick: Called once a second, and before each fork.
        patience_s: After a SIGTERM, until whoever is left is killed.
    """

    def __init__(
        self,
        sockets: Sequence[Sockets],
        work: Callable[[int], None],
        *,
        on_tick: Callable[[], None],
        patience_s: float,
    ) -> None:
        self._sockets, self._work, self._on_tick = sockets, work, on_tick
        self._patience_s = patience_s
        self._workers = [_Worker(index) for index in range(len(sockets))]
        self._clock, self._log = Clock(), JsonLog()
        self._stops = 0
        self._kill_at = float("inf")

    def run(self, announce: Callable[[], None]) -> None:
        """Serve until SIGTERM or SIGINT, and until every worker is gone.

        Args:
            announce: Called once all have been started.
        """
        with _woken_by_signals(self._on_stop) as wake:
            gc.collect()
            gc.freeze()  # what is frozen stays shared between the processes
            self._start_due()
            announce()
            while not self._stops or any(worker.pid for worker in self._workers):
                select.select([wake], [], [], self._wait_s())
                with contextlib.suppress(BlockingIOError):
                    os.read(wake, 4096)
                self._turn()
        self.event("stopped")

    def event(self, event: str, *, level: str = "info", **fields: object) -> None:
        """Log something that happened to the gateway as a whole."""
        self._clock.tick()
        self._log.event(event, self._clock.stamp, level=level, **fields)
        self._log.flush()

    def _on_stop(self, _number: int, _frame: object) -> None:
        self._stops += 1

    def _wait_s(self) -> float:
        now = time.monotonic()
        due = [w.due_at - now for w in self._workers if not w.pid and not self._stops]
        return max(0.0, min([_TICK_S, self._kill_at - now, *due]))

    def _turn(self) -> None:
        now = time.monotonic()
        self._reap(now)
        if self._stops:
            self._end(now)
        else:
            self._on_tick()
            self._start_due()

    def _start_due(self) -> None:
        for worker in self._workers:
            if not worker.pid and worker.due_at <= time.monotonic():
                self._on_tick()
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        # a signal that came before the child has let go of our handlers would be lost
        signal.pthread_sigmask(signal.SIG_BLOCK, _OURS)
        pid = os.fork()
        if pid == 0:
            self._be(worker)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
        worker.pid, worker.started_at = pid, time.monotonic()
        self.event("worker_started", worker=worker.index, pid=pid)

    def _be(self, worker: _Worker) -> None:
        """Serve as *worker* in the process that was just made, and end with it."""
        code = _BUG
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells all; we hear the parent
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _OURS)
            mine = self._sockets[worker.index]
            for other in {s for sockets in self._sockets for s in sockets}.difference(mine):
                other.close()
            self._work(worker.index)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _reap(self, now: float) -> None:
        """Take note of who has died: workers, and as the first process of a container anybody."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for worker in self._workers:
                if worker.pid == pid:
                    self._on_death(worker, os.waitstatus_to_exitcode(status), now)

    def _on_death(self, worker: _Worker, code: int, now: float) -> None:
        pid, worker.pid = worker.pid, 0
        if self._stops:
            return
        is_young = now - worker.started_at < _HEALTHY_S
        worker.pause_s = min(worker.pause_s * 2, _LONGEST_PAUSE_S) if is_young else _FIRST_PAUSE_S
        worker.due_at = now + worker.pause_s
        self.event("worker_died", level="error", worker=worker.index, pid=pid, exit_code=code)

    def _end(self, now: float) -> None:
        """Have the workers finish what is under way; at the second signal at once."""
        if self._kill_at == float("inf"):
            self._kill_at = now + self._patience_s
            for listener in {s for sockets in self._sockets for s in sockets}:
                listener.close()
            self._tell(signal.SIGTERM)
        elif self._stops > 1:
            self._tell(signal.SIGQUIT)
        if now >= self._kill_at:
            self._kill_at = now + _TICK_S
            self._tell(signal.SIGKILL)

    def _tell(self, number: signal.Signals) -> None:
        for worker in self._workers:
            if worker.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, number)


@contextlib.contextmanager
def _woken_by_signals(on_stop: Callable[[int, object], None]) -> Generator[int]:
    """Yield what becomes readable when a signal comes; a sleep would go on after one."""
    read, write = os.pipe()
    for end in (read, write):
        os.set_blocking(end, False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_stop)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(-1)
        os.close(read)
        os.close(write)
