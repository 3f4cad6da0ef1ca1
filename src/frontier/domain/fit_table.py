"""Every way to run a model on a machine, as rows; which one to take, and why; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from frontier.domain.candidates import Candidate
from frontier.domain.fit import Device, Status, Verdict, devices, judge
from frontier.domain.gpu import Accelerator
from frontier.domain.machine import Machine
from frontier.domain.sizing import KvType, Load, most_context
from frontier.domain.stack import Stack
from frontier.domain.units import size

_CONTEXTS: Final = (8192, 32768, 131072)
_SPREADS: Final = ("llamacpp", "ollama")
_NO_GGUF_IN_MISTRAL: Final = ("IQ", "MXFP4", "NVFP4", "TQ")


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRow:
    """One quantisation with one context in one engine on one device.

    Attributes:
        name: As `up` or the stack's own setting takes it.
        basis: Where the architecture was read.
        needed_bytes: Sum of the four before it.
        prompts_bytes: What llama.cpp's prompt cache may grow to, in main memory.
        resident_bytes: What is seen in memory while there is plenty.
        free_bytes: On the device, less what the engine leaves.
        host_needed_bytes: In main memory, beside a device with memory of its own.
        host_free_bytes: None where there is one memory.
        layers: Of the model.
        gpu_layers: Of those and of the output, which are on the GPU; None where all are or none.
        most_context: Tokens of one slot that fit at most, 0 for none.
    """

    name: str
    quantisation: str
    basis: str
    stack: str
    device: str
    accelerator: Accelerator
    context: int
    status: Status
    weights_bytes: int
    kv_bytes: int
    compute_bytes: int
    engine_bytes: int
    needed_bytes: int
    prompts_bytes: int
    resident_bytes: int
    free_bytes: int
    host_needed_bytes: int
    host_free_bytes: int | None
    layers: int
    gpu_layers: int | None
    most_context: int


def contexts(wanted: int, trained: int, *, is_only: bool) -> tuple[int, ...]:
    """Return the contexts to look at: the one that is wanted first."""
    most = trained or max(wanted, *_CONTEXTS)
    first = min(wanted, most)
    if is_only:
        return (first,)
    return (first, *(n for n in dict.fromkeys((*_CONTEXTS, most)) if first < n <= most))


def rows(
    found: Sequence[Candidate],
    machine: Machine,
    asked: Sequence[tuple[Stack, Load]],
    *,
    is_only: bool,
) -> tuple[FitRow, ...]:
    """Return every combination that could be; those that cannot be are left out.

    Args:
        found: The files of one model.
        machine: What there is to compute on.
        asked: The engines, with what is asked of each; its context is the wanted one.
        is_only: No other context is of interest.
    """
    return tuple(
        row
        for stack, load in asked
        for device in _devices(stack, machine, load.gpus)
        for candidate in found
        if _takes(stack, candidate, load.kv_type)
        for row in _of(candidate, stack, device, machine, load, is_only=is_only)
    )


def _takes(stack: Stack, candidate: Candidate, kv_type: KvType) -> bool:
    """Tell whether the engine of *stack* can load *candidate* with such a cache."""
    kind = candidate.quantisation.removeprefix("UD-")
    match stack.backend:
        case "vllm":
            return candidate.format == "hub" and kv_type != "q4_0"
        case "mistral":
            is_known = not kind.startswith(_NO_GGUF_IN_MISTRAL)
            return candidate.format == "gguf" and is_known and kv_type == "f16"
        case "ollama":
            return candidate.format == "ollama"
        case _:
            return candidate.format == stack.model_format


def _devices(stack: Stack, machine: Machine, gpus: int) -> Iterator[Device]:
    """Yield what the engine of *stack* can compute on."""
    able = {*stack.accelerators, *(("metal",) if "native" in stack.runtimes else ())}
    for device in devices(machine, limit_bytes=_limit_bytes(stack, machine)):
        is_able = device.accelerator in able or not stack.accelerators
        if is_able and (not device.gpus or stack.backend in _SPREADS):
            yield device
        elif is_able and device.gpus >= gpus and (device.gpus > 1) == (gpus > 1):
            yield _first(device, gpus)


def _first(device: Device, gpus: int) -> Device:
    """Return as many of the GPUs of *device*."""
    if device.gpus == gpus:
        return device
    return replace(
        device,
        name=f"{gpus} of {device.name}",
        total_bytes=device.total_bytes * gpus // device.gpus,
        free_bytes=device.free_bytes * gpus // device.gpus,
        gpus=gpus,
    )


def _limit_bytes(stack: Stack, machine: Machine) -> int | None:
    """Return what Docker Desktop's machine has, where the engine runs only in there."""
    if "native" in stack.runtimes or machine.docker_desktop is None or machine.memory is None:
        return None
    return machine.docker_desktop.memory_bytes or machine.memory.total_bytes // 2


