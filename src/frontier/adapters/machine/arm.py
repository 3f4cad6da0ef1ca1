"""Names of Arm's cores: Linux tells their numbers only."""

import re
from typing import Final

_CORES: Final = {
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse-N1",
    (0x41, 0xD40): "Neoverse-V1",
    (0x41, 0xD42): "Cortex-A78AE",
    (0x41, 0xD49): "Neoverse-N2",
    (0x41, 0xD4F): "Neoverse-V2",
    (0x41, 0xD81): "Cortex-A720",
    (0x41, 0xD83): "Neoverse-V3AE",
    (0x41, 0xD84): "Neoverse-V3",
    (0x41, 0xD85): "Cortex-X925",
    (0x41, 0xD87): "Cortex-A725",
    (0x41, 0xD8E): "Neoverse-N3",
    (0xC0, 0xAC3): "Ampere-1",
    (0xC0, 0xAC4): "Ampere-1a",
}
"""Implementer and part to the name: servers and the boards that models run on.

Source: util-linux sys-utils/lscpu-arm.c.
"""


def model(cpuinfo: str) -> str:
    """Return the kinds of cores that ``/proc/cpuinfo`` lists, fast ones last, "" if unknown."""
    makers = re.findall(r"(?m)^CPU implementer\s*: (0x[0-9a-f]+)$", cpuinfo)
    parts = re.findall(r"(?m)^CPU part\s*: (0x[0-9a-f]+)$", cpuinfo)
    pairs = ((int(maker, 16), int(part, 16)) for maker, part in zip(makers, parts, strict=False))
    known = dict.fromkeys(_CORES[pair] for pair in pairs if pair in _CORES)
    return " and ".join(sorted(known, key=lambda name: name.startswith("Cortex-X")))
