"""How mistral.rs is compiled for a machine: its release, and features that follow from hardware."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Final, Literal

from frontier.domain.errors import RefusedError, UsageError
from frontier.domain.machine import Machine
from frontier.domain.toolchain import JOB_BYTES, Toolchain, version

Accelerator = Literal["metal", "cuda", "cpu"]
Method = Literal["cargo", "image", "prebuilt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One published version of an engine's sources.

    Attributes:
        rust: Oldest Rust that compiles it.
        features: What can be compiled in.
    """

    crate: str
    version: str
    binary: str
    rust: str
    features: tuple[str, ...]


MISTRAL: Final = Release(
    crate="mistralrs-cli",
    version="0.8.1",
    binary="mistralrs",
    rust="1.88",
    features=(
        *("accelerate", "metal", "mkl", "ring"),
        *("cuda", "cudnn", "flash-attn", "flash-attn-v3", "nccl"),
    ),
)
"""The newest mistral.rs on crates.io; 0.9 is published as binaries and images only."""

_IMPLIES: Final = dict.fromkeys(("cudnn", "flash-attn", "flash-attn-v3", "nccl"), "cuda")
_OLDEST_CAPABILITY: Final = (8, 0)
_HOPPER: Final = (9, 0)
_HOPPER_TOOLKIT: Final = (12, 3)
_VECTORS: Final = frozenset({"avx2", "fma", "f16c"})
CUDA_BASE_IMAGE: Final = "nvidia/cuda:{toolkit}.0-cudnn-runtime-ubuntu24.04"
"""Image with the libraries that a program of that CUDA toolkit loads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for; the command line first, then settings.

    Attributes:
        accelerator: Of the command line.
        features: Of the command line, "" for those that follow from the hardware.
        metal: ENABLE_METAL, None where it is not set.
        cuda: ENABLE_CUDA, None where it is not set.
        setting: ACCELERATOR.
    """

    accelerator: Literal["auto", "metal", "cuda", "cpu"] = "auto"
    features: str = ""
    metal: bool | None = None
    cuda: bool | None = None
    setting: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that decides what a compiled engine is.

    Attributes:
        features: Compiled in, sorted.
        capability: CUDA compute capability it is compiled for, "" without CUDA.
        toolkit: Version of the CUDA toolkit, "" without CUDA.
        target: Rust's name of the platform.
        rustc: Version of the compiler.
        rustflags: Flags of the compiler, such as the instruction set.
        jobs: Compilers at a time; does not change the result.
        reasons: Each decision with its cause; does not change the result.
    """

    version: str
    accelerator: Accelerator
    features: tuple[str, ...] = ()
    capability: str = ""
    toolkit: str = ""
    target: str = ""
    rustc: str = ""
    rustflags: str = ""
    jobs: int = 0
    reasons: tuple[str, ...] = ()

    @property
    def inputs(self) -> dict[str, object]:
        """Return what the result depends on."""
        return {k: v for k, v in asdict(self).items() if k not in ("jobs", "reasons")}

    @property
    def key(self) -> str:
        """Return 12 hex digits that are equal for equal inputs."""
        return hashlib.sha256(json.dumps(self.inputs, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def env(self) -> dict[str, str]:
        """Return the variables that cargo and the crates' build scripts read."""
        env = {"CARGO_BUILD_JOBS": str(self.jobs)} if self.jobs else {}
        if self.rustflags:
            env["RUSTFLAGS"] = self.rustflags
        if self.capability:
            env["CUDA_COMPUTE_CAP"] = self.capability.replace(".", "")
        return env


@dataclass
class _Decisions:
    """Features as they are decided, and why."""

    features: set[str] = field(default_factory=set[str])
    reasons: list[str] = field(default_factory=list[str])

    def add(self, feature: str, reason: str) -> None:
        self.features.add(feature)
        self.reasons.append(f"{feature}: {reason}")