def _of(
    candidate: Candidate,
    stack: Stack,
    device: Device,
    machine: Machine,
    load: Load,
    *,
    is_only: bool,
) -> Iterator[FitRow]:
    features = machine.cpu.features

    def verdict(tokens: int) -> Verdict:
        asked = replace(load, context=tokens)
        weights, shape = candidate.weights, candidate.shape
        return judge(stack.backend, device, weights, shape, asked, features=features)

    trained = candidate.shape.context
    most = most_context(lambda n: verdict(n).status == "fits", trained or max(_CONTEXTS))
    for tokens in contexts(load.context, trained, is_only=is_only):
        yield _row(candidate, stack, tokens, verdict(tokens), most)


def _row(candidate: Candidate, stack: Stack, context: int, verdict: Verdict, most: int) -> FitRow:
    found, device = verdict.estimate, verdict.device
    return FitRow(
        name=candidate.name,
        quantisation=candidate.quantisation,
        basis=candidate.basis,
        stack=stack.name,
        device=device.name,
        accelerator=device.accelerator,
        context=context,
        status=verdict.status,
        weights_bytes=found.weights_bytes,
        kv_bytes=found.kv_bytes,
        compute_bytes=found.compute_bytes,
        engine_bytes=found.engine_bytes,
        needed_bytes=found.needed_bytes,
        prompts_bytes=found.prompts_bytes,
        resident_bytes=found.resident_bytes,
        free_bytes=verdict.free_bytes,
        host_needed_bytes=verdict.host_needed_bytes,
        host_free_bytes=device.host_free_bytes,
        layers=candidate.shape.layers,
        gpu_layers=verdict.gpu_layers,
        most_context=most,
    )


def choose(found: Sequence[FitRow], context: int, stack: str) -> FitRow | None:
    """Return the row to take, None where nothing fits.

    A GPU that holds all comes before one that holds a part, and this before the processor; then
    the stack in use; then on a GPU the most bits, on the processor the fewest.

    Args:
        found: All rows.
        context: What was wanted; only rows with so much, or all that the model has, count.
        stack: The stack in use.
    """

    def order(row: FitRow) -> tuple[bool, bool, bool, int]:
        is_cpu = row.accelerator == "cpu"
        weight = row.weights_bytes if is_cpu or row.status == "partly" else -row.weights_bytes
        return is_cpu, row.status != "fits", row.stack != stack, weight

    fitting = [row for row in found if row.status != "no" and row.context <= context]
    return min(fitting, key=order, default=None)


def explain(row: FitRow) -> str:
    """Return why *row* is what to take, in one sentence."""
    what = " ".join(filter(None, (row.name, row.quantisation and f"({row.quantisation})")))
    said = (
        f"{what} in {row.stack} on {row.device}: {row.context:,} tokens of context need "
        f"{size(row.needed_bytes)} of the {size(row.free_bytes)} that are free"
    )
    if row.status == "partly":
        return (
            f"{what} in {row.stack}: {row.gpu_layers} of {row.layers} layers fit on {row.device} "
            f"({size(row.free_bytes)} free), the processor computes the rest from "
            f"{size(row.host_needed_bytes)} of main memory, which is slower"
        )
    if row.most_context > row.context:
        return f"{said}; up to {row.most_context:,} tokens would fit"
    return said
