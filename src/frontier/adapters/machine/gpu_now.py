"""What each GPU does now, asked cheaply enough to be asked again and again.

Sources: ``nvidia-smi --help-query-gpu``; https://docs.kernel.org/gpu/amdgpu/thermal.html and
driver-misc.html; Documentation/ABI/testing/sysfs-driver-intel-xe-hwmon and -i915-hwmon; ioreg(8).
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final, Literal

from frontier.adapters.machine import pci
from frontier.adapters.machine.tools import Run, ToolError, ToolMissingError
from frontier.domain.top import GpuView

_FIELDS: Final = "name,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw"
_COLUMNS: Final = len(_FIELDS.split(","))


def gpus_now(run: Run, root: Path, system: str) -> tuple[tuple[GpuView, ...], str]:
    """Return the GPUs of every vendor, and why some could not be asked, "" for nothing.

    Args:
        run: Runs the vendors' tools.
        root: The file system that holds ``sys``.
        system: As `platform.system` names it.
    """
    if system == "Darwin":
        return _asked(run, ["ioreg", "-r", "-d", "1", "-w", "0", "-c", "IOAccelerator"], apple)
    found, problem = _asked(
        run, ["nvidia-smi", f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"], nvidia
    )
    return (*found, *_cards(root, "amd"), *_cards(root, "intel")), problem


def nvidia(text: str) -> Iterator[GpuView]:
    """Yield what nvidia-smi tells of each GPU; ``[N/A]`` and the like stand for nothing."""
    for row in text.splitlines():
        cells = [cell.strip() for cell in row.split(",")]
        if len(cells) == _COLUMNS:
            used, memory, total, heat, power = map(_number, cells[1:])
            yield GpuView(
                vendor="nvidia",
                name=cells[0],
                used_percent=used,
                memory_used_bytes=_scaled(memory, 1 << 20),
                memory_total_bytes=_scaled(total, 1 << 20),
                temperature_c=heat,
                power_w=power,
            )


def apple(text: str) -> Iterator[GpuView]:
    """Yield the GPU of a Mac; its memory is the Mac's."""
    for part in text.split("+-o ")[1:]:
        name = re.search(r'"model" = <?"([^"]+)"', part)
        used = re.search(r'"Device Utilization %"=(\d+)', part)
        memory = re.search(r'"In use system memory"=(\d+)', part)
        if name and used:
            yield GpuView(
                vendor="apple",
                name=name[1],
                used_percent=float(used[1]),
                memory_used_bytes=int(memory[1]) if memory else None,
            )


def _asked(
    run: Run, argv: list[str], parse: Callable[[str], Iterator[GpuView]]
) -> tuple[tuple[GpuView, ...], str]:
    try:
        return tuple(parse(run(argv))), ""
    except ToolMissingError:
        return (), ""
    except ToolError as error:  # one lost GPU does not hide the others
        return tuple(parse(error.stdout)), str(error)


def _cards(root: Path, vendor: Literal["amd", "intel"]) -> Iterator[GpuView]:
    """Yield what the kernel tells of the cards of *vendor*; of some it tells nothing."""
    for folder, name in _plugged_in(root, vendor):
        heat = _first(folder, "hwmon/hwmon*/temp[12]_input")
        card = GpuView(
            vendor=vendor,
            name=name,
            used_percent=_first(folder, "gpu_busy_percent"),
            memory_used_bytes=_scaled(_first(folder, "mem_info_vram_used")),
            memory_total_bytes=_scaled(_first(folder, "mem_info_vram_total")),
            temperature_c=heat / 1000 if heat is not None else None,
            power_w=_watts(_first(folder, "hwmon/hwmon*/power1_average")),
        )
        if card != GpuView(vendor=vendor, name=name):
            yield card


@cache  # the list of names is long, and cards do not come and go
def _plugged_in(root: Path, vendor: Literal["amd", "intel"]) -> tuple[tuple[Path, str], ...]:
    cards = [card for card in pci.gpus(root, vendor) if card.driver]
    return tuple((card.folder, card.name or f"{vendor} {card.device}") for card in cards)


def _first(folder: Path, pattern: str) -> float | None:
    """Return the number in the first file below *folder* that *pattern* matches."""
    return next((_number(pci.read(path)) for path in sorted(folder.glob(pattern))), None)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _scaled(number: float | None, unit: int = 1) -> int | None:
    return None if number is None else int(number * unit)


def _watts(microwatts: float | None) -> float | None:
    return None if microwatts is None else microwatts / 1_000_000
