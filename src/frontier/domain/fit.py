"""Whether a model fits into memory, said in bytes before anything is loaded."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final, Literal

from frontier.domain.errors import DoesNotFitError
from frontier.domain.gpu import Accelerator, gpus_of
from frontier.domain.machine import Gpu, Machine
from frontier.domain.shape import Shape, Weights
from frontier.domain.sizing import MARGIN_BYTES, Estimate, Load, estimate, offloadable_layers
from frontier.domain.units import size

Status = Literal["fits", "partly", "no"]

_LLAMA: Final = ("llamacpp", "ollama")
_MAC_SHARE: Final = 0.75
"""Of a Mac's memory that a model may have; source: llama.cpp's Mac app, ``CatalogEntry``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Memory that an engine can compute in.

    Attributes:
        name: For people.
        total_bytes: All of it; vLLM takes its share of this.
        free_bytes: What a new engine could get.
        host_free_bytes: Free main memory, where the device has memory of its own; else None.
        gpus: How many work together; 0 is the processor.
    """

    name: str
    accelerator: Accelerator
    total_bytes: int
    free_bytes: int
    host_free_bytes: int | None = None
    gpus: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one model with one load fits into one device.

    Attributes:
        estimate: With everything on the device.
        free_bytes: On the device, less what the engine leaves.
        host_needed_bytes: In main memory beside a device of its own memory, as it will be.
        gpu_layers: Layers that the device holds, None where that is no question.
    """

    device: Device
    estimate: Estimate
    status: Status
    free_bytes: int
    host_needed_bytes: int = 0
    gpu_layers: int | None = None


def free_bytes(machine: Machine, *, held_bytes: int, limit_bytes: int | None = None) -> int | None:
    """Return the main memory a new engine could get, None where it is unknown.

    Args:
        machine: Its available memory counts.
        held_bytes: Memory of our own processes that give way to the new engine.
        limit_bytes: What Docker can give its containers at most, None for no such limit.
    """
    if machine.memory is None:
        return limit_bytes
    free = machine.memory.available_bytes + held_bytes
    return free if limit_bytes is None else min(free, limit_bytes)


def devices(
    machine: Machine, *, held_bytes: int = 0, limit_bytes: int | None = None
) -> tuple[Device, ...]:
    """Return what *machine* can compute in: GPUs first, the processor last.

    Several GPUs of a kind are one device together, after the one of them with most room. Where
    an engine of ours gives way, GPUs count as empty: nobody tells what it holds there.
    """
    host = free_bytes(machine, held_bytes=held_bytes, limit_bytes=limit_bytes)
    found = list[Device]()
    if host is not None and (metal := _metal(machine, host)):
        found.append(metal)
    kinds: tuple[Accelerator, ...] = ("cuda", "rocm")
    for kind in kinds:
        found += _of_kind(gpus_of(machine, kind), kind, host, is_emptied=held_bytes > 0)
    if host is not None:
        found.append(_processor(machine, host))
    return tuple(found)


def _processor(machine: Machine, host: int) -> Device:
    total = machine.memory.ceiling_bytes if machine.memory else host
    return Device(name="CPU", accelerator="cpu", total_bytes=total, free_bytes=host)


def _metal(machine: Machine, host: int) -> Device | None:
    if machine.apple is None or machine.arch != "arm64":
        return None
    most = int(machine.apple.unified_memory_bytes * _MAC_SHARE)
    share = min(most, machine.apple.gpu_memory_bytes or most)
    if machine.apple.gpu_memory_source == "set":  # the owner has decided it
        share = machine.apple.gpu_memory_bytes or most
    return Device(
        name=f"{machine.apple.name} (Metal)",
        accelerator="metal",
        total_bytes=share,
        free_bytes=min(share, host),
        gpus=1,
    )


def device_of(
    machine: Machine,
    accelerator: Accelerator,
    *,
    engine: str,
    held_bytes: int = 0,
    limit_bytes: int | None = None,
) -> Device | None:
    """Return where *engine* will compute; None where its memory is unknown.

    llama.cpp spreads a model over all GPUs, the others take one.
    """
    every = devices(machine, held_bytes=held_bytes, limit_bytes=limit_bytes)
    found = [device for device in every if device.accelerator == accelerator]
    if not found:
        return None
    return found[-1] if engine in _LLAMA else found[0]


def _of_kind(
    gpus: list[Gpu], kind: Accelerator, host: int | None, *, is_emptied: bool
) -> list[Device]:
    if not gpus:
        return []
    if is_emptied:
        gpus = [replace(g, memory_free_bytes=None) for g in gpus]
    known = [g for g in gpus if g.largest_total_bytes and not g.is_integrated]
    if not known:
        unified = [g for g in gpus if not g.is_mig]
        return [_unified(unified[0], kind, host)] if unified and host is not None else []
    largest = max(known, key=_free)
    found = [_device([largest], largest.name, kind, host)]
    whole = [g for g in known if not g.is_mig]  # a program sees one MIG device, or whole GPUs
    if len(whole) > 1:
        name = max(whole, key=_free).name
        found.append(_device(whole, f"{len(whole)} x {name}", kind, host))
    return found


