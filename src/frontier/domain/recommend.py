"""What a machine should run: a stack, a model and its quantisation, with the reason; pure."""

import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from frontier.domain import catalog_shape
from frontier.domain.catalog import CatalogEntry
from frontier.domain.fit import Verdict
from frontier.domain.gpu import Accelerator, gpus_of
from frontier.domain.gpu_needs import parse_capability
from frontier.domain.machine import Machine
from frontier.domain.shape import Shape, Weights
from frontier.domain.sizing import Load
from frontier.domain.stack import Stack
from frontier.domain.units import size

Judge = Callable[[Weights, Shape, Load], Verdict | None]

_GB: Final = 10**9
_GIB: Final = 2**30

_SMALL: Final = 4 * _GB  # parameters; below them few bits are heard, and many cost little
_MANY_BITS: Final = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_0", "Q4_1")
_FEW_BITS: Final = ("MXFP4", "Q4_K_M", "UD-Q4_K_M", "Q4_0", "Q4_1", "Q5_K_M", "Q6_K", "Q8_0")
_GENEROUS: Final = ("Q8_0",)
_HUB: Final = ("MXFP4", "FP8", "BF16")
_FP8_SINCE: Final = (8, 9)

_DATA_CENTRE_BYTES: Final = 40 * _GIB  # from here on a GPU serves many at once: vLLM's case
_ORDER: Final = ("llamacpp", "ollama", "mistral", "vllm")

_PER_CORE_BYTES: Final = _GB // 2  # of weights that a processor reads for one token
_CPU_BYTES: Final = 4 * _GB
_UNIFIED_BYTES: Final = 27 * _GB
_APPLE_BYTES: Final = {"Ultra": 80 * _GB, "Max": 40 * _GB, "Pro": 20 * _GB}
_APPLE_LEAST_BYTES: Final = 10 * _GB
"""Weights that memory gives ten times a second: 800, 400, 200 and 100 GB/s by Apple's data."""

_CONTEXTS: Final = (32768, 16384, 8192, 4096)
_MAIN_SHARE: Final = 0.85  # of what is free now; browsers and page cache want the rest
_USEFUL_CONTEXT: Final = 16384
_CPU_CONTEXTS: Final = (8192, 4096)  # it reads a long prompt for minutes

_GENERATION: Final = {
    "qwen3.6": 1.2,
    "qwen3.5": 1.15,
    "gemma4": 1.1,
    "gpt-oss": 1.1,
    "qwen3-coder": 0.9,
    "qwen3-coder-next": 0.9,
    "devstral-small-2": 0.9,
    "devstral-2": 0.9,
    "llama3.2": 0.7,
    "llama3.3": 0.7,
    "phi4": 0.7,
    "phi4-mini": 0.7,
    "deepseek-r1": 0.7,
    "smollm2": 0.4,
}
"""How much more or less a family does than its size says: newer ones do more, coders less else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """One thing that a machine could run well.

    Attributes:
        stack: Folder name of the stack.
        runtime: What runs it.
        accelerator: Where its engine computes.
        model: Name in the catalog, with the quantisation behind it where that is not the first.
        quantisation: As files are named: ``Q4_K_M``, ``BF16``; "" where the catalog does not tell.
        context: Tokens of one request slot.
        needed_bytes: Weights, KV cache and engine, where the engine computes.
        free_bytes: What is there for them.
        reason: One sentence for people.
        entry: Name in the catalog.
        family: Of the model, without its number: ``qwen``.
        score: Larger is better, within one stack; below 0 it would be slow.
        rank: Of the stack on this device, smaller is better.
    """

    stack: str
    runtime: Literal["native", "docker", "hybrid"]
    accelerator: Accelerator
    model: str
    quantisation: str
    context: int
    needed_bytes: int
    free_bytes: int
    reason: str
    entry: str = ""
    family: str = ""
    score: float = 0.0
    rank: int = 0


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    quantisation: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One stack, where it would run.

    Attributes:
        judge: Tells how a model fits there.
    """

    stack: Stack
    runtime: Literal["native", "docker", "hybrid"]
    accelerator: Accelerator
    machine: Machine
    judge: Judge


