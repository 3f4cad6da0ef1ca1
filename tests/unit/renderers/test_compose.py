import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from compose_specs import MODELS, containers, rendered, settings, shared, shipped, spec
from frontier.domain.containers import ROUTES
from frontier.domain.errors import ConfigError
from frontier.domain.project import Project
from frontier.domain.stack import Fragment, Image, Stack, Variable
from frontier.renderers.compose import publish, render
from frontier.renderers.compose_text import to_yaml

SERVICE = """\
{% from "service.j2" import hardened, health_http, limits with context %}
services:
  mine:
    image: {{ image("mine") | tojson }}
    environment: {SHARE: "{{ MINE_SHARE }}", PRICE: "5 $"}
    networks: [llm-network]
    {{ hardened() | indent(4) }}
    {{ limits() | indent(4) }}
    {{ health_http("http://127.0.0.1:9000/health", start_period) | indent(4) }}
"""
MINE = Stack(
    name="mine",
    title="Mine",
    engine="mine",
    port=9000,
    model_format="hub",
    start_timeout_s=10,
    runtimes=("docker",),
    images={"mine": Image(references={"cpu": "mine:1.0"}, setting="MINE_IMAGE")},
    variables={"MINE_SHARE": Variable(name="MINE_SHARE", kind="number", default=0.5, help="h")},
    texts={"compose.yaml.j2": SERVICE, "config/a.conf.j2": "{{ port }}", "config/b.conf": "{{ }}"},
    origin="stacks/mine",
)

NOTHING = Fragment(name="nothing", texts={"compose.yaml.j2": "services: {}"})


def mine(text: str = SERVICE, **changed: Any) -> Stack:
    return replace(MINE, texts={"compose.yaml.j2": text}, **changed)


def complaint(stack: Stack, **changed: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        containers(stack, **changed)
    return caught.value


def argument(name: str, flag: str, **changed: Any) -> str:
    command = containers(name, **changed).services[name]["command"]
    return str(command[command.index(flag) + 1])


def test_a_stack_of_ones_own_gets_the_gateway_in_front() -> None:
    project = rendered(mine())

    assert set(project.digests) == {"gateway", "mine"}
    assert project.runtime == "docker"
    assert (project.name, project.stack) == ("frontier", "mine")
    assert (project.address, project.ports) == ("127.0.0.1", (11434, 8081))
    assert [(r.model, r.url, r.backend) for r in project.routes] == [
        ("HuggingFaceTB/SmolLM2-135M-Instruct", "http://mine:9000", "openai")
    ]
    assert project.containers is not None
    assert "http://mine:9000" in project.containers.files[ROUTES]


def test_variables_of_the_stack_reach_its_templates() -> None:
    assert containers(mine()).services["mine"]["environment"]["SHARE"] == "0.5"
    changed = containers(mine(), MINE_SHARE=0.75)
    assert changed.services["mine"]["environment"]["SHARE"] == "0.75"


def test_what_compose_would_take_for_a_variable_is_plain_text() -> None:
    assert containers(mine()).services["mine"]["environment"]["PRICE"] == "5 $$"


def test_the_engine_gets_time_for_itself_and_for_its_model() -> None:
    small = containers(mine(), MODEL_TIMEOUT=20.0)
    assert small.start_timeout_s == {"gateway": 30.0, "mine": 30.0}
    assert small.services["mine"]["healthcheck"]["start_period"] == "30s"

    large = replace(MODELS["gguf"], size_bytes=100_000_000_000)
    assert containers("llamacpp", model=large).start_timeout_s["llamacpp"] == 60 + 1000


def test_an_old_docker_engine_knows_no_frequent_checks_at_the_start() -> None:
    new = containers(mine()).services["mine"]["healthcheck"]
    old = containers(mine(), has_start_interval=False).services["mine"]["healthcheck"]

    assert (new["start_interval"], new["interval"]) == ("1s", "30s")
    assert "start_interval" not in old
    assert old["interval"] == "5s"


def test_config_files_are_rendered_or_copied_under_the_name_of_their_stack() -> None:
    texts = {**MINE.texts, "config/a.conf.j2": "{{ stack.port }}\n", "config/d/b.conf": "{{ }}"}

    files = containers(replace(MINE, texts=texts)).files

    assert files["config/mine/a.conf"] == "9000\n"
    assert files["config/mine/d/b.conf"] == "{{ }}"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (SERVICE.replace("MINE_SHARE", "MINE_SHAR"), "compose.yaml.j2:5: MINE_SHAR is not defined"),
        (SERVICE + "{{ stack.start }}", "compose.yaml.j2:10: start is not defined"),
        (SERVICE + "{% if %}", "compose.yaml.j2:10: Expected an expression"),
        (SERVICE + "{{ 1 / 0 }}", "compose.yaml.j2:10: division by zero"),
        (SERVICE + "{{ ''.__class__.mro() }}", "compose.yaml.j2:10: access to attribute '__cl"),
        (SERVICE.replace("service.j2", "servis.j2"), "compose.yaml.j2:1: servis.j2"),
        (SERVICE + "  - broken", "compose.yaml.j2: gives no YAML: "),
        ("[services]", "compose.yaml.j2: gives list, not a YAML mapping"),
        (SERVICE + "version: '3'\n", "compose.yaml.j2: version: is not allowed; known: services"),
        (SERVICE.replace("  mine:", "  gateway:"), "'gateway' is given by a shared fragment"),
        (SERVICE.replace('image("mine")', 'image("x")'), "stacks/mine: images: there is none"),
    ],
)
def test_a_wrong_template_is_named_with_its_line(text: str, wanted: str) -> None:
    error = complaint(mine(text))

    assert error.message.startswith("stacks/mine")
    assert wanted in error.message


