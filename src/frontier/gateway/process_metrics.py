"""The standard metrics of a process, as prometheus_client has them."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path


def process_metrics() -> Iterator[tuple[str, float]]:
    """Yield names and values; those that need ``/proc`` only where there is one."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    yield "process_cpu_seconds_total", usage.ru_utime + usage.ru_stime
    yield "process_max_fds", resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    proc = Path("/proc/self")
    if not proc.is_dir():
        return
    fields = (proc / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
    yield "process_virtual_memory_bytes", int(fields[20])
    yield "process_resident_memory_bytes", int(fields[21]) * resource.getpagesize()
    started_s = int(fields[19]) / os.sysconf("SC_CLK_TCK")
    yield "process_start_time_seconds", _boot_time_s() + started_s
    yield "process_open_fds", len(list((proc / "fd").iterdir()))


def _boot_time_s() -> int:
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        if line.startswith("btime "):
            return int(line.split()[1])
    return 0