def accelerator_of(wish: Wish, machine: Machine) -> tuple[Accelerator, str]:
    """Return what mistral.rs should compute on, and why.

    Raises:
        RefusedError: there is no such hardware, or mistral.rs cannot use it.
        UsageError: the settings contradict each other, or a feature is unknown.
    """
    chosen, why = _asked(wish, machine)
    if chosen == "metal" and machine.apple is None:
        raise RefusedError(
            f"Metal was asked for ({why}), but this machine has no Apple silicon",
            hint="frontier stack build mistral --accelerator auto",
        )
    if chosen == "cuda":
        _require_cuda(machine, why)
    return chosen, why


def _asked(wish: Wish, machine: Machine) -> tuple[Accelerator, str]:
    if wish.features:
        given = _parsed(wish.features)
        chosen: Accelerator = "metal" if "metal" in given else "cuda" if "cuda" in given else "cpu"
        if wish.accelerator not in ("auto", chosen):
            raise UsageError(
                f"--accelerator {wish.accelerator} and --features {wish.features} contradict",
                hint="Leave one of them out.",
            )
        return chosen, f"--features {wish.features}"
    if wish.accelerator != "auto":
        return wish.accelerator, f"--accelerator {wish.accelerator}"
    if wish.metal and wish.cuda:
        raise UsageError("ENABLE_METAL and ENABLE_CUDA are both on", hint="Turn one of them off.")
    if wish.metal or wish.cuda:
        return ("metal", "ENABLE_METAL=true") if wish.metal else ("cuda", "ENABLE_CUDA=true")
    if wish.setting == "rocm":
        raise RefusedError(
            "mistral.rs has no ROCm support (ACCELERATOR=rocm)",
            hint="frontier stack build mistral --accelerator cpu, or use the stack llamacpp",
        )
    if wish.setting != "auto":
        return _known(wish.setting), f"ACCELERATOR={wish.setting}"
    return _found(wish, machine)


def _known(setting: str) -> Accelerator:
    return "metal" if setting == "metal" else "cuda" if setting == "cuda" else "cpu"


def _found(wish: Wish, machine: Machine) -> tuple[Accelerator, str]:
    """Return what the hardware calls for."""
    if machine.apple and wish.metal is not False:
        return "metal", f"{machine.apple.name} computes with Metal"
    if gpus := [gpu.name for gpu in machine.gpus if gpu.vendor == "nvidia"]:
        if wish.cuda is not False:
            return "cuda", f"NVIDIA GPU: {gpus[0]}"
        return "cpu", "ENABLE_CUDA=false"
    if machine.gpus:
        gpu = machine.gpus[0]
        lacks = "ROCm" if gpu.vendor == "amd" else "Vulkan"
        return "cpu", f"mistral.rs cannot use {gpu.name}: it has no {lacks} support"
    return "cpu", "ENABLE_METAL=false" if machine.apple else "no GPU found"


def _require_cuda(machine: Machine, why: str) -> None:
    hint = "frontier stack build mistral --accelerator cpu"
    if not (capabilities := _capabilities(machine)):
        known = any(gpu.vendor == "nvidia" for gpu in machine.gpus)
        missing = "its driver tells no compute capability" if known else "there is no NVIDIA GPU"
        raise RefusedError(f"CUDA was asked for ({why}), but {missing}", hint=hint)
    if min(capabilities) < _OLDEST_CAPABILITY:
        lowest = ".".join(map(str, min(capabilities)))
        raise RefusedError(
            f"mistral.rs needs compute capability 8.0 (Ampere) or newer, this machine has {lowest}",
            hint=hint,
        )


def _capabilities(machine: Machine) -> list[tuple[int, ...]]:
    nvidia = [gpu for gpu in machine.gpus if gpu.vendor == "nvidia"]
    return [version(gpu.compute_capability) for gpu in nvidia if gpu.compute_capability]


