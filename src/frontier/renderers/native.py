"""One model, its engine and the gateway as a project of host processes; pure."""

from dataclasses import dataclass
from pathlib import Path

from frontier.domain.model import Details
from frontier.domain.project import Project, Route, Service
from frontier.domain.sizing import UBATCH

ENGINE = "llamacpp"
GATEWAY = "gateway"
# what serves 127.0.0.1 as well; the gateway opens "::" for both versions of IP
_EVERYWHERE = ("127.0.0.1", "localhost", "0.0.0.0", "::")  # noqa: S104 compared, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """A llama.cpp server for one model.

    Attributes:
        argv: The program, without flags.
        model: Name that clients ask for.
        path: The GGUF file.
        aliases: More names for the model.
        context: Context of each request slot, tokens; 0 means what the model was trained for.
        parallel: Request slots.
        threads: Compute threads, 0 means one per usable core.
        cache_mib: Memory of the prompt cache in the host's memory, MiB; 0 turns it off.
        flash_attention: None lets the engine decide.
        kv_type: Of the cache's elements: ``f16``, ``q8_0``, ``q4_0``.
        batch: Tokens of prompts computed at once.
        start_timeout_s: Seconds to load the model and give its first token.
        details: What clients are told of the model.
    """

    argv: tuple[str, ...]
    model: str
    path: Path
    aliases: tuple[str, ...] = ()
    context: int = 4096
    parallel: int = 1
    threads: int = 0
    cache_mib: int = 512
    flash_attention: bool | None = None
    kv_type: str = "f16"
    batch: int = UBATCH
    start_timeout_s: float = 300.0
    details: Details | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySpec:
    """The gateway in front of the engines.

    Attributes:
        python: The interpreter that has Frontier installed.
        bind: Address to listen on.
        ports: One or more TCP ports; health is asked on the first.
        config: Routing files, which need not exist; the later one wins.
        keys: The file of API keys, which need not exist.
        api_key_file: File with one more key that requests may carry.
        admin_key_file: File with the key that Frontier itself uses.
        metrics_key_file: File with a key for the metrics alone.
        require_key: Answer nobody while there is no key.
        rate_limit: Requests per minute of keys that name no other; 0 for no limit.
        origins: Web pages that may call, beside this machine's.
        workers: Processes.
        usage_file: Where it keeps what keys have used of budgets.
        facts_file: Where Frontier tells it of engines.
        drain_timeout_s: Seconds that requests in flight get when it stops.
        max_body_bytes: Largest request body that it takes.
        workspace: Whose store takes models that clients pull; None where there is none.
    """

    python: str
    bind: str
    ports: tuple[int, ...]
    config: tuple[Path, ...]
    keys: Path | None = None
    api_key_file: Path | None = None
    admin_key_file: Path | None = None
    metrics_key_file: Path | None = None
    require_key: bool = False
    rate_limit: int = 0
    origins: tuple[str, ...] = ()
    workers: int = 1
    usage_file: Path | None = None
    facts_file: Path | None = None
    drain_timeout_s: float = 30.0
    max_body_bytes: int = 100 * 1024 * 1024
    workspace: Path | None = None


def render(stack: str, engine: EngineSpec, gateway: GatewaySpec) -> Project:
    """Return the project that serves one model with llama.cpp behind the gateway."""
    route = Route(
        model=engine.model,
        service=ENGINE,
        backend=ENGINE,
        aliases=engine.aliases,
        context=engine.context,
        details=engine.details,
    )
    return behind_gateway(stack, engine_service(engine), route, gateway)


def behind_gateway(stack: str, engine: Service, route: Route, gateway: GatewaySpec) -> Project:
    """Return the project of one *engine* and the gateway in front of it.

    The gateway needs the engine's port, not its readiness, so both start side by side.
    """
    return Project(
        name=f"frontier-{stack}",
        stack=stack,
        services=(engine, _gateway(gateway, engine.name)),
        address=gateway.bind,
        ports=gateway.ports,
        routes=(route,),
    )


def engine_service(spec: EngineSpec) -> Service:
    """Return the llama.cpp server of *spec* as a process."""
    return Service(
        name=ENGINE,
        argv=(*spec.argv, *server_flags(spec)),
        metrics_path="/metrics",
        proof_model=spec.model,
        start_timeout_s=spec.start_timeout_s,
    )


def server_flags(spec: EngineSpec) -> tuple[str, ...]:
    """Return the flags that ``llama-server`` and our embedded server both take.

    llama.cpp shares ``--ctx-size`` among its slots; *spec* speaks of one slot. A slot may take
    more while others leave it room.
    """
    flags = {
        "--model": str(spec.path),
        "--alias": spec.model,
        "--host": "127.0.0.1",
        "--port": "{port}",
        "--ctx-size": str(spec.context * spec.parallel),
        "--parallel": str(spec.parallel),
        "--cache-ram": str(spec.cache_mib),
        # a model that was made for text knows no way to make one vector of an input
        "--pooling": "mean",
        **({"--threads": str(spec.threads)} if spec.threads else {}),
        **({} if spec.flash_attention is None else {"--flash-attn": _switch(spec.flash_attention)}),
        **_kv_types(spec.kv_type),
        **_batch(spec.batch),
    }
    valued = (word for flag in flags.items() for word in flag)
    # with a store per slot, llama.cpp b11549 gives wrong means for inputs of different lengths
    # an answer that reaches the end of the context ends there; it never forgets its beginning
    return (*valued, "--metrics", "--embeddings", "--kv-unified", "--no-context-shift")


def _kv_types(kind: str) -> dict[str, str]:
    return {} if kind == "f16" else {"--cache-type-k": kind, "--cache-type-v": kind}


def _batch(size: int) -> dict[str, str]:
    """Return the flags of a batch of *size*; for embeddings both kinds must be the same."""
    return {} if size == UBATCH else {"--batch-size": str(size), "--ubatch-size": str(size)}


def _switch(value: bool) -> str:
    return "on" if value else "off"


def _gateway(spec: GatewaySpec, engine: str) -> Service:
    return Service(
        name=GATEWAY,
        argv=(spec.python, "-m", "frontier.gateway", *gateway_flags(spec)),
        port=spec.ports[0],
        health_path="/healthz",
        start_timeout_s=30.0,
        stop_grace_s=spec.drain_timeout_s + 5.0,  # time to say goodbye after the drain
        needs=(engine,),
    )


def gateway_flags(spec: GatewaySpec) -> tuple[str, ...]:
    """Return the flags of ``python -m frontier.gateway``."""
    listening = [f"{_bracketed(spec.bind)}:{port}" for port in dict.fromkeys(spec.ports)]
    if spec.bind not in _EVERYWHERE:
        # the daemon asks for health on loopback, wherever clients come from
        listening.append(f"127.0.0.1:{spec.ports[0]}")
    words = [word for address in listening for word in ("--listen", address)]
    words += [word for path in spec.config for word in ("--config", str(path))]
    words += ["--max-body-bytes", str(spec.max_body_bytes)]
    words += ["--drain-s", f"{spec.drain_timeout_s:g}"]
    words += [word for origin in spec.origins for word in ("--allow-origin", origin)]
    optional = {
        "--keys": spec.keys,
        "--api-key-file": spec.api_key_file,
        "--admin-key-file": spec.admin_key_file,
        "--metrics-key-file": spec.metrics_key_file,
        "--usage-file": spec.usage_file,
        "--facts-file": spec.facts_file,
        "--workspace": spec.workspace,
        "--rate-limit": spec.rate_limit,
        "--workers": spec.workers if spec.workers > 1 else 0,
    }
    words += [word for flag, value in optional.items() if value for word in (flag, str(value))]
    return (*words, "--require-key") if spec.require_key else tuple(words)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
