"""Where an engine computes, in its own words: parsers of its log and its API; pure."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from frontier.domain.units import size

Source = Literal["log", "api"]

_MIB: Final = 2**20
# some engines colour their log where they take it for a terminal
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """Where an engine computes.

    Attributes:
        device: ``CPU``, or as the engine calls the GPU: ``CUDA0 (NVIDIA L4)``.
        offloaded_layers: Layers on the GPU and layers of the model; None where the engine does
            not tell.
        vram_bytes: Of the model's weights in the GPU's memory; Ollama's number is the cache, too.
        total_bytes: Of the model altogether; None where the engine does not tell.
        source: Where the engine said it.
        evidence: The line or the fields themselves.
    """

    device: str
    offloaded_layers: tuple[int, int] | None = None
    vram_bytes: int | None = None
    total_bytes: int | None = None
    source: Source
    evidence: str

    @property
    def is_gpu(self) -> bool:
        """Tell whether a GPU computes at least a part."""
        return self.device != "CPU"

    @property
    def is_partial(self) -> bool:
        """Tell whether the processor computes a part that could be the GPU's."""
        if not self.is_gpu:
            return False
        if self.offloaded_layers:
            return self.offloaded_layers[0] < self.offloaded_layers[1]
        known = self.vram_bytes is not None and self.total_bytes is not None
        return known and (self.vram_bytes or 0) < (self.total_bytes or 0)

    def __str__(self) -> str:
        """Return one cell of a table: device and share."""
        if self.offloaded_layers and self.is_gpu:
            on_gpu, layers = self.offloaded_layers
            return f"{self.device}, {on_gpu}/{layers} layers"
        if self.is_partial:
            return f"{self.device}, {size(self.vram_bytes or 0)} of {size(self.total_bytes or 0)}"
        return self.device


def from_log(backend: str, lines: Sequence[str]) -> Compute | None:
    """Return what the last start in the log of an engine tells, None where it tells nothing.

    Args:
        backend: The engine's kind, as the gateway's route files name it.
        lines: The log, oldest first; earlier starts may be in it.
    """
    parser = _LOGS.get(backend)
    return parser([_COLOUR.sub("", line).rstrip() for line in lines]) if parser else None


def _since(lines: Sequence[str], start: str) -> Sequence[str]:
    """Return the lines from the last one that holds *start*, all where none does."""
    last = max((i for i, line in enumerate(lines) if start in line), default=0)
    return lines[last:]


def _last(lines: Iterable[str], pattern: str) -> re.Match[str] | None:
    found = (match for line in lines if (match := re.search(pattern, line)))
    return next(reversed(list(found)), None)


def _line(match: re.Match[str]) -> str:
    """Return the line of *match* from what matters on, without time and level."""
    return match.string[match.start() :].strip()


def _llamacpp(lines: Sequence[str]) -> Compute | None:
    """Source: llama.cpp src/llama-model.cpp, ``load_tensors``; src/llama.cpp, ``using device``."""
    lines = _since(lines, "load_model: loading model")
    offloaded = _last(lines, r"load_tensors: offloaded (\d+)/(\d+) layers to GPU")
    buffers = _buffers(lines)
    on_gpu = {name: mib for name, mib in buffers.items() if not _is_host(name)}
    if offloaded is None and not buffers:
        return None
    layers = (int(offloaded[1]), int(offloaded[2])) if offloaded else None
    if not on_gpu or (layers and layers[0] == 0):
        evidence = offloaded or _last(lines, r"load_tensors: +\S+ model buffer size .*")
        return Compute(
            device="CPU",
            offloaded_layers=layers,
            source="log",
            evidence=_line(evidence) if evidence else "",
        )
    evidence = offloaded or _last(lines, rf"load_tensors: +{next(iter(on_gpu))} model buffer .*")
    return Compute(
        device=_named_devices(lines, on_gpu),
        offloaded_layers=layers,
        vram_bytes=int(sum(on_gpu.values()) * _MIB),
        source="log",
        evidence=_line(evidence) if evidence else "",
    )


def _buffers(lines: Iterable[str]) -> dict[str, float]:
    """Map each buffer of the model's weights to its MiB: ``CUDA0``, ``CPU_Mapped``."""
    pattern = re.compile(r"load_tensors: +(\S+) model buffer size += *([\d.]+) MiB")
    found = (match for line in lines if (match := pattern.search(line)))
    return {match[1]: float(match[2]) for match in found}


def _is_host(buffer: str) -> bool:
    """Tell whether a buffer lies in the host's memory: ``CPU``, ``CPU_REPACK``, ``CUDA_Host``."""
    return buffer.startswith(("CPU", "BLAS", "AMX")) or buffer.endswith("_Host")


def _named_devices(lines: Sequence[str], buffers: Iterable[str]) -> str:
    """Return the devices of *buffers* with the names that their drivers give them."""
    pattern = re.compile(r"using device (\S+) \(([^()]*(?:\([^()]*\)[^()]*)*)\)")
    found = (match for line in lines if (match := pattern.search(line)))
    names = {match[1]: match[2] for match in found}
    devices = dict.fromkeys(_device_of(buffer) for buffer in buffers)
    return ", ".join(f"{d} ({names[d]})" if d in names else d for d in devices)


