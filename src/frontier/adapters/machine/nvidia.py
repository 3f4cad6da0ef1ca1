"""NVIDIA GPUs, as nvidia-smi lists them."""

import re
from dataclasses import replace
from pathlib import Path

from frontier.adapters.machine.nvidia_mig import mig_devices
from frontier.adapters.machine.pci import gpus as plugged_in
from frontier.adapters.machine.tools import Run, ToolError, ToolMissingError, one_line
from frontier.domain.machine import Gpu

_FIELDS = "name,memory.total,memory.free,driver_version"
_NEWER_FIELDS = "compute_cap,uuid,pci.bus_id,mig.mode.current"
_COLUMNS = len(f"{_FIELDS},{_NEWER_FIELDS}".split(","))
_NEWER_COLUMNS = len(_NEWER_FIELDS.split(","))

Found = tuple[tuple[Gpu, ...], tuple[str, ...]]


def probe(run: Run, root: Path) -> Found:
    """Return the GPUs and what went wrong; one lost GPU does not hide the others.

    Source: ``nvidia-smi --help-query-gpu``.
    """
    try:
        gpus, problems = parse(_query(run))
    except ToolMissingError:
        return (), _without_driver(root)
    except ToolError as error:
        gpus, problems = parse(error.stdout)[0], (str(error),)
    if not gpus:
        return gpus, problems
    cuda, cuda_problem = _cuda_version(run)
    gpus = tuple(replace(gpu, cuda_version=cuda) for gpu in gpus)
    gpus, mig_problems = _with_mig(run, gpus)
    more = (p for p in (*cuda_problem, *mig_problems) if p not in problems)
    return gpus, (*problems, *more)


def _without_driver(root: Path) -> tuple[str, ...]:
    if (root / "usr/lib/wsl/lib/libcuda.so.1").exists():  # Windows' driver brings both
        return ("nvidia-smi: not installed, but Windows shares an NVIDIA GPU with WSL",)
    if not (found := plugged_in(root, "nvidia")):
        return ()
    named = f" ({found[0].name})" if found[0].name else ""
    return (
        f"nvidia-smi: not installed, but this machine has an NVIDIA GPU{named}: install its driver",
    )


def _query(run: Run) -> str:
    as_csv = "--format=csv,noheader"
    try:
        return run(["nvidia-smi", f"--query-gpu={_FIELDS},{_NEWER_FIELDS}", as_csv])
    except ToolError as error:
        # Drivers before 510 do not know the compute capability.
        if "not a valid field" not in str(error):
            raise
        rows = run(["nvidia-smi", f"--query-gpu={_FIELDS}", as_csv])
        return "".join(f"{row}{', ' * _NEWER_COLUMNS}\n" for row in rows.splitlines())


def parse(csv: str) -> Found:
    """Return the GPUs of *csv* and one problem when it holds anything else."""
    rows = [[cell.strip() for cell in row.split(",")] for row in csv.splitlines() if row.strip()]
    gpus = tuple(_gpu(row) for row in rows if _is_gpu(row))
    strange = [", ".join(row) for row in rows if not _is_gpu(row)]
    if not rows:
        return (), ("nvidia-smi: printed nothing",)
    return gpus, (f"nvidia-smi: {one_line(strange[0])}",) if strange else ()


def _is_gpu(row: list[str]) -> bool:
    return len(row) == _COLUMNS and bool(row[0]) and row[1].endswith((" MiB", "]"))


def _gpu(row: list[str]) -> Gpu:
    cells = ["" if cell.startswith("[") else cell for cell in row]
    name, total, free, driver, capability, uuid, address, mig = cells
    is_mig = mig == "Enabled"
    return Gpu(
        vendor="nvidia",
        name=name,
        memory_total_bytes=_mebibytes(total),
        memory_free_bytes=_mebibytes(free),
        driver=driver,
        compute_capability=capability,
        uuid=uuid,
        address=address.lower().removeprefix("0000"),  # its domain has eight digits
        is_integrated=row[1] == "[N/A]" and not is_mig,  # as on GB10 and Jetson
        is_mig=is_mig,
    )


def _mebibytes(cell: str) -> int | None:
    """Return the bytes of ``81559 MiB``, None for ``[N/A]``, which is how unified memory reads."""
    number = cell.removesuffix(" MiB")
    return int(number) << 20 if number.isascii() and number.isdigit() else None


def _cuda_version(run: Run) -> tuple[str, tuple[str, ...]]:
    """Return the newest CUDA that the driver runs; only the banner tells it in few words.

    Drivers from 610 on call it ``CUDA UMD Version``.
    """
    try:
        banner = run(["nvidia-smi"])
    except ToolError as error:
        return "", (str(error),)
    found = re.search(r"CUDA (?:UMD )?Version *: *(\d+\.\d+)", banner)
    return (found[1], ()) if found else ("", ("nvidia-smi: tells no CUDA version",))


def _with_mig(run: Run, gpus: tuple[Gpu, ...]) -> Found:
    if not any(gpu.is_mig for gpu in gpus):
        return gpus, ()
    devices, problems = mig_devices(run)
    parted = tuple(replace(g, mig=devices.get(g.uuid, ())) if g.is_mig else g for g in gpus)
    empty = tuple(
        f"nvidia-smi: MIG mode of the {gpu.name} is on, but it has no MIG devices to compute on: "
        "create some (nvidia-smi mig -cgi PROFILE -C), or turn it off (nvidia-smi -mig 0)"
        for gpu in parted
        if gpu.is_mig and not gpu.mig and not problems
    )
    return parted, (*problems, *empty)
