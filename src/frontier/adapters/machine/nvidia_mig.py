"""The parts of NVIDIA GPUs in MIG mode: their names from one listing, their memory from another."""

import re
from collections.abc import Iterator
from dataclasses import replace
from xml.etree import ElementTree as Xml

from frontier.adapters.machine.tools import Run, ToolError, one_line
from frontier.domain.machine import MigDevice

Devices = dict[str, tuple[MigDevice, ...]]
_Named = dict[tuple[str, int], MigDevice]


def mig_devices(run: Run) -> tuple[Devices, tuple[str, ...]]:
    """Return the MIG devices by the UUID of their GPU, and what could not be read.

    Source: https://docs.nvidia.com/datacenter/tesla/mig-user-guide, "Getting Started with MIG".
    """
    named: _Named = {}
    sized: _Named = {}
    problems: list[str] = []
    try:
        named = dict(_listed(run(["nvidia-smi", "-L"])))
    except ToolError as error:
        problems.append(str(error))
    try:
        sized = dict(_measured(run(["nvidia-smi", "-q", "-x"])))
    except ToolError as error:
        problems.append(str(error))
    except (Xml.ParseError, ValueError) as error:
        problems.append(f"nvidia-smi: unexpected output: {one_line(str(error))}")
    if not problems and named.keys() != sized.keys():
        problems.append("nvidia-smi: its two listings of MIG devices do not agree")
    return _joined(named, sized), tuple(dict.fromkeys(problems))


def _joined(named: _Named, sized: _Named) -> Devices:
    found: Devices = {}
    for key in sorted(named.keys() | sized.keys()):
        name, memory = named.get(key, MigDevice()), sized.get(key, MigDevice())
        device = replace(memory, profile=name.profile, uuid=name.uuid)
        found[key[0]] = (*found.get(key[0], ()), device)
    return found


def _listed(text: str) -> Iterator[tuple[tuple[str, int], MigDevice]]:
    """Yield names, from lines like ``MIG 1g.10gb Device  0: (UUID: MIG-...)`` below a GPU's."""
    gpu = ""
    for row in text.splitlines():
        if whole := re.match(r"GPU \d+: .*\(UUID: (GPU-[^)]+)\)", row):
            gpu = whole[1]
        elif part := re.match(r"\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: (MIG-[^)]+)\)", row):
            yield (gpu, int(part[2])), MigDevice(profile=part[1], uuid=part[3])


def _measured(text: str) -> Iterator[tuple[tuple[str, int], MigDevice]]:
    for gpu in Xml.fromstring(text).iter("gpu"):  # noqa: S314 - the driver's own tool wrote it
        for part in gpu.iter("mig_device"):
            key = (gpu.findtext("uuid") or "", int(part.findtext("index") or 0))
            yield (
                key,
                MigDevice(
                    memory_total_bytes=_mebibytes(part, "total"),
                    memory_free_bytes=_mebibytes(part, "free"),
                ),
            )


def _mebibytes(part: Xml.Element, name: str) -> int | None:
    number = (part.findtext(f"fb_memory_usage/{name}") or "").removesuffix(" MiB")
    return int(number) << 20 if number.isdigit() else None
