"""NVIDIA GPUs, as nvidia-smi lists them."""

from pathlib import Path

from frontier.adapters.machine.pci import has_gpu
from frontier.adapters.machine.tools import Run, ToolError, ToolMissingError, one_line
from frontier.domain.machine import Gpu

_FIELDS = "name,memory.total,memory.free,driver_version"
_COLUMNS = 5


def probe(run: Run, root: Path) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
    """Return the GPUs and what went wrong; one lost GPU does not hide the others.

    Source: ``nvidia-smi --help-query-gpu``.
    """
    try:
        return parse(_query(run, f"{_FIELDS},compute_cap"))
    except ToolMissingError:
        missing = (
            "nvidia-smi: not installed, but this machine has an NVIDIA GPU: install its driver"
        )
        return (), (missing,) if has_gpu(root, "nvidia") else ()
    except ToolError as error:
        return parse(error.stdout)[0], (str(error),)


def _query(run: Run, fields: str) -> str:
    try:
        return run(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"])
    except ToolError as error:
        # Drivers before 510 do not know the compute capability.
        if "not a valid field" not in str(error):
            raise
        rows = run(["nvidia-smi", f"--query-gpu={_FIELDS}", "--format=csv,noheader"])
        return "".join(f"{row}, \n" for row in rows.splitlines())


def parse(csv: str) -> tuple[tuple[Gpu, ...], tuple[str, ...]]:
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
    name, total, free, driver, capability = ("" if cell.startswith("[") else cell for cell in row)
    return Gpu(
        vendor="nvidia",
        name=name,
        memory_total_bytes=_mebibytes(total),
        memory_free_bytes=_mebibytes(free),
        driver=driver,
        compute_capability=capability,
    )


def _mebibytes(cell: str) -> int | None:
    """Return the bytes of ``81559 MiB``, None for ``[N/A]``, which is how unified memory reads."""
    number = cell.removesuffix(" MiB")
    return int(number) << 20 if number.isascii() and number.isdigit() else None
