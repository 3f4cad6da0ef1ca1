"""The PCI bus: which GPUs are plugged in, whether or not a driver uses them.

Source: https://docs.kernel.org/PCI/sysfs-pci.html, pci.ids(5).
"""

import re
from dataclasses import dataclass
from pathlib import Path

from frontier.domain.machine import Vendor

_VENDORS: dict[Vendor, str] = {"nvidia": "10de", "amd": "1002", "intel": "8086"}
_MAKERS: dict[Vendor, str] = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel"}
_DISPLAY_CLASS = "0x03"
_NAMES = ("usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids", "var/lib/pciutils/pci.ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class PciGpu:
    """One display controller.

    Attributes:
        folder: Its folder below ``/sys``.
        address: ``0000:01:00.0``.
        device: Its number from the maker, ``744c``.
        driver: Name of the kernel's driver that uses it, empty where none does.
        name: As the list of PCI numbers has it, empty where there is no such list.
    """

    folder: Path
    address: str
    device: str
    driver: str
    name: str


def gpus(root: Path, vendor: Vendor) -> tuple[PciGpu, ...]:
    """Return the display controllers of *vendor*, in the order of the bus."""
    folders = sorted((root / "sys/bus/pci/devices").glob("*"))
    return tuple(_gpu(root, vendor, folder) for folder in folders if _is_gpu(folder, vendor))


def read(path: Path) -> str:
    """Return a one-line file of the kernel, "" where it cannot be read."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""  # a device that was unplugged meanwhile, a file of another driver


def uevent(folder: Path) -> dict[str, str]:
    """Return what the kernel tells of a device, like ``DRIVER`` and ``PCI_SLOT_NAME``."""
    rows = (row.partition("=") for row in read(folder / "uevent").splitlines())
    return {key: value for key, _, value in rows}


def _is_gpu(folder: Path, vendor: Vendor) -> bool:
    is_display = read(folder / "class").startswith(_DISPLAY_CLASS)
    return is_display and read(folder / "vendor") == f"0x{_VENDORS[vendor]}"


def _gpu(root: Path, vendor: Vendor, folder: Path) -> PciGpu:
    device = read(folder / "device").removeprefix("0x")
    return PciGpu(
        folder=folder,
        address=folder.name,
        device=device,
        driver=uevent(folder).get("DRIVER", ""),
        name=_name(root, vendor, device),
    )


def _name(root: Path, vendor: Vendor, device: str) -> str:
    """Return ``NVIDIA GeForce RTX 4090`` of ``AD102 [GeForce RTX 4090]``."""
    text = next(filter(None, (read(root / path) for path in _NAMES)), "")
    block = re.search(rf"(?m)^{_VENDORS[vendor]}  .*\n((?:\t.*\n|#.*\n)*)", f"{text}\n")
    found = re.search(rf"(?m)^\t{device}  (.*)$", block[1]) if block and device else None
    if found is None:
        return ""
    sold_as = re.search(r"\[(.+)\]", found[1])
    name = sold_as[1] if sold_as else found[1]
    return name if _MAKERS[vendor] in name else f"{_MAKERS[vendor]} {name}"
