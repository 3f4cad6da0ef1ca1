"""A stack in Docker, from its selection to nothing left: everything real but the images' names."""

import json
import os
import ssl
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import httpx2
import psutil
import pytest

from docker_fixtures import ComposeProject
from docker_images import docker
from frontier_cli import free_port
from stack_workspace import Stacked, stacked
from waiting import until


@pytest.fixture(scope="module")
def whole(
    docker_images: dict[str, str], smollm2: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stacked]:
    """llama.cpp with Prometheus and nginx with TLS, selected and started as a person would."""
    with stacked(
        tmp_path_factory.mktemp("whole"),
        docker_images,
        smollm2,
        ENABLE_MONITORING="true",
        ALERTMANAGER_PORT=str(free_port()),
        ALERT_WEBHOOK_URL="http://host.docker.internal:9/hidden",
        ENABLE_NGINX="true",
        ENABLE_SSL="true",
        NGINX_HTTP_PORT=str(free_port()),
        NGINX_HTTPS_PORT=str(free_port()),
        API_KEY="sesame",
    ) as it:
        it.cli.ok("stack", "select", "llamacpp")
        it.started = it.cli.json("start")
        yield it


def inspected(it: Stacked) -> dict[str, Any]:
    return {name: json.loads(docker("inspect", id_))[0] for name, id_ in it.containers.items()}


def test_select_and_start_end_with_a_token(whole: Stacked) -> None:
    assert whole.started["runtime"] == "docker"
    assert whole.started["answer"]["completion_tokens"] > 0
    assert whole.containers.keys() == {
        "alertmanager", "gateway", "llamacpp", "nginx", "node-exporter", "prometheus",
    }  # fmt: skip


def test_the_engine_answers_through_nginx_with_tls(whole: Stacked) -> None:
    [pem] = (whole.cli.workspace / ".frontier" / "secrets").glob("tls-certificate-*")
    context = ssl.create_default_context(cafile=str(pem))
    request = urllib.request.Request(
        f"https://localhost:{whole.cli.env['NGINX_HTTPS_PORT']}/v1/chat/completions",
        json.dumps(
            {
                "model": "smollm2:135m",
                "messages": [{"role": "user", "content": "Hi"}],
                "max_tokens": 3,
                "stream": True,
            }
        ).encode(),
        {"Authorization": "Bearer sesame", "Content-Type": "application/json"},
    )

    with urllib.request.urlopen(request, context=context, timeout=60) as answer:
        text = answer.read().decode()

    assert text.rstrip().endswith("data: [DONE]")


def test_top_sees_containers_with_their_memory_and_the_requests_that_failed(
    whole: Stacked,
) -> None:
    asked = httpx2.get(f"{whole.cli.url}/v1/models/no-such", trust_env=False)

    seen = whole.cli.json("top", "--once", "--interval", "0.5")

    engines = {engine["name"]: engine for engine in seen["engines"]}
    assert engines.keys() == whole.containers.keys()
    assert {engine["place"] for engine in engines.values()} == {"container"}
    engine = engines["llamacpp"]
    assert (engine["backend"], engine["breaker"], engine["busy"]) == ("llamacpp", "closed", 0)
    assert engine["container"] == docker(
        "inspect", "--format", "{{.Name}}", whole.containers["llamacpp"]
    ).strip().removeprefix("/")
    assert seen["models"][0]["memory_bytes"] == engine["memory_bytes"] > 50_000_000
    assert asked.status_code in {error["status"] for error in seen["errors"]}


def test_prometheus_scrapes_gateway_engine_and_machine(whole: Stacked) -> None:
    url = f"http://127.0.0.1:{whole.cli.env['PROMETHEUS_PORT']}/api/v1/targets?state=active"

    def targets() -> dict[str, str]:
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = json.load(answer)["data"]["activeTargets"]
        return {target["labels"]["job"]: target["health"] for target in found}

    until(lambda: set(targets().values()) == {"up"}, timeout_s=60)
    assert targets().keys() == {
        f"frontier-{what}"
        for what in ("alertmanager", "engine", "gateway", "machine", "prometheus")
    }


def test_the_traffic_of_the_node_exporters_container_is_not_taken_for_the_machines(
    whole: Stacked,
) -> None:
    url = f"http://127.0.0.1:{whole.cli.env['PROMETHEUS_PORT']}/api/v1/label/__name__/values"

    def names() -> set[str]:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return set(json.load(answer)["data"])

    until(lambda: "node_memory_MemTotal_bytes" in names(), timeout_s=60)
    assert "node_network_receive_bytes_total" not in names()