def _unified(gpu: Gpu, kind: Accelerator, host: int) -> Device:
    """Return one memory for processor and GPU: what is kept for the GPU, or all, if that is more.

    Source: drivers/gpu/drm/amd/amdgpu, ``apu_prefer_gtt``.
    """
    main = min(host, gpu.memory_shared_bytes or host)
    return Device(
        name=gpu.name,
        accelerator=kind,
        total_bytes=max(gpu.memory_total_bytes or 0, main),
        free_bytes=max(_free(gpu), main),
        gpus=1,
    )


def _device(gpus: list[Gpu], name: str, kind: Accelerator, host: int | None) -> Device:
    return Device(
        name=name,
        accelerator=kind,
        total_bytes=sum(gpu.largest_total_bytes or 0 for gpu in gpus),
        free_bytes=sum(map(_free, gpus)),
        host_free_bytes=host or 0,
        gpus=len(gpus),
    )


def _free(gpu: Gpu) -> int:
    free = gpu.largest_free_bytes
    return (gpu.largest_total_bytes or 0) if free is None else free


def judge(
    engine: str,
    device: Device,
    weights: Weights,
    shape: Shape,
    load: Load,
    *,
    features: Collection[str] = (),
) -> Verdict:
    """Return how a model fits; see `estimate` for the arguments."""
    found = estimate(engine, device.accelerator, weights, shape, load, features=features)
    if engine in _LLAMA:
        found = _on_each(found, device.gpus)
    free = _usable(engine, device, load)
    host_free = device.host_free_bytes
    if host_free is not None and engine in _LLAMA:
        return _offloaded(device, found, weights, shape, free)
    fits = found.needed_bytes <= free and found.host_bytes <= (host_free or found.host_bytes)
    return Verdict(
        device=device,
        estimate=found,
        status="fits" if fits else "no",
        free_bytes=free,
        host_needed_bytes=0 if host_free is None else found.host_bytes,
    )


def _on_each(found: Estimate, gpus: int) -> Estimate:
    """Return *found* for several GPUs: each has buffers and a driver's context of its own."""
    if gpus <= 1:
        return found
    compute, engine = found.compute_bytes * gpus, found.engine_bytes * gpus
    return replace(found, compute_bytes=compute, engine_bytes=engine)


def _usable(engine: str, device: Device, load: Load) -> int:
    """Return what *engine* takes of what is free."""
    if device.accelerator == "cpu":
        return device.free_bytes
    if engine == "vllm":  # it does not start where its share is not free
        share = int(device.total_bytes * load.share)
        return share if share <= device.free_bytes else 0
    if engine in _LLAMA and device.host_free_bytes is not None:
        return max(0, device.free_bytes - MARGIN_BYTES * device.gpus)
    return device.free_bytes


def _offloaded(
    device: Device, found: Estimate, weights: Weights, shape: Shape, free: int
) -> Verdict:
    """Return the verdict on llama.cpp, which leaves layers to the processor."""
    layers = offloadable_layers(found, weights, shape, free)
    left = max(0, shape.layers - layers) / max(shape.layers, 1)
    stays = round(left * (weights.layer_bytes + found.kv_bytes))
    host = found.host_bytes + stays
    status: Status = "fits" if layers > shape.layers else "partly" if layers else "no"
    if host > (device.host_free_bytes or 0):
        status = "no"
    return Verdict(
        device=device,
        estimate=found,
        status=status,
        free_bytes=free,
        host_needed_bytes=host,
        gpu_layers=layers,
    )


def require(name: str, verdict: Verdict) -> None:
    """Refuse what does not fit.

    Raises:
        DoesNotFitError: needed and present, in bytes.
    """
    if verdict.status != "no":
        return
    needed, free = verdict.estimate.needed_bytes, verdict.free_bytes
    where = "memory" if verdict.device.host_free_bytes is None else verdict.device.name
    if verdict.host_needed_bytes > (verdict.device.host_free_bytes or needed):
        needed, free = verdict.host_needed_bytes, verdict.device.host_free_bytes or 0
        where = "main memory beside the GPU"
    raise DoesNotFitError(
        f"{name} does not fit into {where}: it needs about {needed:,} bytes, {free:,} are there",
        hint=f"A smaller MAX_CONTEXT_LENGTH, or what this tells: frontier models fit {name}",
    )


def prompt_warning(verdict: Verdict) -> str:
    """Return what to do where the prompt cache may outgrow memory some day, "" where it fits."""
    found, device = verdict.estimate, verdict.device
    left = device.free_bytes - found.needed_bytes
    if device.host_free_bytes is not None:
        left = device.host_free_bytes - verdict.host_needed_bytes
    if verdict.status == "no" or left >= found.prompts_bytes:
        return ""
    return (
        f"the prompt cache may grow to {size(found.prompts_bytes)}, and {size(max(0, left))} are "
        f"left for it: frontier config set CACHE_SIZE {max(0, left) >> 20}"
    )
