"""What processes and the machine use now."""

import os
import time
from collections.abc import Iterable
from typing import Final

import psutil

from frontier.domain.top_reading import MachineRead, Usage

_KIN_S: Final = 10.0


class Vitals:
    """Reads them; who descends from whom is looked up every ten seconds, since it takes longest."""

    def __init__(self) -> None:
        self._kin: dict[int, tuple[psutil.Process, ...]] = {}
        self._kin_due_at = 0.0

    def usage(self, pids: Iterable[int]) -> dict[int, Usage]:
        """Return what each of *pids* and all it started use; those that cannot be read are missing.

        A container's first process is a small init.
        """
        wanted = tuple(pids)
        now = time.monotonic()
        if now >= self._kin_due_at or not set(wanted) <= set(self._kin):
            self._kin, self._kin_due_at = _kin(wanted), now + _KIN_S
        found = {pid: _usage(self._kin[pid]) for pid in wanted}
        return {pid: use for pid, use in found.items() if use is not None}

    @staticmethod
    def machine() -> MachineRead:
        """Return the machine as its kernel counts."""
        times, memory = psutil.cpu_times(), psutil.virtual_memory()
        # guests are part of user and nice
        total_s = sum(times) - getattr(times, "guest", 0) - getattr(times, "guest_nice", 0)
        return MachineRead(
            cpus=os.cpu_count() or 1,
            cpu_busy_s=total_s - times.idle - getattr(times, "iowait", 0.0),
            cpu_total_s=total_s,
            memory_used_bytes=memory.total - memory.available,
            memory_total_bytes=memory.total,
        )


def _kin(pids: tuple[int, ...]) -> dict[int, tuple[psutil.Process, ...]]:
    """Return each of *pids* with all that descend from it, in one pass over all processes."""
    children: dict[int, list[psutil.Process]] = {}
    known: dict[int, psutil.Process] = {}
    for process in psutil.process_iter(["ppid"]):
        known[process.pid] = process
        children.setdefault(process.info["ppid"] or 0, []).append(process)
    found: dict[int, tuple[psutil.Process, ...]] = {}
    for pid in pids:
        family = [known[pid]] if pid in known else []
        for process in family:  # grows while it is walked
            family += children.get(process.pid, ())
        found[pid] = tuple(family)
    return found


def _usage(family: tuple[psutil.Process, ...]) -> Usage | None:
    cpu_s, memory_bytes, seen = 0.0, 0, False
    for process in family:
        try:
            with process.oneshot():
                times = process.cpu_times()
                memory_bytes += process.memory_info().rss
        except psutil.Error:
            continue
        cpu_s, seen = cpu_s + times.user + times.system, True
    return Usage(cpu_s=cpu_s, memory_bytes=memory_bytes) if seen else None