def recommendation(
    site: Site, entry: CatalogEntry, *, context: int, parallel: int
) -> Recommendation | None:
    """Return the best file of *entry* for *site*, None where none fits.

    Args:
        site: Where it would run.
        entry: A model of the catalog.
        context: Tokens of one request slot; 0 is as much as is useful and fits.
        parallel: Request slots.
    """
    if entry.embedding or entry.gated:
        return None
    files = list(_files(site, entry))
    generous = [file for file in files if file.quantisation in _GENEROUS]
    for number, file in enumerate((*generous, *files)):
        for tokens in _contexts(site, entry, context):
            load = Load(context=tokens, parallel=parallel)
            weights = catalog_shape.weights_of(entry, file.size_bytes, file.quantisation)
            verdict = site.judge(weights, catalog_shape.shape_of(entry), load)
            if verdict is None or not _has_room(verdict):
                continue
            found = _recommend(site, entry, file, tokens, verdict)
            if number >= len(generous) or _is_ample(found):
                return found
            break
    return None


def _has_room(verdict: Verdict) -> bool:
    """Tell whether a model fits and, in main memory, leaves other programs some."""
    is_main = verdict.device.host_free_bytes is None and verdict.device.accelerator != "metal"
    most = verdict.free_bytes * (_MAIN_SHARE if is_main else 1.0)
    return verdict.status == "fits" and verdict.estimate.needed_bytes <= most


def _is_ample(found: Recommendation) -> bool:
    """Tell whether many bits cost neither room that others need nor patience."""
    return found.score > 0 and 2 * found.needed_bytes <= found.free_bytes


def ranked(found: Iterable[Recommendation]) -> tuple[Recommendation, ...]:
    """Return *found*, best first: GPUs, the stack made for the device, what it can do.

    The best of each family comes before the second of any, so that there is a choice.
    """
    every = sorted(found, key=lambda r: (r.accelerator == "cpu", r.rank, -r.score, r.model))
    seen, first, rest = set[str](), list[Recommendation](), list[Recommendation]()
    for one in every:
        is_first = one.family not in seen and one.score > 0 and one.rank == every[0].rank
        (first if is_first else rest).append(one)
        seen.add(one.family)
    return (*first, *rest)


def _recommend(
    site: Site, entry: CatalogEntry, file: _File, context: int, verdict: Verdict
) -> Recommendation:
    needed, free = verdict.estimate.needed_bytes, verdict.free_bytes
    can = [w for w, is_so in (("calls tools", entry.tools), ("thinks", entry.reasoning)) if is_so]
    at = f" at {file.quantisation}" if file.quantisation else ""
    slow = _read_bytes(entry, file) - _quick_bytes(site)
    can += ["is slow here"] if slow > 0 else []
    return Recommendation(
        stack=site.stack.name,
        runtime=site.runtime,
        accelerator=site.accelerator,
        model=file.name,
        quantisation=file.quantisation,
        context=context,
        needed_bytes=needed,
        free_bytes=free,
        reason=f"{entry.title or entry.name}{at} with {context:,} tokens of context takes "
        f"{size(needed)} of {size(free)} on {verdict.device.name}"
        + (f"; it {', '.join(can)}" if can else ""),
        entry=entry.name,
        family=re.split(r"[\d.]", entry.family)[0],
        score=float(-slow) if slow > 0 else _score(entry) * _room(site, context),
        rank=_rank(site, verdict),
    )


def _score(entry: CatalogEntry) -> float:
    """Return how much a model can do: its size, for experts the mean of all and of the active."""
    active = entry.active_parameters or entry.parameters
    able = 1.0 + 0.3 * entry.tools + 0.1 * entry.reasoning
    return math.sqrt(entry.parameters * active) * able * _GENERATION.get(entry.family, 1.0)