def test_validate_and_test_find_nothing_wrong(whole: Stacked) -> None:
    report = json.loads(whole.cli.run("validate", "--running", "--ci", "--format", "json").stdout)
    asked = json.loads(whole.cli.run("test", "--skip", "aider", "--json").stdout)

    states = {check["id"]: check["state"] for check in report["checks"]}
    wrong = [c for c in (*report["checks"], *asked["checks"]) if c["state"] in ("warn", "fail")]
    assert not wrong
    assert {n for n, state in states.items() if state == "pass"} >= {
        *("docker.daemon", "docker.engine", "docker.compose", "project.current", "project.files"),
        *("running.networks", "service.gateway", "service.llamacpp", "service.nginx"),
        *(
            "tls.certificate",
            "api.gateway",
            "api.models",
            "monitoring.prometheus",
            "monitoring.targets",
            "monitoring.alerts",
            "monitoring.alertmanager",
        ),
    }
    assert asked["passed"] >= 18


def test_validate_tells_what_was_stopped_or_changed_by_hand(whole: Stacked) -> None:
    compose = whole.cli.workspace / ".frontier/project/compose.yaml"
    kept = compose.read_text()
    compose.write_text(f"{kept}# by hand\n")
    docker("stop", whole.containers["prometheus"])
    try:
        report = json.loads(whole.cli.run("validate", "--json").stdout)
    finally:
        compose.write_text(kept)
        docker("start", whole.containers["prometheus"])

    states = {check["id"]: check["state"] for check in report["checks"]}
    assert {name for name, state in states.items() if state in ("warn", "fail")} == {
        *("project.files", "service.prometheus", "monitoring.prometheus", "monitoring.targets"),
        "monitoring.alerts",
    }


def test_every_container_is_locked_down(whole: Stacked) -> None:
    for name, found in inspected(whole).items():
        host = found["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["PidsLimit"], name
        assert host["LogConfig"]["Config"]["max-size"], name
        assert found["Config"]["User"].partition(":")[0] not in ("", "0", "root"), name
        assert host["RestartPolicy"]["Name"] == "unless-stopped", name
        assert found["Config"]["Healthcheck"]["Test"], name


def test_only_what_people_open_is_published_and_only_on_loopback(whole: Stacked) -> None:
    published = {
        name: [p["HostIp"] for ports in found["HostConfig"]["PortBindings"].values() for p in ports]
        for name, found in inspected(whole).items()
    }

    assert {name for name, addresses in published.items() if addresses} == {
        "alertmanager", "gateway", "nginx", "prometheus",
    }  # fmt: skip
    assert {address for addresses in published.values() for address in addresses} == {"127.0.0.1"}


def test_no_secret_stands_in_a_definition_or_is_open(whole: Stacked) -> None:
    folder = whole.cli.workspace / ".frontier" / "project"
    readable = [p for p in folder.rglob("*") if p.is_file() and "models" not in p.parts]

    for secret in ("sesame", "9/hidden"):
        assert not [p for p in readable if secret in p.read_text() and "secrets" not in p.parts]
        assert secret not in json.dumps(inspected(whole))
    file = folder / "secrets" / "api-key"
    assert file.stat().st_mode & 0o077 == 0 or file.parent.stat().st_mode & 0o077 == 0


def test_keys_are_followed_by_the_running_container_within_a_second(whole: Stacked) -> None:
    def status(secret: str) -> int:
        return httpx2.get(f"{whole.cli.url}/v1/models", headers={"x-api-key": secret}).status_code

    before = whole.containers["gateway"]
    secret = whole.cli.json("keys", "create", "docker", "--budget", "1m/day")["secret"]
    until(lambda: status(secret) == 200, timeout_s=1)
    body = {
        "model": "smollm2:135m",
        "max_tokens": 4,
        "messages": [{"role": "user", "content": "a"}],
    }
    answer = httpx2.post(
        f"{whole.cli.url}/v1/chat/completions",
        json=body,
        headers={"Authorization": f"Bearer {secret}"},
        timeout=60,
    )
    whole.cli.ok("keys", "revoke", "docker")
    until(lambda: status(secret) == 401, timeout_s=1)

    assert answer.status_code == 200
    usage = whole.cli.workspace / "data" / "gateway" / "usage.json"
    (kept,) = until(lambda: usage.exists() and json.loads(usage.read_text())["used"])
    assert kept["used"] == answer.json()["usage"]["total_tokens"]
    assert whole.containers["gateway"] == before


def test_plain_compose_understands_the_project(whole: Stacked) -> None:
    compose = whole.cli.workspace / ".frontier" / "project" / "compose.yaml"

    services = docker("compose", "-f", str(compose), "ps", "--services").split()

    assert set(services) == whole.containers.keys()


def test_status_proves_where_the_engine_computes(whole: Stacked) -> None:
    status = whole.cli.json("status")

    engine = next(s for s in status["services"] if s["name"] == "llamacpp")
    assert status["state"] == "running"
    assert engine["compute"]["device"] == "CPU"
    assert engine["memory_bytes"] > 50_000_000


def test_starting_again_restarts_nothing(whole: Stacked) -> None:
    before = whole.containers

    assert whole.cli.json("start")["steps"] == []
    assert whole.containers == before


def test_metrics_tell_the_engines_one_start_its_processor_and_the_certificate(
    whole: Stacked,
) -> None:
    answer = httpx2.get(f"{whole.cli.url}/metrics", headers={"x-api-key": "sesame"})

    samples = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if line[0] != "#")
    engine = '{backend="llamacpp",model="smollm2:135m"}'
    assert samples[f"frontier_model_load_seconds_count{engine}"] == "1"
    assert 0 < float(samples[f"frontier_model_load_seconds_sum{engine}"]) < 120
    assert samples[f"frontier_model_load_failures_total{engine}"] == "0"
    assert samples['frontier_engine_gpu_expected{backend="llamacpp"}'] == "0"
    assert samples['frontier_engine_gpu_in_use{backend="llamacpp"}'] == "0"
    ends = float(samples['frontier_tls_not_after_timestamp_seconds{endpoint="nginx"}'])
    assert 396 < (ends - time.time()) / 86400 < 397


