"""AMD GPUs: from amd-smi, else from rocm-smi, else from the kernel's own files."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from frontier.adapters.machine import kfd, pci
from frontier.adapters.machine.tools import Run, ToolError, ToolMissingError, one_line
from frontier.domain.machine import Gpu

Json = dict[str, Any]

_UNNAMED = "AMD GPU "
_UNEXPECTED = (ValueError, LookupError, TypeError, AttributeError, OSError)

# The amdsmi command prints MB and GB for powers of 1024.
_UNITS = {"B": 0, "KB": 10, "MB": 20, "GB": 30, "KIB": 10, "MIB": 20, "GIB": 30}


def probe(run: Run, root: Path) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    """Return the GPUs of the first source that lists any, and what went wrong before."""
    problems: list[str] = []
    sources: tuple[tuple[str, Callable[[], tuple[Gpu, ...]]], ...] = (
        ("amd-smi", lambda: _amd_smi(run, problems)),
        ("rocm-smi", lambda: _rocm_smi(run)),
        ("amdgpu", lambda: _kernel(root)),
    )
    for name, read in sources:
        try:
            if gpus := _completed(root, read()):
                return gpus, (*problems, *_unnamed(gpus))
        except ToolMissingError:
            continue
        except ToolError as error:
            problems.append(str(error))
        except _UNEXPECTED as error:
            problems.append(f"{name}: unexpected output: {one_line(repr(error))}")
    if not problems and (found := pci.gpus(root, "amd")):
        named = f" ({found[0].name})" if found[0].name else ""
        problems.append(
            f"amdgpu: this machine has an AMD GPU{named} that no driver uses: install ROCm"
        )
    return (), tuple(problems)


def _unnamed(gpus: tuple[Gpu, ...]) -> tuple[str, ...]:
    """Return what to say of GPUs that the kernel knows by number only."""
    numbers = ", ".join(g.name.removeprefix(_UNNAMED) for g in gpus if g.name.startswith(_UNNAMED))
    return (f"gpu name: the kernel tells {numbers}, amd-smi of ROCm the name",) if numbers else ()


def _completed(root: Path, gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """Return *gpus* with what only the kernel and the files of ROCm tell."""
    files = sorted(root.glob("opt/rocm*/.info/version")) or sorted(
        root.glob("opt/rocm*/core-*/.info/version")  # since 7.10
    )
    version = pci.read(files[-1]).partition("-")[0] if files else ""
    targets = kfd.targets(root)
    return tuple(_with_kernel(root, replace(gpu, rocm_version=version), targets) for gpu in gpus)


def _with_kernel(root: Path, gpu: Gpu, targets: dict[str, str]) -> Gpu:
    target = gpu.compute_capability or targets.get(gpu.address, "")
    card = next((c for c in pci.gpus(root, "amd") if c.address == gpu.address), None)
    shared = pci.read(card.folder / "mem_info_gtt_total") if card else ""
    return replace(
        gpu,
        name=card.name if card and card.name and gpu.name.startswith(_UNNAMED) else gpu.name,
        compute_capability=target,
        is_integrated=kfd.is_integrated(target),
        memory_shared_bytes=int(shared) if shared.isdigit() else None,
    )


def _amd_smi(run: Run, problems: list[str]) -> tuple[Gpu, ...]:
    """Source: https://rocm.docs.amd.com/projects/amdsmi, "static" and "metric"."""
    cards = _cards(run(["amd-smi", "static", "--asic", "--bus", "--vram", "--driver", "--json"]))
    gpus = {int(card["gpu"]): _amd_smi_card(card) for card in cards}
    free = _free(run, problems) if gpus else {}
    return tuple(replace(gpu, memory_free_bytes=free.get(i)) for i, gpu in gpus.items())


def _amd_smi_card(card: Json) -> Gpu:
    return Gpu(
        vendor="amd",
        name=_known(card["asic"]["market_name"]) or "AMD GPU",
        memory_total_bytes=_amount(card["vram"]["size"]),
        driver=_known(card.get("driver", {}).get("version")),
        compute_capability=_known(card["asic"].get("target_graphics_version")),
        address=_known(card.get("bus", {}).get("bdf")).lower(),
    )


def _free(run: Run, problems: list[str]) -> dict[int, int | None]:
    """Return the free memory by GPU: good to know, not worth losing the GPU for."""
    try:
        usage = _cards(run(["amd-smi", "metric", "--mem-usage", "--json"]))
        return {card["gpu"]: _amount(card["mem_usage"]["free_vram"]) for card in usage}
    except ToolError as error:
        problems.append(f"{error}, so free memory is unknown")
    except _UNEXPECTED as error:
        problems.append(f"amd-smi: unexpected output: {one_line(repr(error))}")
    return {}


def _cards(text: str) -> list[Json]:
    """Return one object per GPU: ROCm 6 prints a list, ROCm 7 wraps it in ``gpu_data``."""
    document = json.loads(text)
    return cast("list[Json]", document["gpu_data"] if isinstance(document, dict) else document)


def _amount(field: object) -> int | None:
    """Return the bytes of ``{"value": 196592, "unit": "MB"}``, None for ``"N/A"``."""
    match field:
        case {"value": int(value), "unit": str(unit)}:
            return value << _UNITS[unit.upper()]
        case _:
            return None


def _known(value: object) -> str:
    return "" if value in (None, "N/A") else str(value)


def _rocm_smi(run: Run) -> tuple[Gpu, ...]:
    """Source: rocm_smi.py of ROCm 5 and 6; keys changed their case between the two."""
    flags = ["--showproductname", "--showmeminfo", "vram", "--showdriverversion", "--json"]
    # Warnings may stand before the JSON.
    document = json.loads("{" + run(["rocm-smi", *flags]).partition("{")[2])
    cards = {
        name: {key.lower(): value for key, value in card.items()}
        for name, card in document.items()
        if re.fullmatch(r"card\d+", name)
    }
    driver = str(document.get("system", {}).get("Driver version", ""))
    return tuple(_rocm_card(card, driver) for card in cards.values())


def _rocm_card(card: Json, driver: str) -> Gpu:
    total = int(card["vram total memory (b)"])
    return Gpu(
        vendor="amd",
        name=_known(card.get("card series")) or _known(card.get("card model")) or "AMD GPU",
        memory_total_bytes=total,
        memory_free_bytes=total - int(card["vram total used memory (b)"]),
        driver=driver,
        compute_capability=_known(card.get("gfx version")),
    )


def _kernel(root: Path) -> tuple[Gpu, ...]:
    """Source: https://docs.kernel.org/gpu/amdgpu/driver-misc.html, "mem_info_vram_total"."""
    totals = sorted((root / "sys/class/drm").glob("card*/device/mem_info_vram_total"))
    version = root / "sys/module/amdgpu/version"  # only out-of-tree drivers have one
    driver = version.read_text().strip() if version.exists() else ""
    return tuple(_kernel_card(total.parent, driver) for total in totals)


def _kernel_card(device: Path, driver: str) -> Gpu:
    product = device / "product_name"
    name = product.read_text().strip() if product.exists() else ""
    total = int((device / "mem_info_vram_total").read_text())
    return Gpu(
        vendor="amd",
        name=name or f"{_UNNAMED}{(device / 'device').read_text().strip()}",
        memory_total_bytes=total,
        memory_free_bytes=total - int((device / "mem_info_vram_used").read_text()),
        driver=driver,
        address=pci.uevent(device).get("PCI_SLOT_NAME", ""),
    )
