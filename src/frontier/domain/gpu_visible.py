"""Which GPUs the environment leaves to programs: what CUDA and ROCm read before they look."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from frontier.domain.machine import Gpu, Vendor

_VARIABLES: Final[dict[Vendor, tuple[str, ...]]] = {
    "nvidia": ("CUDA_VISIBLE_DEVICES",),
    "amd": ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"),
    "intel": (),
}


def hide(gpus: Sequence[Gpu], environ: Mapping[str, str]) -> tuple[Gpu, ...]:
    """Return *gpus*, those of one vendor in the order of their driver, with what is hidden.

    Numbers count in the order of the driver's tool; CUDA itself may put the fastest one first
    where GPUs differ, unless CUDA_DEVICE_ORDER is PCI_BUS_ID.

    Sources: CUDA C++ Programming Guide, "CUDA Environment Variables";
    https://rocm.docs.amd.com, "GPU isolation techniques".
    """
    left = tuple(gpus)
    for name in _VARIABLES[gpus[0].vendor] if gpus else ():
        if name in environ:
            left = _after(name, environ[name], left)
    return left


def _after(name: str, value: str, gpus: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    wanted = [word.strip() for word in value.split(",")]
    numbered = [gpu for gpu in gpus if not gpu.hidden_by]  # a second variable counts what is left
    chosen: list[Gpu] = []
    for word in wanted:
        found = [gpu for i, gpu in enumerate(numbered) if _is_meant(word, i, gpu)]
        if not found:
            break  # what stands behind a word that names nothing does not count
        chosen += found
    said = f"{name}={value}"
    return tuple(
        _with_parts(gpu, wanted) if gpu in chosen else replace(gpu, hidden_by=gpu.hidden_by or said)
        for gpu in gpus
    )


def _is_meant(word: str, index: int, gpu: Gpu) -> bool:
    if word.startswith("MIG-"):
        return any(part.uuid.startswith(word) for part in gpu.mig)
    if word.startswith("GPU-"):
        return gpu.uuid.startswith(word)
    return word == str(index)


def _with_parts(gpu: Gpu, wanted: list[str]) -> Gpu:
    """Return *gpu* with the MIG devices that are named, all where none is."""
    parts = tuple(
        p for p in gpu.mig if any(p.uuid.startswith(w) for w in wanted if w[:4] == "MIG-")
    )
    return replace(gpu, mig=parts or gpu.mig)
