"""Every setting, its default and what it does; read once, then turned into plain values."""

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


def _sendable(key: SecretStr | None) -> SecretStr | None:
    """Refuse a key that no HTTP header can carry."""
    if key and not all("!" <= character <= "~" for character in key.get_secret_value()):
        raise PydanticCustomError("key", "Keys are printable ASCII without spaces")
    return key


Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
ContextLength = Annotated[int, Field(ge=256)]
Key = Annotated[SecretStr | None, AfterValidator(_sendable)]


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
    runtime: Literal["auto", "native"] = _setting(
        "auto", "What runs services; `auto` decides and says why."
    )
    bind_address: str = _setting(
        "127.0.0.1", "Address the gateway listens on; wider than loopback needs API_KEY."
    )
    api_port: Port = _setting(11434, "Gateway port; 11434 is where Ollama clients look.")
    gateway_port: Port = _setting(
        8081, "Second gateway port, for clients that keep 11434 for Ollama itself."
    )
    api_key: Key = _setting(
        None, "Key that every request must carry (Bearer or x-api-key); unset means open."
    )
    enable_auth: bool = _setting(False, "True refuses to start without API_KEY.")
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
    num_workers: NonNegativeInt = _setting(0, "Engine threads; 0 means one per usable core.")
    cache_size: NonNegativeInt = _setting(512, "Memory of the engine's prompt cache, MiB.")
    enable_cache: bool = _setting(True, "Keep prompts of finished requests for reuse.")
    # Ollama
    ollama_models_path: str = _setting(
        "",
        "Folder of Ollama's own store.",
        no_effect="read by the ollama stack, which this version does not ship",
    )
    ollama_host: str = _setting(
        "127.0.0.1:11434",
        "Address of an Ollama server.",
        no_effect="read by the ollama stack, which this version does not ship",
    )
    ollama_keep_alive: str = _setting(
        "5m",
        "How long an idle model stays loaded.",
        no_effect="read by the ollama stack, which this version does not ship",
    )
    ollama_num_parallel: str = _setting(
        "1",
        "Requests that Ollama computes at the same time.",
        no_effect="read by the ollama stack, which this version does not ship",
    )
    ollama_max_loaded_models: str = _setting(
        "0",
        "Models loaded at once; 0 is Ollama's own choice.",
        no_effect="read by the ollama stack, which this version does not ship",
    )
    ollama_origins: str = _setting(
        "",
        "Browser origins added to Ollama's own.",
        no_effect="read by the ollama stack, which this version does not ship",
    )
    ollama_api_port: str = _setting(
        "11435",
        "Port of Ollama's own API.",
        no_effect="read by the ollama stack, which this version does not ship",
    )
    # mistral.rs
    mistral_api_port: str = _setting(
        "1234",
        "Port of mistral.rs's own API.",
        no_effect="read by the mistral stack, which this version does not ship",
    )
    mistral_models_path: str = _setting(
        "",
        "Folder of model files for mistral.rs.",
        no_effect="read by the mistral stack, which this version does not ship",
    )
    mistral_memory_limit: str = _setting(
        "",
        "Memory limit of the mistral.rs container.",
        no_effect="read by the mistral stack, which this version does not ship",
    )
    mistral_memory_reservation: str = _setting(
        "",
        "Memory reserved for the mistral.rs container.",
        no_effect="read by the mistral stack, which this version does not ship",
    )
    mistral_log_level: str = _setting(
        "info",
        "RUST_LOG of mistral.rs.",
        no_effect="read by the mistral stack, which this version does not ship",
    )
    mistral_max_batch_size: str = _setting(
        "32",
        "Sequences computed at once (`--max-seqs`).",
        no_effect="read by the mistral stack, which this version does not ship",
    )
    mistral_model_type: str = _setting(
        "",
        "Kept from the published specification.",
        no_effect="mistral.rs detects the architecture by itself since 0.8",
    )
    mistral_model_id: str = _setting(
        "",
        "Hub repository or folder of the model.",
        no_effect="read by the mistral stack, which this version does not ship",
    )
    mistral_model_revision: str = _setting(
        "",
        "Kept from the published specification.",
        no_effect="`mistralrs serve` has no revision option; `frontier models pull` has",
    )
    mistral_tokenizer_json: str = _setting(
        "",
        "Path of a tokenizer file.",
        no_effect="read by the mistral stack, which this version does not ship",
    )
    mistral_quantization: str = _setting(
        "",
        "Quantisation (`--quant`).",
        no_effect="read by the mistral stack, which this version does not ship",
    )
    mistral_device: str = _setting(
        "",
        "`cpu` forces the processor (`--cpu`).",
        no_effect="read by the mistral stack, which this version does not ship",
    )
    enable_metal: str = _setting(
        "",
        "Build mistral.rs with Metal.",
        no_effect="read by the mistral stack, which this version does not ship",
    )
    enable_cuda: str = _setting(
        "",
        "Build mistral.rs with CUDA.",
        no_effect="read by the mistral stack, which this version does not ship",
    )
    # Containers
    memory_limit: str = _setting(
        "",
        "Memory limit of an engine container.",
        no_effect="read by the Docker runtime, which this version does not ship",
    )
    memory_reservation: str = _setting(
        "",
        "Memory reserved for an engine container.",
        no_effect="read by the Docker runtime, which this version does not ship",
    )
    cpu_limit: str = _setting(
        "",
        "CPU limit of an engine container.",
        no_effect="read by the Docker runtime, which this version does not ship",
    )
    cpu_reservation: str = _setting(
        "",
        "CPUs reserved for an engine container.",
        no_effect="read by the Docker runtime, which this version does not ship",
    )
    # Monitoring
    grafana_admin_user: str = _setting(
        "admin",
        "Grafana's administrator.",
        no_effect="read by the monitoring stack, which this version does not ship",
    )
    grafana_admin_password: SecretStr | None = _setting(
        None,
        "Grafana's password; unset means generated.",
        no_effect="read by the monitoring stack, which this version does not ship",
    )
    grafana_port: str = _setting(
        "3000",
        "Port of Grafana.",
        no_effect="read by the monitoring stack, which this version does not ship",
    )
    prometheus_port: str = _setting(
        "9090",
        "Port of Prometheus.",
        no_effect="read by the monitoring stack, which this version does not ship",
    )
    prometheus_retention: str = _setting(
        "15d",
        "How long Prometheus keeps samples.",
        no_effect="read by the monitoring stack, which this version does not ship",
    )
    prometheus_scrape_interval: str = _setting(
        "15s",
        "How often Prometheus scrapes.",
        no_effect="read by the monitoring stack, which this version does not ship",
    )
    enable_gpu_monitoring: str = _setting(
        "false",
        "Add the GPU exporter.",
        no_effect="read by the monitoring stack, which this version does not ship",
    )
    # nginx
    nginx_http_port: str = _setting(
        "8080",
        "Port of nginx, HTTP.",
        no_effect="read by the nginx stack, which this version does not ship",
    )
    nginx_https_port: str = _setting(
        "8443",
        "Port of nginx, HTTPS.",
        no_effect="read by the nginx stack, which this version does not ship",
    )
    enable_ssl: str = _setting(
        "false",
        "Terminate TLS in nginx.",
        no_effect="read by the nginx stack, which this version does not ship",
    )
    ssl_cert_path: str = _setting(
        "",
        "Certificate, PEM.",
        no_effect="read by the nginx stack, which this version does not ship",
    )
    ssl_key_path: str = _setting(
        "",
        "Private key, PEM.",
        no_effect="read by the nginx stack, which this version does not ship",
    )
    ssl_dhparam_path: str = _setting(
        "",
        "Kept from the published specification.",
        no_effect="TLS 1.3 and ECDHE need no Diffie-Hellman parameters",
    )
    proxy_log_level: str = _setting(
        "warn",
        "nginx's log level.",
        no_effect="read by the nginx stack, which this version does not ship",
    )
    # Gateway policies
    auth_provider: str = _setting(
        "",
        "Kept from the published specification.",
        no_effect="keys are the only provider; see API_KEY",
    )
    allowed_origins: str = _setting(
        "",
        "Browser origins that may call the gateway.",
        no_effect="read by the gateway's key and limit plane, which this version does not ship",
    )
    rate_limit: str = _setting(
        "0",
        "Requests per minute and key; 0 means no limit.",
        no_effect="read by the gateway's key and limit plane, which this version does not ship",
    )
    batch_timeout: str = _setting(
        "0",
        "Kept from the published specification.",
        no_effect="engines batch continuously; there is no batch to wait for",
    )
    log_level: str = _setting(
        "info",
        "Kept from the published specification.",
        no_effect="the access log is one line per request, always; errors are always logged",
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
        no_effect="read by `frontier backup`, which this version does not ship",
    )
    backup_schedule: str = _setting(
        "0 3 * * *",
        "When, as a cron expression.",
        no_effect="read by `frontier backup`, which this version does not ship",
    )
    backup_retention_days: str = _setting(
        "30",
        "Days that a backup is kept.",
        no_effect="read by `frontier backup`, which this version does not ship",
    )
    backup_path: str = _setting(
        "",
        "Folder for backups; empty means backups/ in the workspace.",
        no_effect="read by `frontier backup`, which this version does not ship",
    )
