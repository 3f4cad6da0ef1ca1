"""What AMD's compute driver tells of the GPUs that it can compute on.

Source: https://docs.kernel.org/gpu/amdgpu, drivers/gpu/drm/amd/amdkfd/kfd_topology.c.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from frontier.adapters.machine import pci

_INTEGRATED: Final = frozenset(
    f"gfx{number}"
    for number in (
        *("700", "801", "902", "909", "90c", "1013", "1033", "1035", "1036", "1037"),
        *("1103", "1150", "1151", "1152", "1153"),
    )
)
"""Those that LLVM's "User Guide for AMDGPU Backend" calls APU."""


def is_integrated(target: str) -> bool:
    """Tell whether GPUs of *target*, like ``gfx1151``, are part of a processor."""
    return target in _INTEGRATED


def targets(root: Path) -> dict[str, str]:
    """Map the PCI addresses of the GPUs to ``gfx942`` and the like; processors have none."""
    nodes = (root / "sys/class/kfd/kfd/topology/nodes").glob("*/properties")
    return dict(found for path in nodes for found in _target(_numbers(path)))


def _numbers(path: Path) -> dict[str, int]:
    rows = (row.split() for row in pci.read(path).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}  # noqa: PLR2004


def _target(node: dict[str, int]) -> Iterator[tuple[str, str]]:
    version, place = node.get("gfx_target_version", 0), node.get("location_id", 0)
    if version:
        major, minor, step = version // 10000, version // 100 % 100, version % 100
        address = f"{place >> 8 & 0xFF:02x}:{place >> 3 & 0x1F:02x}.{place & 7}"
        yield f"{node.get('domain', 0):04x}:{address}", f"gfx{major}{minor:x}{step:x}"
