"""Write the tables of how-to/memory.md from the estimate; with --check only compare.

python docs/memory_tables.py [--check]
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from frontier.adapters.catalog import PackagedCatalog
from frontier.adapters.folders import StackFolders
from frontier.cli import models_fit  # noqa: F401 - teaches `text` to print a Fit
from frontier.cli.output import text
from frontier.domain import fit_table, metal
from frontier.domain.candidates import Candidate, of_catalog
from frontier.domain.fit import Device, devices, judge
from frontier.domain.machine import AppleChip, Cpu, Gpu, Machine, Memory
from frontier.domain.sizing import Load, most_context
from frontier.usecases.fit import Fit

PAGE = Path(__file__).parent / "how-to" / "memory.md"
GIB = 2**30
LEAST = 8192
GPUS = (8, 12, 16, 24, 32, 48, 80)
MACS = (16, 24, 36, 48, 64, 96, 128, 192)
MODELS = (
    "qwen3.5:2b",
    "qwen3.5:4b",
    "qwen3.5:9b",
    "ministral-3:14b",
    "gpt-oss:20b",
    "gemma4:26b",
    "qwen3.6:27b",
    "gemma4:31b",
    "qwen3.6:35b",
    "llama3.3:70b",
)
_EXAMPLE = "qwen3.6:27b"
_DRIVER_SHARE = 0.02
_MACOS = 26
_MAC_FREE = 0.8


def machine(memory_gib: int, free: float, apple: AppleChip | None = None, *gpus: Gpu) -> Machine:
    """Return a machine of which the share *free* of the main memory is free."""
    total = memory_gib * GIB
    return Machine(
        os="macos" if apple else "linux",
        os_version="",
        arch="arm64" if apple else "x86_64",
        cpu=Cpu(model="", physical=8, logical=8, usable=8),
        memory=Memory(total_bytes=total, available_bytes=int(total * free)),
        disk=None,
        apple=apple,
        gpus=gpus,
    )


def gpu(gib: int) -> Device:
    """Return an empty GPU beside 64 GiB of main memory."""
    return devices(with_gpu(gib))[0]


def with_gpu(gib: int) -> Machine:
    """Return a machine with one empty GPU and 64 GiB of main memory."""
    free = int(gib * GIB * (1 - _DRIVER_SHARE))
    name = f"a GPU of {gib} GB"
    card = Gpu(vendor="nvidia", name=name, memory_total_bytes=gib * GIB, memory_free_bytes=free)
    return machine(64, 0.9, None, card)


def mac(gib: int) -> Device:
    """Return the part of a Mac's memory that Metal may use."""
    chip = AppleChip(
        name="Apple silicon",
        gpu_cores=None,
        unified_memory_bytes=gib * GIB,
        gpu_memory_bytes=metal.estimate(gib * GIB, _MACOS),
    )
    return devices(machine(gib, _MAC_FREE, chip))[0]


def cell(found: list[Candidate], device: Device) -> str:
    """Return the file with most bits that fits with `LEAST` tokens, and its longest context."""
    for candidate in sorted(found, key=lambda c: -c.weights.total_bytes):

        def fits(tokens: int, candidate: Candidate = candidate) -> bool:
            load = Load(context=tokens)
            return _judge(candidate, device, load) == "fits"

        trained = candidate.shape.context or LEAST
        if (most := most_context(fits, trained)) >= min(LEAST, trained):
            return f"{candidate.quantisation}, {most // 1024}k"
    smallest = min(found, key=lambda c: c.weights.total_bytes)
    return "in part" if _judge(smallest, device, Load(context=LEAST)) == "partly" else "-"


def _judge(candidate: Candidate, device: Device, load: Load) -> str:
    return judge("llamacpp", device, candidate.weights, candidate.shape, load).status


def table(device_of: Callable[[int], Device], sizes: tuple[int, ...]) -> str:
    """Return a Markdown table: one row per model, one column per size in GiB."""
    entries = PackagedCatalog().entries
    lines = [
        "| Model | " + " | ".join(f"{gib} GB" for gib in sizes) + " |",
        "|---" * (len(sizes) + 1) + "|",
    ]
    for name in MODELS:
        found = [c for c in of_catalog(entries[name]) if c.format == "gguf"]
        cells = [cell(found, device_of(gib)) for gib in sizes]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def example() -> str:
    """Return what `frontier models fit` prints where there is no network."""
    load, stacks = Load(), [StackFolders(own=PAGE).load(name) for name in ("llamacpp", "vllm")]
    asked = [(stack, load) for stack in stacks]
    found = of_catalog(PackagedCatalog().entries[_EXAMPLE])
    rows = fit_table.rows(found, with_gpu(24), asked, is_only=True)
    rows = tuple(row for row in rows if row.accelerator != "cpu")
    chosen = fit_table.choose(rows, load.context, "llamacpp")
    printed = text(
        Fit(
            model=_EXAMPLE,
            basis=found[0].basis,
            trained_context=found[0].shape.context,
            context=load.context,
            parallel=load.parallel,
            kv_type=load.kv_type,
            rows=rows,
            chosen=chosen,
            reason=fit_table.explain(chosen) if chosen else "",
        )
    )
    return f"```console\n$ frontier models fit {_EXAMPLE}\n{printed}\n```"


def written(page: str) -> str:
    """Return *page* with its tables written anew."""
    blocks = {"example": example(), "gpu": table(gpu, GPUS), "mac": table(mac, MACS)}
    for name, made in blocks.items():
        begin, end = f"<!-- table: {name} -->", f"<!-- end: {name} -->"
        block = f"{begin}\n{made}\n{end}"
        page = re.sub(f"(?s){begin}.*?{end}", lambda _, block=block: block, page)
    return page


def main() -> int:
    """Write or compare the page; return 1 where it differs."""
    page = PAGE.read_text("utf-8")
    made = written(page)
    if "--check" in sys.argv:
        return int(page != made)
    PAGE.write_text(made, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