def test_a_mistake_in_a_config_file_and_in_a_macro_is_named_there() -> None:
    stack = replace(MINE, texts={**MINE.texts, "config/a.conf.j2": "\n{{ nothing }}"})
    assert complaint(stack).message == "stacks/mine/config/a.conf.j2:2: nothing is not defined"

    fragments, macros = shared()
    broken = {**macros, "service.j2": "{% macro hardened() %}\n{{ nobody }}{% endmacro %}"}
    text = SERVICE.replace(", health_http, limits", "").replace("limits() ", "'' ")
    with pytest.raises(ConfigError, match=r"templates/compose/service\.j2:2: nobody is not"):
        render(spec(mine(text)), {**fragments, "gateway": NOTHING}, broken)


def test_a_stack_without_containers_is_told_so() -> None:
    error = complaint(replace(MINE, texts={}))

    assert error.message == "stacks/mine: there is no compose.yaml.j2"


def test_an_accelerator_without_image_is_refused() -> None:
    error = complaint(shipped("mistral"), accelerator="rocm")

    assert error.message == "the stack 'mistral' has no image for rocm"
    assert "cpu, cuda" in error.hint


def test_a_setting_replaces_an_image_and_the_lock_pins_it() -> None:
    assert containers("vllm", VLLM_IMAGE="mine:1").services["vllm"]["image"] == "mine:1"

    digest = f"sha256:{'cd' * 32}"
    locked = containers("vllm", digests={"vllm/vllm-openai-cpu:v0.31.0": digest})
    assert locked.services["vllm"]["image"] == f"vllm/vllm-openai-cpu:v0.31.0@{digest}"


def test_mistral_is_made_for_the_gpu_that_is_there() -> None:
    image = containers("mistral", accelerator="cuda", compute_capability="8.9")
    assert image.services["mistral"]["image"].endswith(":cuda130-sm89-0.9.4")

    error = complaint(shipped("mistral"), accelerator="cuda", compute_capability="7.5")
    assert "for amd64 and compute capability 7.5" in error.message


