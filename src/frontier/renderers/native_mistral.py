"""mistral.rs as a supervised host process; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from frontier.domain.errors import UsageError
from frontier.domain.model import Details
from frontier.domain.project import Project, Route, Service
from frontier.renderers.native import GatewaySpec, behind_gateway

ENGINE = "mistral"
_ITS_ONLY_MODEL = "default"  # else it takes nothing but the path of the model's folder


@dataclass(frozen=True, slots=True, kw_only=True)
class MistralSpec:
    """A mistral.rs server for one GGUF file.

    Attributes:
        binary: The program.
        model: Name that clients ask for.
        path: The GGUF file, whatever its suffix.
        accelerator: ``cpu``, ``cuda`` or ``metal``: what the program was compiled for.
        cache: Folder that it may write to; it does not start without one.
        aliases: More names for the model.
        context: Context of each sequence, tokens.
        parallel: Sequences computed at once.
        threads: Compute threads, 0 means one per processor.
        log_level: Its RUST_LOG.
        start_timeout_s: Seconds to load the model and give its first token.
        details: What clients are told of the model.
    """

    binary: Path
    model: str
    path: Path
    accelerator: str
    cache: Path
    aliases: tuple[str, ...] = ()
    context: int = 4096
    parallel: int = 1
    threads: int = 0
    log_level: str = "info"
    start_timeout_s: float = 300.0
    details: Details | None = None


def render(stack: str, spec: MistralSpec, gateway: GatewaySpec) -> Project:
    """Return the project that serves one model with mistral.rs behind the gateway."""
    engine = Service(
        name=ENGINE,
        argv=(str(spec.binary), *serve_flags(spec)),
        env=_env(spec),
        proof_model=_ITS_ONLY_MODEL,
        start_timeout_s=spec.start_timeout_s,
    )
    route = Route(
        model=spec.model,
        service=ENGINE,
        backend=ENGINE,
        aliases=spec.aliases,
        upstream_model=_ITS_ONLY_MODEL,
        context=spec.context,
        details=spec.details,
    )
    return behind_gateway(stack, engine, route, gateway)


def require_gguf(quantization: str, tokenizer: str) -> None:
    """Refuse settings that mistral.rs ignores or fails with where the model is a GGUF file.

    Raises:
        UsageError: MISTRAL_QUANTIZATION or MISTRAL_TOKENIZER_JSON is set.
    """
    given = {"MISTRAL_QUANTIZATION": quantization, "MISTRAL_TOKENIZER_JSON": tokenizer}
    for name in (name for name, value in given.items() if value):
        raise UsageError(
            f"{name} is for models of the hub: a GGUF file is quantised and has its own tokenizer",
            hint=f"frontier config unset {name}",
        )


def serve_flags(spec: MistralSpec) -> tuple[str, ...]:
    """Return the words behind ``mistralrs``; 0.8 and 0.9 both take them.

    Without CUDA the context has no flag: its memory grows with each sequence up to what the
    model was trained for.
    """
    flags = {
        "--model-id": str(spec.path.parent),
        "--format": "gguf",
        "--quantized-file": spec.path.name,
        "--host": "127.0.0.1",
        "--port": "{port}",
        "--max-seqs": str(spec.parallel),
        "--token-source": "none",  # a local file needs no account
    }
    if spec.accelerator == "cuda":
        flags["--pa-context-len"] = str(spec.context * spec.parallel)
    valued = (word for flag in flags.items() for word in flag)
    return ("serve", *valued, *(("--cpu",) if spec.accelerator == "cpu" else ()))


def _env(spec: MistralSpec) -> Mapping[str, str]:
    threads = {"RAYON_NUM_THREADS": str(spec.threads)} if spec.threads else {}
    return {
        "RUST_LOG": spec.log_level,
        "NO_COLOR": "1",
        "HF_HOME": str(spec.cache),
        "HF_HUB_OFFLINE": "1",
        **threads,
    }