def _device_of(buffer: str) -> str:
    return re.sub(r"_(Mapped|Private|Split)$", "", buffer)


def _ollama(lines: Sequence[str]) -> Compute | None:
    """Return what Ollama's runner said, else what Ollama found when it started.

    Source: Ollama llm/llama_server.go (the runner is llama.cpp's server), discover/types.go.
    """
    lines = _since(lines, 'msg="discovering available GPUs')
    if found := _llamacpp(_since(lines, "starting llama-server")):
        return found
    match = _last(lines, r'msg="inference compute".*')
    if match is None:
        return None
    fields = dict(re.findall(r'(\w+)=("[^"]*"|\S*)', match[0]))
    library, name = (fields.get(key, "").strip('"') for key in ("library", "name"))
    described = fields.get("description", "").strip('"') or name
    device = "CPU" if library.lower() == "cpu" else f"{name or library} ({described})"
    return Compute(device=device, source="log", evidence=_line(match))


def _vllm(lines: Sequence[str]) -> Compute | None:
    """Return the device of the engine; its metrics cannot tell: a CPU fills the same gauges.

    Source: vLLM vllm/config/vllm.py (``device_config=``), vllm/v1/worker/gpu_model_runner.py.
    """
    lines = _since(lines, "Initializing a V1 LLM engine")
    device = _last(lines, r"device_config=([\w:]+)")
    if device is None:
        return None
    if device[1] == "cpu":
        return Compute(device="CPU", source="log", evidence=device[0])
    loaded = _last(lines, r"Model loading took ([\d.]+) GiB")
    weights = int(float(loaded[1]) * 2**30) if loaded else None
    evidence = ", ".join(match[0] for match in (device, loaded) if match)
    return Compute(device=device[1].upper(), vram_bytes=weights, source="log", evidence=evidence)


def _mistral(lines: Sequence[str]) -> Compute | None:
    """Return the device of each range of layers.

    Source: mistral.rs mistralrs-core/src/device_map.rs (``Layers 0-29: cuda[0] (80 GB)``).
    """
    lines = _since(lines, "repeating layer mappings")
    pattern = re.compile(r"Layers? (\d+)(?:-(\d+))?: ((?:cpu|cuda|metal)(?:\[\d+\])?)")
    found = [match for line in lines if (match := pattern.search(line))]
    if not found:
        return None
    counts = dict[str, int]()
    for match in found:
        layers = int(match[2] or match[1]) - int(match[1]) + 1
        counts[match[3]] = counts.get(match[3], 0) + layers
    gpus = [name for name in counts if name != "cpu"]
    on_gpu = sum(counts[name] for name in gpus)
    return Compute(
        device=", ".join(gpus) or "CPU",
        offloaded_layers=(on_gpu, sum(counts.values())),
        source="log",
        evidence="; ".join(_line(match) for match in found),
    )


_LOGS: Final[Mapping[str, Callable[[Sequence[str]], Compute | None]]] = {
    "llamacpp": _llamacpp,
    "mistral": _mistral,
    "ollama": _ollama,
    "vllm": _vllm,
}


def from_ollama_ps(document: Mapping[str, Any]) -> Compute | None:
    """Return where the models of ``GET /api/ps`` lie, None while none is loaded.

    Source: Ollama api/types.go, ``ProcessModelResponse``.
    """
    models: list[Mapping[str, Any]] = document.get("models") or []
    sizes = [(int(m.get("size", 0)), int(m.get("size_vram", 0))) for m in models]
    total, vram = sum(s for s, _ in sizes), sum(v for _, v in sizes)
    if not total:
        return None
    fields = [{k: m.get(k) for k in ("name", "size", "size_vram")} for m in models]
    return Compute(
        device="GPU" if vram else "CPU",
        vram_bytes=vram,
        total_bytes=total,
        source="api",
        evidence=json.dumps(fields),
    )


def from_mistral_info(document: Mapping[str, Any]) -> Compute | None:
    """Return the processor where ``GET /v1/system/info`` shows a build that knows nothing else.

    A build for a GPU may still compute on the processor, so that only its log proves anything.

    Source: mistral.rs mistralrs-core/src/diagnostics.rs, ``SystemInfo``.
    """
    build: Mapping[str, Any] = document.get("build") or {}
    facts = {key: build.get(key) for key in ("cuda", "metal")}
    if not build or any(facts.values()):
        return None
    return Compute(device="CPU", source="api", evidence=f"build {json.dumps(facts)}")


def listed_devices(output: str) -> tuple[str, ...]:
    """Return the names that ``llama-server --list-devices`` prints, the processor left out.

    Source: llama.cpp common/arg.cpp: ``  CUDA0: NVIDIA L4 (22563 MiB, 22341 MiB free)``.
    """
    _, _, listed = output.partition("Available devices:")
    return tuple(re.findall(r"^ +(\w+): .*MiB", listed, re.MULTILINE))
