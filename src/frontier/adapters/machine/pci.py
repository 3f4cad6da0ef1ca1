"""The PCI bus: which GPUs are plugged in, whether or not a driver uses them."""

from pathlib import Path

from frontier.domain.machine import Vendor

_VENDORS: dict[Vendor, str] = {"nvidia": "0x10de", "amd": "0x1002"}
_DISPLAY_CLASS = "0x03"


def has_gpu(root: Path, vendor: Vendor) -> bool:
    """Tell whether the bus lists a display controller of *vendor*."""
    return any(
        _read(device / "vendor") == _VENDORS[vendor]
        and _read(device / "class").startswith(_DISPLAY_CLASS)
        for device in (root / "sys/bus/pci/devices").glob("*")
    )


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""  # a device that was unplugged meanwhile