def _parsed(features: str) -> set[str]:
    """Return the names in *features* and what they imply.

    Raises:
        UsageError: one is unknown.
    """
    given = set(features.replace(",", " ").split())
    if unknown := given.difference(MISTRAL.features):
        raise UsageError(
            f"mistral.rs {MISTRAL.version} has no feature {min(unknown)!r}",
            hint=f"Known: {', '.join(MISTRAL.features)}.",
        )
    return given | {_IMPLIES[name] for name in given if name in _IMPLIES}


def decide(wish: Wish, machine: Machine, tools: Toolchain) -> Recipe:
    """Return how to compile mistral.rs, with the reason of every decision.

    Raises:
        RefusedError: what was asked for cannot work on this machine.
        UsageError: what was asked for contradicts itself.
    """
    accelerator, why = accelerator_of(wish, machine)
    decided = _Decisions(reasons=[f"accelerator: {accelerator}, because {why}"])
    if wish.features:
        for name in sorted(_parsed(wish.features)):
            decided.add(name, "asked for")
    elif accelerator == "metal":
        decided.add("metal", "Apple silicon")
    elif accelerator == "cuda":
        _cuda(decided, machine, tools)
    elif machine.os == "macos":
        decided.add("accelerate", "Apple's own linear algebra on a Mac's processor")
    if not decided.features:
        decided.reasons.append("features: none, the portable kernels of the processor")
    rustflags = _rustflags(decided, machine, tools)
    jobs = _jobs(decided, machine, accelerator)
    capability = min(_capabilities(machine)) if accelerator == "cuda" else ()
    return Recipe(
        version=MISTRAL.version,
        accelerator=accelerator,
        features=tuple(sorted(decided.features)),
        capability=".".join(map(str, capability)),
        toolkit=tools.nvcc if accelerator == "cuda" else "",
        target=tools.target,
        rustc=tools.rustc,
        rustflags=rustflags,
        jobs=jobs,
        reasons=tuple(decided.reasons),
    )


def _cuda(decided: _Decisions, machine: Machine, tools: Toolchain) -> None:
    lowest = min(_capabilities(machine))
    shown = ".".join(map(str, lowest))
    decided.add("cuda", f"compute capability {shown}, the lowest of this machine's GPUs")
    if tools.has_cudnn:
        decided.add("cudnn", "its headers and library are installed")
    is_hopper = lowest == _HOPPER
    if is_hopper and version(tools.nvcc) >= _HOPPER_TOOLKIT:
        decided.add("flash-attn-v3", f"Hopper ({shown})")
    elif is_hopper:
        decided.reasons.append("flash-attn-v3: left out, it needs the CUDA toolkit 12.3")
    elif lowest < _HOPPER:
        decided.add("flash-attn", f"Ampere or Ada ({shown})")
    else:
        decided.reasons.append(f"flash-attn: left out, it has no kernels for {shown}")


def _rustflags(decided: _Decisions, machine: Machine, tools: Toolchain) -> str:
    """Return the flags to compile with: those of the environment and the instruction set.

    Rust compiles for x86-64 of 2003, for which mistral.rs has no vector kernels: 5 instead of
    17 tokens/s of a 135 M model on two busy cores. The level of 2013 is named instead of
    ``native``, so that the result runs on every such machine.
    """
    if machine.arch not in ("x86_64", "amd64") or "target-cpu" in tools.rustflags:
        return tools.rustflags
    if missing := _VECTORS.difference(machine.cpu.features):
        decided.reasons.append(f"slow: the processor has no {', '.join(sorted(missing))}")
        return tools.rustflags
    decided.reasons.append("instructions: x86-64-v3, because the processor has avx2, fma, f16c")
    return f"{tools.rustflags} -C target-cpu=x86-64-v3".strip()


def _jobs(decided: _Decisions, machine: Machine, accelerator: Accelerator) -> int:
    """Return how many compilers memory holds; 0 leaves it to cargo, one per processor."""
    if machine.memory is None:
        return 0
    room = max(1, machine.memory.available_bytes // JOB_BYTES[accelerator])
    if room >= machine.cpu.usable:
        return 0
    decided.reasons.append(f"compilers at a time: {room}, because memory holds no more")
    return room
