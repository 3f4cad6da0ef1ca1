"""What the engines' CUDA images ask of driver and GPU, as data with its sources."""

import re
from dataclasses import dataclass
from typing import Final

OLDEST_DRIVER: Final = {12: 525, 13: 580}
"""CUDA's major version to the oldest driver branch that runs it on Linux.

Source: https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
"""

_CUDA: Final = {"llamacpp": 12, "mistral": 13, "ollama": 12, "vllm": 13}
"""Major version of CUDA in the images whose tag does not tell it.

Sources: llama.cpp .github/workflows/docker.yml (``server-cuda`` is 12.8), mistral.rs
docs/guides/deploy/docker.md (``cuda-sm…`` is 13.1), Ollama Dockerfile (12 and 13), vLLM
docs/deployment/docker.md (13.0 since 0.20).
"""

_CAPABILITY: Final = {"llamacpp": (5, 0), "mistral": (8, 0), "ollama": (5, 0), "vllm": (7, 5)}
"""Lowest compute capability that an engine's kernels exist for.

Sources: llama.cpp ggml/src/ggml-cuda/CMakeLists.txt, mistral.rs docs/guides/deploy/docker.md,
Ollama docs/gpu.mdx, vLLM docs/getting_started/installation.
"""

_CUDA_13_CAPABILITY: Final = (7, 5)  # CUDA 13 compiles for nothing older: its release notes
_OLLAMA_DRIVER: Final = 550  # docs/gpu.mdx; capabilities below 7.0 need 570
_OLLAMA_OLD_DRIVER: Final = 570
_OLD_CAPABILITY: Final = (7, 0)

Capability = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaNeeds:
    """What one image asks.

    Attributes:
        cuda: Major version of the CUDA it holds.
        driver: Oldest driver branch.
        capability: Lowest compute capability.
        built_for: The one compute capability that its kernels are compiled for, None where
            they are for all; they run on those of the same major version that are not lower.
    """

    cuda: int
    driver: int
    capability: Capability
    built_for: Capability | None = None

    def fits(self, capability: Capability) -> bool:
        """Tell whether a GPU of *capability* can compute with it."""
        built_for = self.built_for
        if built_for and (built_for[0] != capability[0] or built_for > capability):
            return False
        return capability >= self.capability


def cuda_needs(backend: str, image: str = "", capability: Capability | None = None) -> CudaNeeds:
    """Return what *image* of the engine *backend* asks, an unknown engine as little as CUDA 12.

    Args:
        backend: The engine's kind, as the gateway's route files name it.
        image: Its reference; a tag such as ``server-cuda13-b11459`` or ``v0.31.0-cu129`` tells
            the version of CUDA, ``cuda130-sm89-0.9.4`` also the capability.
        capability: The GPU's; Ollama asks more of the driver for an old one.
    """
    tag = image.rpartition(":")[2]
    version = re.search(r"cu(?:da)?(\d\d)", tag)
    cuda = int(version[1]) if version else _CUDA.get(backend, 12)
    sm = re.search(r"sm(\d+)(\d)\b", tag)
    lowest = _CAPABILITY.get(backend, (5, 0))
    return CudaNeeds(
        cuda=cuda,
        driver=_driver(backend, cuda, capability),
        capability=max(lowest, _CUDA_13_CAPABILITY) if cuda >= 13 else lowest,  # noqa: PLR2004
        built_for=(int(sm[1]), int(sm[2])) if sm else None,
    )


def _driver(backend: str, cuda: int, capability: Capability | None) -> int:
    if backend == "ollama":  # it brings both versions of CUDA and takes the one that runs
        is_old = capability is not None and capability < _OLD_CAPABILITY
        return _OLLAMA_OLD_DRIVER if is_old else _OLLAMA_DRIVER
    return OLDEST_DRIVER.get(cuda, max(OLDEST_DRIVER.values()))


def parse_capability(text: str) -> Capability | None:
    """Return ``8.9`` as numbers, None where *text* is no such version."""
    match = re.fullmatch(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def driver_branch(text: str) -> int | None:
    """Return 580 of ``580.65.06``, None where *text* is no version."""
    match = re.match(r"(\d+)(?:\.|$)", text)
    return int(match[1]) if match else None