def _room(site: Site, context: int) -> float:
    """Return what a short context leaves of a model's worth; tools fill 16,384 tokens quickly."""
    return 1.0 if site.accelerator == "cpu" or context >= _USEFUL_CONTEXT else 0.8


def _rank(site: Site, verdict: Verdict) -> int:
    is_large = verdict.device.total_bytes >= _DATA_CENTRE_BYTES * max(1, verdict.device.gpus)
    has_own = verdict.device.host_free_bytes is not None
    if site.stack.backend == "vllm" and is_large and has_own:
        return -1
    known = site.stack.backend in _ORDER
    return _ORDER.index(site.stack.backend) if known else len(_ORDER)


def _files(site: Site, entry: CatalogEntry) -> Iterator[_File]:
    """Yield what the stack could take of *entry*, preferred first."""
    match site.stack.model_format:
        case "gguf":
            yield from _ggufs(site, entry)
        case "hub" if site.accelerator != "cpu" and site.stack.backend == "vllm":
            yield from _checkpoints(site, entry)
        case "ollama" if entry.ollama:
            first = next((f.weights_bytes for f in entry.quantisations if f.weights_bytes), None)
            if length := entry.ollama.about_bytes or first:
                yield _File(entry.name, "", length)
        case _:
            return


def _ggufs(site: Site, entry: CatalogEntry) -> Iterator[_File]:
    if "gguf" in entry.unverified:  # nobody has seen that these files exist
        return
    order = _MANY_BITS if entry.parameters < _SMALL else _FEW_BITS
    files = {f.name: f for f in entry.quantisations if not f.is_split and f.weights_bytes}
    for kind in order:
        file = files.get(kind)
        if file is None or (site.stack.backend == "mistral" and kind == "MXFP4"):
            continue
        is_first = file is entry.quantisations[0]
        name = entry.name if is_first else f"{entry.name}-{kind.lower()}"
        yield _File(name, kind, file.weights_bytes or 0)


def _checkpoints(site: Site, entry: CatalogEntry) -> Iterator[_File]:
    capabilities = [parse_capability(g.compute_capability) for g in gpus_of(site.machine, "cuda")]
    has_fp8 = site.accelerator == "cuda" and any(c and c >= _FP8_SINCE for c in capabilities)
    files = {c.quantisation: c for c in entry.checkpoints if c.about_bytes and not c.gated}
    for kind in _HUB:
        # the name of a model means the maker's repository, its first
        if kind in files and (kind != "FP8" or has_fp8) and files[kind] is entry.checkpoints[0]:
            yield _File(entry.name, kind, files[kind].about_bytes or 0)


def _read_bytes(entry: CatalogEntry, file: _File) -> int:
    """Return the weights that one token needs."""
    share = (entry.active_parameters or entry.parameters) / max(entry.parameters, 1)
    return round(file.size_bytes * share)


def _quick_bytes(site: Site) -> int:
    """Return the weights that the device reads for a token quickly enough for a person."""
    machine = site.machine
    if site.accelerator == "cpu":
        return min(_CPU_BYTES, machine.cpu.usable * _PER_CORE_BYTES)
    if site.accelerator == "metal" and machine.apple:
        kinds = (limit for word, limit in _APPLE_BYTES.items() if word in machine.apple.name)
        return next(kinds, _APPLE_LEAST_BYTES)
    gpus = gpus_of(machine, site.accelerator)
    own = any(gpu.memory_total_bytes and not gpu.is_integrated for gpu in gpus)
    return 2**62 if own else _UNIFIED_BYTES


def _contexts(site: Site, entry: CatalogEntry, context: int) -> Iterator[int]:
    most = entry.context or max(_CONTEXTS)
    if context:
        yield min(context, most)
        return
    for tokens in _CPU_CONTEXTS if site.accelerator == "cpu" else _CONTEXTS:
        if tokens <= most:
            yield tokens
    if most < min(_CONTEXTS):
        yield most