def test_a_gpu_is_reserved_only_where_there_is_one() -> None:
    assert "deploy" not in containers("vllm").services["vllm"]
    reserved = containers("vllm", accelerator="cuda").services["vllm"]["deploy"]
    assert reserved["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    rocm = {"devices": ["/dev/kfd", "/dev/dri"], "group_add": ["44"]}
    service = containers("vllm", accelerator="rocm", gpu=rocm).services["vllm"]
    assert (service["devices"], service["group_add"]) == (["/dev/kfd", "/dev/dri"], ["44"])


def test_no_secret_stands_in_any_text() -> None:
    found = containers("mistral", monitoring=True, ssl=True)

    assert set(found.secrets) == {
        "secrets/admin-key",
        "secrets/api-key",
        "secrets/grafana-admin-password",
        "secrets/hf-token",
        "secrets/metrics-key",
        "secrets/tls-certificate",
        "secrets/tls-key",
    }
    assert "00000000" not in to_yaml(found)
    assert not any("00000000" in text for text in found.files.values())


def test_a_secret_that_is_not_there_is_named() -> None:
    error = complaint(shipped("vllm"), monitoring=True, secrets={})

    assert "service 'grafana': secrets: there is no 'grafana-admin-password'" in error.message


def test_an_open_gateway_has_no_key_file() -> None:
    service = containers("ollama", secrets={}).services["gateway"]

    assert "--api-key-file" not in service["command"]
    assert "secrets" not in service


@pytest.mark.parametrize(
    ("settings", "present", "absent"),
    [
        ({}, "--check-host", "--require-key"),
        ({"BIND_ADDRESS": "0.0.0.0"}, "--require-key", "--check-host"),
        ({"ENABLE_AUTH": True}, "--require-key", "--rate-limit"),
        ({"RATE_LIMIT": 60}, "--rate-limit 60", "--workers"),
        ({"GATEWAY_WORKERS": 4}, "--workers 4", "--allow-origin"),
        (
            {"ALLOWED_ORIGINS": "https://a.example,*"},
            "--allow-origin https://a.example --allow-origin *",
            "--rate-limit",
        ),
    ],
)
def test_the_gateway_gets_the_policies_of_the_settings(
    settings: dict[str, object], present: str, absent: str
) -> None:
    service = containers("ollama", **settings).services["gateway"]
    words = " ".join(service["command"])

    assert present in words
    assert absent not in words
    assert service["cpus"] == settings.get("GATEWAY_WORKERS", 1)


def test_without_a_model_only_engines_that_need_one_are_left_out() -> None:
    assert set(containers("llamacpp", model=None).services) == {"gateway"}
    assert set(containers("mistral", model=None).services) == {"gateway"}
    assert set(containers("vllm", model=None).services) == {"gateway"}
    assert set(containers("ollama", model=None).services) == {"gateway", "ollama"}
    assert rendered("llamacpp", model=None).routes == ()


def test_the_model_is_linked_under_a_name_that_is_a_file_name() -> None:
    odd = replace(MODELS["gguf"], name="Org/My Model:Q4_K_M")
    found = containers("llamacpp", model=odd)

    assert set(found.links) == {"models/org-my-model-q4_k_m.gguf"}
    assert argument("llamacpp", "--model", model=odd) == "/models/org-my-model-q4_k_m.gguf"
    assert argument("llamacpp", "--alias", model=odd) == "Org/My Model:Q4_K_M"


def test_settings_of_engines_reach_their_command_lines() -> None:
    model = replace(MODELS["gguf"], context=1024)
    assert argument("llamacpp", "--ctx-size", model=model, NUM_PARALLEL=3) == "3072"
    assert argument("llamacpp", "--cache-ram", ENABLE_CACHE=False) == "0"
    assert argument("llamacpp", "--threads", NUM_WORKERS=7) == "7"
    assert argument("llamacpp", "--flash-attn", ENABLE_FLASH_ATTENTION=False) == "off"
    assert argument("mistral", "--isq", MISTRAL_QUANTIZATION="4") == "4"
    assert argument("mistral", "--max-seqs", MISTRAL_MAX_BATCH_SIZE=5) == "5"
    assert argument("mistral", "--token-source") == "path:/run/secrets/hf-token"
    assert argument("mistral", "--token-source", secrets={}) == "none"
    assert argument("mistral", "--model-id", model=MODELS["hub"]).startswith("HuggingFaceTB/")
    assert argument("vllm", "--tool-call-parser", VLLM_TOOL_CALL_PARSER="hermes") == "hermes"
    assert argument("vllm", "--shutdown-timeout", DRAIN_TIMEOUT=12.5) == "13"
    environment = containers("ollama", OLLAMA_KEEP_ALIVE="-1").services["ollama"]["environment"]
    assert environment["OLLAMA_KEEP_ALIVE"] == "-1"


def test_limits_bound_engines_and_mistral_has_its_own() -> None:
    limits: dict[str, Any] = {
        "MEMORY_LIMIT": "8g",
        "MEMORY_RESERVATION": "4g",
        "CPU_LIMIT": 2.5,
        "CPU_RESERVATION": 1.5,
    }
    service = containers("vllm", **limits).services["vllm"]
    assert (service["mem_limit"], service["mem_reservation"]) == ("8g", "4g")
    assert (service["cpus"], service["cpu_shares"]) == (2.5, 1536)
    own = containers("mistral", **limits, MISTRAL_MEMORY_LIMIT="6g").services["mistral"]
    assert (own["mem_limit"], own["mem_reservation"]) == ("6g", "4g")


def test_a_memory_limit_that_a_template_ignores_is_an_error() -> None:
    text = SERVICE.replace("    {{ limits() | indent(4) }}\n", "")

    assert "mem_limit: MEMORY_LIMIT is set" in complaint(mine(text), MEMORY_LIMIT="1g").message
    assert containers(mine(text)).services["mine"]


def test_a_change_of_the_engine_changes_nothing_beside_it() -> None:
    one = rendered("llamacpp", monitoring=True, nginx=True)
    other = rendered("vllm", monitoring=True, nginx=True, accelerator="rocm", arch="amd64")

    common = one.digests.keys() & other.digests.keys()
    assert common == {"gateway", "prometheus", "grafana", "node-exporter", "nginx"}
    assert {n: one.digests[n] for n in common} == {n: other.digests[n] for n in common}
    assert one.containers
    assert other.containers
    for name in common:
        assert one.containers.services[name] == other.containers.services[name]


def test_prometheus_is_told_of_the_engine_by_a_file_that_it_reads_again() -> None:
    found = containers("vllm", monitoring=True, accelerator="cuda").files
    assert json.loads(found["live/prometheus/targets.json"]) == [
        {
            "targets": ["vllm:8000"],
            "labels": {
                "job": "frontier-engine",
                "__metrics_path__": "/metrics",
                "backend": "vllm",
                "model": "HuggingFaceTB/SmolLM2-135M-Instruct",
                "stack": "vllm",
            },
        },
        {"targets": ["dcgm-exporter:9400"], "labels": {"job": "frontier-gpu"}},
    ]

    silent = containers("ollama", monitoring=True).files  # it has no metrics
    assert json.loads(silent["live/prometheus/targets.json"]) == []
    jobs = yaml.safe_load(silent["config/monitoring/prometheus/prometheus.yml"])["scrape_configs"]
    assert all(job["job_name"].startswith("frontier") for job in jobs)
    assert jobs[0]["authorization"] == {"credentials_file": "/run/secrets/metrics-key"}


def test_grafana_can_be_left_out_and_nvidias_exporter_needs_its_gpu() -> None:
    assert "grafana" not in containers("vllm", monitoring=True, GRAFANA_PORT=0).services
    assert "dcgm-exporter" not in containers("vllm", monitoring=True).services


def test_nginx_redirects_to_https_at_the_port_that_people_use() -> None:
    def conf(**changed: Any) -> str:
        return containers(ssl=True, **changed).files["config/nginx/nginx.conf"]

    assert "return 308 https://$host:8443$request_uri;" in conf()
    assert "return 308 https://$host$request_uri;" in conf(NGINX_HTTPS_PORT=443)
    assert "ssl" not in containers(nginx=True).files["config/nginx/nginx.conf"]


def test_only_what_people_open_is_published_where_they_said() -> None:
    project = containers("mistral", monitoring=True, ssl=True, BIND_ADDRESS="192.0.2.7")

    ports = {name: s.get("ports", []) for name, s in project.services.items()}
    assert ports == {
        "gateway": ["192.0.2.7:11434:8080", "192.0.2.7:8081:8080"],
        "nginx": ["192.0.2.7:8080:8080", "192.0.2.7:8443:8443"],
        "grafana": ["192.0.2.7:3000:3000"],
        "prometheus": ["127.0.0.1:9090:9090"],
        "mistral": ["127.0.0.1:1234:1234"],
        "node-exporter": [],
    }


@pytest.mark.parametrize(
    ("address", "port", "entries"),
    [
        ("127.0.0.1", 80, ["127.0.0.1:80:8080"]),
        ("localhost", 80, ["127.0.0.1:80:8080"]),
        ("::1", 80, ["[::1]:80:8080"]),
        ("::", 80, ["0.0.0.0:80:8080", "[::]:80:8080"]),
        ("127.0.0.1", 0, []),
    ],
)
def test_an_address_becomes_entries_of_ports(address: str, port: int, entries: list[str]) -> None:
    assert publish(address, port, 8080) == entries


def test_one_port_twice_is_published_once() -> None:
    assert containers(API_PORT=8081).services["gateway"]["ports"] == ["127.0.0.1:8081:8080"]
    assert rendered(API_PORT=8081).ports == (8081,)


def test_the_engine_may_run_on_the_host_instead() -> None:
    project = rendered("llamacpp", engine_url="http://host.docker.internal:8080", monitoring=True)

    assert "llamacpp" not in project.digests
    assert project.routes[0].url == "http://host.docker.internal:8080"
    assert project.containers
    assert "host.docker.internal:8080" in project.containers.files["live/prometheus/targets.json"]


def test_the_names_of_networks_begin_with_the_projects() -> None:
    networks = containers(project="other").document["networks"]

    assert [network["name"] for network in networks.values()] == [
        "other-llm-network",
        "other-monitoring",
    ]


def test_paths_that_settings_name_may_be_mounted_and_no_others() -> None:
    given = {"OLLAMA_MODELS_PATH": "/srv/ollama"}
    found = containers("ollama", **given, host_paths=frozenset({"/srv/ollama"}))
    assert found.services["ollama"]["volumes"] == ["/srv/ollama:/models"]

    assert "/srv/ollama:/models: is a path of one machine" in (
        complaint(shipped("ollama"), **given).message
    )


def test_a_copy_that_knows_no_workspace_has_all_paths_below_itself() -> None:
    services = containers("vllm", prefix="./workspace").services.values()

    assert not any("../" in volume for s in services for volume in s.get("volumes", ()))


def test_rendering_is_deterministic_and_survives_being_saved() -> None:
    project = rendered("vllm", monitoring=True, ssl=True)
    again = Project.from_json(project.to_json())

    assert again.digests == project.digests
    assert project.containers
    assert again.containers
    assert to_yaml(again.containers) == to_yaml(project.containers)
    assert rendered("vllm", monitoring=True, ssl=True) == project


def test_every_setting_without_secret_can_be_named_in_a_template() -> None:
    text = SERVICE + "# {{ PROXY_LOG_LEVEL }} {{ OLLAMA_KEEP_ALIVE }}\n"

    assert containers(mine(text))
    assert "API_KEY" not in settings(MINE) or settings(MINE)["API_KEY"] is None


def test_an_engine_that_the_template_does_not_define_is_refused() -> None:
    error = complaint(mine(engine="mien", engine_line=3, model_format="none"))

    assert error.message == (
        "stacks/mine/stack.yaml:3: engine: there is no service 'mien' in compose.yaml.j2"
    )
    assert error.hint.startswith("Services there: mine.")
