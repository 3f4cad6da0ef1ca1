"""What the control groups above this process allow, version 1 and 2.

Source: https://docs.kernel.org/admin-guide/cgroup-v2.html and cgroup-v1/memory.html,
proc_pid_mountinfo(5), cgroups(7).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

# Version 1 writes "no limit" as the largest page-aligned number of 63 bits.
_NO_LIMIT_BYTES = 1 << 60


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """One group's limit, and what its processes hold that the kernel cannot give back."""

    limit_bytes: int
    held_bytes: int


def memory_limits(root: Path) -> list[MemoryLimit]:
    """Return the limits of this process's group and of all groups above it."""
    return [
        *_limits(_groups(root, ""), ("memory.max", "memory.high"), "memory.current", ""),
        *_limits(
            _groups(root, "memory"),
            ("memory.limit_in_bytes",),
            "memory.usage_in_bytes",
            "total_",
        ),
    ]


def cpu_quota(root: Path) -> float | None:
    """Return the CPUs that this process may use up per unit of time, None without a limit."""
    quotas: list[float] = []
    for group in _groups(root, ""):
        quota, _, period = _read(group / "cpu.max").partition(" ")
        if quota.isdigit():
            quotas.append(int(quota) / int(period))
    for group in _groups(root, "cpu"):
        quota = _read(group / "cpu.cfs_quota_us")
        if quota.isdigit():  # -1 without a limit
            quotas.append(int(quota) / int(_read(group / "cpu.cfs_period_us")))
    return min(quotas, default=None)


def _limits(
    groups: Iterator[Path], limit_names: tuple[str, ...], usage_name: str, prefix: str
) -> Iterator[MemoryLimit]:
    for group in groups:
        limits = [int(text) for name in limit_names if (text := _read(group / name)).isdigit()]
        if limits and min(limits) < _NO_LIMIT_BYTES:
            usage = int(_read(group / usage_name) or 0)
            yield MemoryLimit(min(limits), max(0, usage - _page_cache(group, prefix)))


def _page_cache(group: Path, prefix: str) -> int:
    """Return the bytes of files in memory; shared memory is not on these two lists."""
    rows = re.findall(rf"(?m)^{prefix}(?:in)?active_file (\d+)$", _read(group / "memory.stat"))
    return sum(map(int, rows))


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of this process's group and its ancestors, innermost first.

    Args:
        root: The file system to read.
        controller: A controller of version 1, or empty for version 2.
    """
    member_of = _membership(root, controller)
    for mount, mount_root in _mounts(root, controller):
        try:
            below = PurePosixPath(member_of).relative_to(mount_root)
        except ValueError:
            below = PurePosixPath()  # the group lies outside of what this container sees
        top = root / mount.lstrip("/")
        yield from (top / part for part in (below, *below.parents))


def _membership(root: Path, controller: str) -> str:
    """Return this process's group, from lines like ``4:memory:/a/b`` and ``0::/a/b``."""
    for row in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = row.split(":", 2)
        if controller in controllers.split(","):
            return path
    return "/"


def _mounts(root: Path, controller: str) -> Iterator[tuple[str, str]]:
    """Yield mount point and mounted folder of each hierarchy that has *controller*."""
    for row in _read(root / "proc/self/mountinfo").splitlines():
        left, _, right = row.partition(" - ")
        kind, _, options = right.split(" ", 2)
        mount_root, mount = left.split(" ")[3:5]
        in_v1 = kind == "cgroup" and controller in options.split(" ")[-1].split(",")
        if in_v1 if controller else kind == "cgroup2":
            yield mount, mount_root


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""  # a root group has no limits, a hybrid set-up lacks some files