def test_a_changed_setting_restarts_only_what_it_concerns_and_says_why(whole: Stacked) -> None:
    before = whole.containers
    whole.cli.env["CACHE_SIZE"] = "256"

    result = whole.cli.json("start")
    after = whole.containers

    assert result["steps"] == [
        {"action": "restart", "service": "llamacpp", "reason": "command changed"}
    ]
    assert {name for name in before if before[name] != after[name]} == {"llamacpp"}


def test_logs_are_of_one_service_or_of_all(whole: Stacked) -> None:
    assert "llamacpp" in whole.cli.ok("logs", "-n", "3")
    assert "/v1/chat/completions" in whole.cli.ok("logs", "gateway", "-n", "200")


def test_a_service_that_was_killed_comes_back_by_itself(whole: Stacked) -> None:
    def engine() -> dict[str, Any]:
        services = whole.cli.json("status")["services"]
        return next(s for s in services if s["name"] == "llamacpp")

    before = engine()
    for process in psutil.Process(before["pid"]).children():
        process.kill()

    until(lambda: engine()["pid"] not in (None, before["pid"]), timeout_s=60)
    until(lambda: whole.cli.json("status")["state"] == "running", timeout_s=90)


def test_stopped_containers_are_started_again(whole: Stacked) -> None:
    docker("stop", *whole.containers.values())

    assert whole.cli.json("start")["answer"]["completion_tokens"] > 0


def test_a_strange_path_a_strict_umask_and_another_name_while_it_runs(
    docker_images: dict[str, str], smollm2: Any, tmp_path: Any
) -> None:
    before = os.umask(0o077)
    try:
        with stacked(tmp_path / "a b$HOME é", docker_images, smollm2) as it:
            assert it.cli.json("start")["answer"]["completion_tokens"] > 0
            old = ComposeProject(it.project.name)
            it.project.name = it.cli.env["PROJECT_NAME"] = f"{it.project.name}-2"

            assert it.cli.json("start")["answer"]["completion_tokens"] > 0

            assert old.remove() == {}
            assert it.containers.keys() == {"gateway", "llamacpp"}
    finally:
        os.umask(before)


def test_what_was_in_docker_runs_on_the_host_without_docker(
    docker_images: dict[str, str], smollm2: Any, tmp_path: Any
) -> None:
    with stacked(tmp_path / "moved", docker_images, smollm2) as it:
        it.cli.ok("start")
        it.cli.ok("up", "--runtime", "native", "--quiet")
        dead = {"DOCKER_HOST": f"unix://{tmp_path}/dead.sock"}
        it.cli.env.update(dead)

        assert it.cli.json("status")["state"] == "running"
        assert "stopped" in it.cli.ok("stop")
        del it.cli.env["DOCKER_HOST"]
