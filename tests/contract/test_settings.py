"""Settings, `.env.example` and the published list agree."""

import re
from pathlib import Path

import pytest

from frontier.configuration import Configuration
from frontier.settings import Settings

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / ".env.example").read_text()

# The variables of the published specification; every one stays valid.
PUBLISHED = """
CURRENT_STACK OLLAMA_MODELS_PATH OLLAMA_HOST OLLAMA_KEEP_ALIVE OLLAMA_NUM_PARALLEL
OLLAMA_MAX_LOADED_MODELS OLLAMA_ORIGINS MISTRAL_API_PORT MISTRAL_MODELS_PATH MISTRAL_MEMORY_LIMIT
MISTRAL_MEMORY_RESERVATION MISTRAL_LOG_LEVEL MISTRAL_MAX_BATCH_SIZE MISTRAL_MODEL_TYPE
MISTRAL_MODEL_ID MISTRAL_MODEL_REVISION MISTRAL_TOKENIZER_JSON MISTRAL_QUANTIZATION MISTRAL_DEVICE
ENABLE_METAL ENABLE_CUDA DEFAULT_MODEL MODEL_TIMEOUT MAX_CONTEXT_LENGTH DEFAULT_TEMPERATURE
DEFAULT_TOP_P DEFAULT_TOP_K MEMORY_LIMIT MEMORY_RESERVATION CPU_LIMIT CPU_RESERVATION
GRAFANA_ADMIN_USER GRAFANA_ADMIN_PASSWORD PROMETHEUS_RETENTION PROMETHEUS_SCRAPE_INTERVAL API_PORT
OLLAMA_API_PORT GRAFANA_PORT PROMETHEUS_PORT NGINX_HTTP_PORT NGINX_HTTPS_PORT ENABLE_SSL
SSL_CERT_PATH SSL_KEY_PATH SSL_DHPARAM_PATH ENABLE_AIDER ENABLE_DEBUG ENABLE_GPU_MONITORING
LOG_LEVEL PROXY_LOG_LEVEL ENABLE_FLASH_ATTENTION ENABLE_CACHE CACHE_SIZE NUM_WORKERS BATCH_TIMEOUT
API_KEY ENABLE_AUTH AUTH_PROVIDER ALLOWED_ORIGINS RATE_LIMIT BACKUP_ENABLED BACKUP_SCHEDULE
BACKUP_RETENTION_DAYS BACKUP_PATH
""".split()


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_variable_stays_valid(name: str) -> None:
    assert name.lower() in Settings.model_fields


@pytest.mark.parametrize("field", Settings.model_fields)
def test_the_example_has_every_setting_with_its_default(field: str, tmp_path: Path) -> None:
    setting = Configuration(tmp_path / ".env", {}, {}).get(field)

    line = f"#{setting.name}={setting.value}"
    assert re.search(rf"^{re.escape(line)}$", EXAMPLE, re.MULTILINE)


def test_the_example_loads_with_every_line_in_force(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text(re.sub(r"^#([A-Z_]+=)", r"\1", EXAMPLE, flags=re.MULTILINE))

    settings = Configuration(env, {}, {}).load()

    assert settings == Configuration(tmp_path / "none", {}, {}).load()


@pytest.mark.parametrize("value", ["0", "-1", "no such thing", "clé", "\udcff"])
def test_what_has_no_effect_never_stops_a_command(value: str, tmp_path: Path) -> None:
    settings = Configuration(tmp_path / ".env", {}, {}).describe()
    environ = {setting.name: value for setting in settings if setting.no_effect}

    Configuration(tmp_path / ".env", {}, environ).load()

    assert "BATCH_TIMEOUT" in environ


def test_every_setting_says_what_it_does() -> None:
    assert all(info.description for info in Settings.model_fields.values())
