"""Machines that we do not have, as their tools and their kernels' files describe them.

Each file of ``fixtures/machine/whole`` is one of them: what each command prints, what each file
holds, and what `frontier doctor` shows of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from frontier.adapters.machine import probe_machine
from frontier.adapters.machine.tools import ToolMissingError
from frontier.domain.machine import Machine

FOLDER = Path(__file__).parent / "fixtures" / "machine" / "whole"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))
METAL = "metal"
"""How the files call the question to Metal, which is a program of ours and not a tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One machine.

    Attributes:
        tools: What a command prints, by the beginning of its command line; the longest counts.
        files: What a file below the root holds.
        shown: The rows of `frontier doctor`, without that of the disk.
    """

    system: str
    arch: str
    tools: Mapping[str, str]
    files: Mapping[str, str]
    shown: tuple[str, ...]

    def run(self, argv: Sequence[str]) -> str:
        """Answer like the tools of this machine."""
        line = command_line(argv)
        known = [start for start in self.tools if line.startswith(start)]
        if not known:
            raise ToolMissingError(f"{argv[0]}: not installed")
        return self.tools[max(known, key=len)]


def command_line(argv: Sequence[str]) -> str:
    """Return *argv* as the files name it."""
    return METAL if "-c" in argv else " ".join(argv)


@cache
def recorded(name: str) -> Recorded:
    """Return the machine *name*."""
    found = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return Recorded(
        system=found["system"],
        arch=found["arch"],
        tools=found.get("tools", {}),
        files={**_processors(found), **found.get("files", {})},
        shown=tuple(found["shown"].splitlines()),
    )


def lay(machine: Recorded, root: Path) -> Path:
    """Write the files of *machine* below *root* and return it."""
    for name, content in machine.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def probe(
    machine: Recorded,
    root: Path,
    run: Callable[[Sequence[str]], str] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Machine:
    """Return *machine* as Frontier sees it; its files lie below *root*."""
    return probe_machine(
        root,
        run=run or machine.run,
        root=root,
        home=root / "home",
        environ=environ or {},
        system=machine.system,
        arch=machine.arch,
    )


def seen(name: str, root: Path) -> Machine:
    """Return the machine *name* as Frontier sees it; its files are written below *root*."""
    return probe(recorded(name), lay(recorded(name), root))


def _processors(found: Mapping[str, Any]) -> dict[str, str]:
    """Return ``/proc/cpuinfo`` and the topology of a machine with many equal threads.

    ``cpus`` tells how many there are, their ``text``, and how many ``threads`` a core has: the
    second thread of core 3 of 64 is processor 67, as Linux counts.
    """
    cpus = found.get("cpus")
    if cpus is None:
        return {}
    count, per_core = int(cpus["count"]), int(cpus.get("threads", 1))
    cores = count // per_core
    topology = {
        f"sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list": ",".join(
            str(n % cores + cores * thread) for thread in range(per_core)
        )
        for n in range(count)
    }
    info = "\n".join(f"processor\t: {n}\n{cpus['text']}" for n in range(count))
    return {"proc/cpuinfo": info, **topology}
