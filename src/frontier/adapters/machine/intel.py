"""Intel GPUs, part of the processor or cards: from the kernel's files, cards also from xpu-smi."""

import csv
from pathlib import Path

from frontier.adapters.machine import pci
from frontier.adapters.machine.tools import Run, ToolError, ToolMissingError
from frontier.domain.machine import Gpu

_INTEGRATED = ":00:02.0"  # where all of Intel's processors have theirs
_LIBRARIES = ("usr/lib/*/", "usr/lib64/", "usr/lib/", "usr/local/lib/", "usr/local/lib64/")
_PROPERTIES = "2,11,16"  # name, PCI address, memory
_Told = dict[str, dict[str, str]]


def probe(run: Run, root: Path) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    """Return the GPUs that a driver uses, and what went wrong.

    Sources: the kernel's drivers xe and i915; https://intel.github.io/xpumanager, "discovery".
    """
    cards = pci.gpus(root, "intel")
    discrete = [card for card in cards if not card.address.endswith(_INTEGRATED)]
    told, problems = _xpu_smi(run) if discrete else ({}, ())
    idle = tuple(
        f"intel: this machine has an Intel GPU ({card.name or card.device}) that no driver uses: "
        "install a kernel with the driver xe or i915 for it"
        for card in discrete
        if not card.driver
    )
    has_level_zero = any(next(root.glob(f"{lib}libze_intel_gpu.so*"), None) for lib in _LIBRARIES)
    gpus = (_gpu(c, told.get(c.address, {}), has_level_zero) for c in cards if c.driver)
    return tuple(gpus), (*problems, *idle)


def _gpu(card: pci.PciGpu, told: dict[str, str], has_level_zero: bool) -> Gpu:
    return Gpu(
        vendor="intel",
        name=told.get("Device Name") or card.name or f"Intel GPU 0x{card.device}",
        memory_total_bytes=_memory(card.folder) or _mebibytes(told.get("Memory Physical Size", "")),
        driver=card.driver,
        has_level_zero=has_level_zero,
        address=card.address,
        is_integrated=card.address.endswith(_INTEGRATED),
    )


def _memory(folder: Path) -> int | None:
    """Return the card's own memory, tile by tile with the driver xe, None where it has none."""
    xe = folder.glob("tile*/physical_vram_size_bytes")
    i915 = folder.glob("drm/card*/lmem_total_bytes")
    sizes = [int(text) for path in (*xe, *i915) if (text := pci.read(path)).isdigit()]
    return sum(sizes) or None


def _mebibytes(text: str) -> int | None:
    try:
        return round(float(text.removesuffix(" MiB")) * (1 << 20)) or None
    except ValueError:
        return None


def _xpu_smi(run: Run) -> tuple[_Told, tuple[str, ...]]:
    """Return what the tool tells, by PCI address."""
    try:
        text = run(["xpu-smi", "discovery", "--dump", _PROPERTIES])
    except ToolMissingError:
        return {}, ()
    except ToolError as error:
        return {}, (str(error),)
    rows = [dict(row) for row in csv.DictReader(text.splitlines())]
    told = {row["PCI BDF Address"].lower(): row for row in rows if row.get("PCI BDF Address")}
    return told, () if told else ("xpu-smi: unexpected output",)
