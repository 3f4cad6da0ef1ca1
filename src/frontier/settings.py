"""Every setting, its default and what it does; read once, then turned into plain values."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    SecretStr,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from frontier.domain.units import seconds_of


def _sendable(key: SecretStr | None) -> SecretStr | None:
    """Refuse a key that no HTTP header can carry."""
    if key and not all("!" <= character <= "~" for character in key.get_secret_value()):
        raise PydanticCustomError("key", "Keys are printable ASCII without spaces")
    return key


def _duration(text: str) -> str:
    """Refuse what Prometheus would not read as a duration above zero."""
    if not seconds_of(text):
        raise PydanticCustomError("duration", "Write a duration such as 15s, 1m30s or 15d")
    return text


def _interval(text: str) -> str:
    """Refuse an interval that leaves alerts, which look at five minutes, without samples."""
    if not 1 <= seconds_of(_duration(text)) <= _LONGEST_INTERVAL_S:
        raise PydanticCustomError("interval", "Write 1s to 1m: alerts look at windows of 5 minutes")
    return text


def _callable(url: SecretStr | None) -> SecretStr | None:
    """Refuse what is no address that can be called."""
    if url and not re.fullmatch(r"https?://[!-~]+", url.get_secret_value()):
        raise PydanticCustomError("url", "Write an address that begins with http:// or https://")
    return url


_LONGEST_INTERVAL_S = 60
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
ContextLength = Annotated[int, Field(ge=256)]
Key = Annotated[SecretStr | None, AfterValidator(_sendable)]
Url = Annotated[SecretStr | None, AfterValidator(_callable)]
Duration = Annotated[str, AfterValidator(_duration)]
Interval = Annotated[str, AfterValidator(_interval)]
Positive = Annotated[float, Field(gt=0)]
Ratio = Annotated[float, Field(gt=0, lt=1)]
Origins = Annotated[
    str,
    Field(pattern=r"^$|^(\*|[a-z][a-z0-9+.-]*://[^\s,/]+)(,(\*|[a-z][a-z0-9+.-]*://[^\s,/]+))*$"),
]
Memory = Annotated[str, Field(pattern=r"^(\d+(\.\d+)?\s*[kmgKMG][bB]?)?$")]
Cpus = Annotated[float, Field(ge=0)]
ProjectName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,50}$")]


def _setting(default: Any, description: str, *, no_effect: str = "") -> Any:
    """Return a field; *no_effect* says why this version ignores the variable, for `config show`.

    A field without effect is plain text: other programs may own the variable, so whatever it
    says must not stop a command.
    """
    return Field(default, description=description, json_schema_extra={"no_effect": no_effect})


class Settings(BaseSettings):
    """All variables; a field ``api_port`` is the variable ``API_PORT``.

    It reads nothing by itself: `Configuration` puts the sources together, because
    pydantic-settings would interpolate ``${...}`` in ``.env`` and knows no line numbers.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the one source: what `Configuration` has put together."""
        return (init_settings,)

    # The stack
    current_stack: str = _setting("llamacpp", "Stack that `frontier up` starts when none is named.")
    runtime: Literal["auto", "native", "docker", "hybrid"] = _setting(
        "auto", "What runs services; `auto` decides and says why; `hybrid` is for Macs."
    )
    bind_address: str = _setting(
        "127.0.0.1", "Address the gateway listens on; wider than loopback needs a key."
    )
    api_port: Port = _setting(11434, "Gateway port; 11434 is where Ollama clients look.")
    gateway_port: Port = _setting(
        8081, "Second gateway port, for clients that keep 11434 for Ollama itself."
    )
    api_key: Key = _setting(
        None, "One key for everything (Bearer or x-api-key), beside those of `frontier keys`."
    )
    enable_auth: bool = _setting(False, "True refuses to start, and to answer, without any key.")
    rate_limit: NonNegativeInt = _setting(
        0, "Requests per minute of each key that names no other; 0 means no limit."
    )
    allowed_origins: Origins = _setting(
        "", "Web pages that may call the gateway, comma-separated, or *; this machine's always may."
    )
    gateway_workers: Annotated[int, Field(ge=1, le=64)] = _setting(
        1, "Processes of the gateway; each may use one core."
    )
    drain_timeout: Seconds = _setting(
        30, "Seconds that requests in flight get when the gateway stops."
    )
    max_request_bytes: PositiveInt = _setting(104857600, "Largest request body, bytes.")
    # Models
    default_model: str = _setting(
        "smollm2:135m", "Model that `frontier up` and `frontier chat` use when none is named."
    )
    max_context_length: ContextLength = _setting(
        4096, "Context of each request slot, tokens; limited to what the model was trained for."
    )
    num_parallel: PositiveInt = _setting(1, "Requests that the engine computes at the same time.")
    model_timeout: Seconds = _setting(
        300, "Seconds that an engine may take to load a model and give its first token."
    )
    default_temperature: Annotated[float, Field(ge=0, le=2)] | None = _setting(
        None, "Sampling temperature of `frontier chat`; unset leaves it to the engine."
    )
    default_top_p: Annotated[float, Field(gt=0, le=1)] | None = _setting(
        None, "Nucleus sampling of `frontier chat`; unset leaves it to the engine."
    )
    default_top_k: NonNegativeInt | None = _setting(
        None, "Top-k sampling of `frontier chat`; unset leaves it to the engine."
    )
    hf_token: Key = _setting(None, "Token for gated models on the Hugging Face hub.")
    # llama.cpp
    enable_flash_attention: bool | None = _setting(
        None, "Force flash attention on or off; unset lets the engine decide."
    )
    num_workers: NonNegativeInt = _setting(
        0, "Engine threads; 0 means one per fast core that may be used."
    )
    cache_size: NonNegativeInt = _setting(512, "Memory of the engine's prompt cache, MiB.")
    enable_cache: bool = _setting(True, "Keep prompts of finished requests for reuse.")
    batch_size: Annotated[int, Field(ge=1, le=8192)] = _setting(
        512, "Tokens that llama.cpp computes at once; an embedding's input is at most as long."
    )
    kv_cache_type: Literal["f16", "q8_0", "q4_0"] = _setting(
        "f16", "Numbers of the KV cache of llama.cpp and Ollama; fewer bits hold more context."
    )
    # Ollama
    ollama_models_path: str = _setting(
        "", "Folder of Ollama's own store; empty means data/ollama in the workspace."
    )
    ollama_host: str = _setting(
        "127.0.0.1:11434",
        "Address of an Ollama server.",
        no_effect="the stack runs its own server; another one is a route in config/models.yaml",
    )
    ollama_keep_alive: str = _setting(
        "5m", "How long an idle model stays loaded in Ollama; -1 is forever."
    )
    ollama_num_parallel: PositiveInt = _setting(
        1, "Requests that Ollama computes at the same time, per model."
    )
    ollama_max_loaded_models: NonNegativeInt = _setting(
        0, "Models that Ollama keeps loaded; 0 is its own choice."
    )
    ollama_origins: str = _setting("", "Browser origins added to Ollama's own, comma separated.")
    ollama_api_port: Port = _setting(
        0, "Loopback port of Ollama's own API; 0 publishes none, the gateway speaks it."
    )
    # mistral.rs
    mistral_api_port: Port = _setting(
        1234, "Loopback port of mistral.rs's own API; 0 publishes none."
    )
    mistral_models_path: str = _setting(
        "", "Folder of model files for mistral.rs; empty means the workspace's models."
    )
    mistral_memory_limit: Memory = _setting(
        "", "Memory limit of the mistral.rs container; empty means MEMORY_LIMIT."
    )
    mistral_memory_reservation: Memory = _setting(
        "", "Memory reserved for mistral.rs; empty means MEMORY_RESERVATION."
    )
    mistral_log_level: str = _setting("info", "RUST_LOG of mistral.rs.")
    mistral_max_batch_size: PositiveInt = _setting(
        32, "Sequences that mistral.rs computes at once (`--max-seqs`)."
    )
    mistral_model_type: str = _setting(
        "",
        "Kept from the published specification.",
        no_effect="mistral.rs detects the architecture by itself since 0.8",
    )
    mistral_model_id: str = _setting(
        "", "Hub repository that mistral.rs serves instead of DEFAULT_MODEL."
    )
    mistral_model_revision: str = _setting(
        "",
        "Kept from the published specification.",
        no_effect="`mistralrs serve` has no revision option; `frontier models pull` has",
    )
    mistral_tokenizer_json: str = _setting(
        "", "Path of a tokenizer file for mistral.rs (`--tokenizer-json`)."
    )
    mistral_quantization: str = _setting(
        "",
        "In-situ quantisation of mistral.rs (`--isq`), for instance 4; empty loads it as it is.",
    )
    mistral_device: Literal["", "cpu"] = _setting(
        "", "`cpu` keeps mistral.rs on the processor (`--cpu`)."
    )
    enable_metal: bool | None = _setting(
        None, "Build mistral.rs with Metal; unset decides by the chip."
    )
    enable_cuda: bool | None = _setting(
        None, "Build mistral.rs with CUDA; unset decides by the driver and toolkit."
    )
    # Containers
    project_name: ProjectName = _setting(
        "frontier", "Compose project; another name lets two workspaces run side by side."
    )
    accelerator: Literal["auto", "cpu", "cuda", "rocm", "metal"] = _setting(
        "auto", "Where engines compute; asking for a GPU that is not used fails `frontier start`."
    )
    pull_policy: Literal["missing", "never"] = _setting(
        "missing", "`never` refuses to start when an image is not on this machine."
    )
    memory_limit: Memory = _setting(
        "", "Memory limit of an engine container, for instance 8g; empty means none."
    )
    memory_reservation: Memory = _setting(
        "", "Memory reserved for an engine container, for instance 4g."
    )
    cpu_limit: Cpus = _setting(0, "CPUs an engine container may use; 0 means all.")
    cpu_reservation: Cpus = _setting(0, "CPUs reserved for an engine container.")
    # Images
    gateway_base_image: str = _setting(
        "python:3.13-slim-trixie", "Image with Python 3.13 that the gateway's image is built on."
    )
    ollama_image: str = _setting("", "Image of Ollama; empty means the stack's own choice.")
    mistral_image: str = _setting("", "Image of mistral.rs; empty means the stack's own choice.")
    vllm_image: str = _setting("", "Image of vLLM; empty means the stack's own choice.")
    llamacpp_image: str = _setting("", "Image of llama.cpp; empty means the stack's own choice.")
    prometheus_image: str = _setting("", "Image of Prometheus; empty means the stack's own choice.")
    grafana_image: str = _setting("", "Image of Grafana; empty means the stack's own choice.")
    node_exporter_image: str = _setting(
        "", "Image of the node exporter; empty means the stack's own choice."
    )
    alertmanager_image: str = _setting(
        "", "Image of Alertmanager; empty means the stack's own choice."
    )
    nginx_image: str = _setting("", "Image of nginx; empty means the stack's own choice.")
    # Monitoring
    enable_monitoring: bool = _setting(
        True, "Run Prometheus and Grafana beside containers; they need Docker."
    )
    grafana_admin_user: str = _setting("admin", "Grafana's administrator.")
    grafana_admin_password: Key = _setting(
        None,
        "Grafana's password; unset means generated (`frontier config show` does not print it).",
    )
    grafana_port: Port = _setting(3000, "Port of Grafana; 0 leaves Grafana out.")
    prometheus_port: Port = _setting(9090, "Port of Prometheus.")
    prometheus_retention: Duration = _setting("15d", "How long Prometheus keeps samples.")
    prometheus_scrape_interval: Interval = _setting(
        "15s", "How often Prometheus scrapes and judges alerts, 1s to 1m."
    )
    node_exporter_port: Port = _setting(
        0, "Loopback port of the node exporter; 0: Docker publishes none, natively there is none."
    )
    enable_gpu_monitoring: bool | None = _setting(
        None, "Run NVIDIA's exporter; unset decides by the hardware."
    )
    # Alerts
    alert_webhook_url: Url = _setting(
        None, "Where Alertmanager posts alerts; it runs once this or ALERT_DEADMAN_URL is set."
    )
    alert_deadman_url: Url = _setting(
        None, "What Alertmanager calls every minute while alerts could reach you."
    )
    alertmanager_port: Port = _setting(9093, "Loopback port of Alertmanager.")
    alert_error_ratio: Ratio = _setting(0.01, "HighErrorRate: share of requests that fail.")
    alert_slo: Ratio = _setting(
        0.99, "Share of requests that is to succeed; ErrorBudgetBurn... watch what is left."
    )
    alert_latency_s: Positive = _setting(
        2, "HighLatency: seconds of the 95th percentile of answers that are not streamed."
    )
    alert_ttft_s: Positive = _setting(
        5, "HighTTFT: seconds of the 95th percentile to the first token of a stream."
    )
    alert_queue: NonNegativeInt = _setting(
        10, "EngineQueueGrowing: requests that wait for one model."
    )
    alert_cache_hit_ratio: Ratio = _setting(
        0.6, "LowCacheHitRate: share of prompt tokens that engines had in their cache."
    )
    alert_memory_bytes: PositiveInt = _setting(
        3500000000,
        "HighMemoryUsage: memory of the gateway; in a container at most 90 % of its own.",
    )
    alert_cpu_ratio: Ratio = _setting(0.8, "HighCPUUsage: share of the machine's processors.")
    alert_connections: PositiveInt = _setting(
        900, "HighConnectionCount: open connections of the gateway."
    )
    alert_daily_cost_usd: Positive = _setting(100, "HighDailyCost: US dollars in a day.")
    alert_cost_spike: Annotated[float, Field(gt=1)] = _setting(
        1.5, "CostSpike: times what the day before cost per hour."
    )
    alert_certificate_days: Positive = _setting(
        14, "CertificateExpiring: days that a certificate is still valid."
    )
    # nginx
    enable_nginx: bool = _setting(False, "Put nginx in front of the gateway.")
    nginx_http_port: Port = _setting(
        8080, "Port of nginx, HTTP; with ENABLE_SSL it only redirects."
    )
    nginx_https_port: Port = _setting(8443, "Port of nginx, HTTPS.")
    enable_ssl: bool = _setting(False, "Terminate TLS in nginx, which ENABLE_SSL adds too.")
    ssl_cert_path: str = _setting(
        "", "Certificate chain, PEM; empty means a self-signed one is made."
    )
    ssl_key_path: str = _setting("", "Private key, PEM; empty means one is made.")
    ssl_dhparam_path: str = _setting(
        "",
        "Kept from the published specification.",
        no_effect="TLS 1.3 and ECDHE need no Diffie-Hellman parameters",
    )
    proxy_log_level: Literal["debug", "info", "notice", "warn", "error", "crit"] = _setting(
        "warn", "nginx's error log level."
    )
    # Gateway policies
    auth_provider: str = _setting(
        "",
        "Kept from the published specification.",
        no_effect="keys are the only provider; see `frontier keys`",
    )
    batch_timeout: str = _setting(
        "0",
        "Kept from the published specification.",
        no_effect="engines batch continuously; there is no batch to wait for",
    )
    log_level: str = _setting(
        "info",
        "Kept from the published specification.",
        no_effect="all is written, and programs share the name; `frontier logs --level` filters",
    )
    enable_debug: str = _setting(
        "false",
        "Kept from the published specification.",
        no_effect="replaced by `frontier logs` and the engine's own log",
    )
    enable_aider: str = _setting(
        "false",
        "Kept from the published specification.",
        no_effect="aider is a client: see the lines that `frontier up` prints",
    )
    # Backups
    backup_enabled: str = _setting(
        "false",
        "Make backups on a schedule.",
        no_effect="let cron or systemd run `frontier backup create`; see the how-to on backups",
    )
    backup_schedule: str = _setting(
        "0 3 * * *",
        "When, as a cron expression.",
        no_effect="let cron or systemd run `frontier backup create`; see the how-to on backups",
    )
    backup_retention_days: NonNegativeInt = _setting(
        30, "Days that `frontier backup prune` keeps a backup; 0 keeps all."
    )
    backup_path: str = _setting("", "Folder for backups; empty means backups/ in the workspace.")
