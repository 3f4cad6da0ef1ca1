"""The suite's own images do what Frontier asks of the official ones."""

import json
import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from debian_packages import Root, write_root
from docker_fixtures import ComposeProject
from docker_images import REPOSITORY, docker, ensure_images
from waiting import until

HARDENED = (
    "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--user=1234:1234",
    "--tmpfs=/tmp",
)  # fmt: skip


class Container:
    """A hardened container of *image* that belongs to *project*, which removes it at the end."""

    def __init__(
        self, project: ComposeProject, image: str, *options: str, command: list[str]
    ) -> None:
        project.may_leave.add("container")
        label = f"--label=com.docker.compose.project={project.name}"
        words = ("run", "--detach", label, *HARDENED, *options, image, *command)
        self.id = docker(*words)

    def get(self, url: str, *options: str) -> str:
        """Return what curl inside gets from *url*, "" while nothing answers; fail if it ended."""
        if docker("inspect", "--format", "{{.State.Running}}", self.id) != "true":
            raise AssertionError(self.logs())
        words = ("docker", "exec", self.id, "curl", "-sf", *options, url)
        return subprocess.run(words, capture_output=True, text=True, check=False).stdout

    def logs(self) -> str:
        words = ("docker", "logs", self.id)
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        return done.stdout + done.stderr


def test_llamacpp_streams_a_token(
    docker_images: dict[str, str], compose_project: ComposeProject, smollm2: Path
) -> None:
    smollm2.chmod(0o644)
    command = "--model /model.gguf --ctx-size 512 --metrics --cache-ram 0".split()
    mount = f"--volume={smollm2}:/model.gguf:ro"

    server = Container(
        compose_project, docker_images["LLAMACPP_IMAGE"], mount, "--memory=1g", command=command
    )

    until(lambda: server.get("localhost:8080/health"), timeout_s=60, what="llama.cpp")
    asked = json.dumps({"prompt": "Hello", "max_tokens": 2, "stream": True})
    answer = server.get("localhost:8080/v1/completions", "--data", asked)
    assert "data: [DONE]" in answer, answer
    assert "llamacpp:tokens_predicted_total 2" in server.get("localhost:8080/metrics")


def test_prometheus_scrapes_itself(
    docker_images: dict[str, str], compose_project: ComposeProject, tmp_path: Path
) -> None:
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "scrape_configs: [{job_name: self, scrape_interval: 1s, "
        "static_configs: [{targets: ['localhost:9090']}]}]"
    )
    mounts = (f"--volume={config}:/etc/prometheus/prometheus.yml:ro", "--volume=/prometheus")

    server = Container(
        compose_project,
        docker_images["PROMETHEUS_IMAGE"],
        *mounts,
        command=["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"],
    )

    is_up = "localhost:9090/api/v1/query?query=up"
    until(lambda: '"1"' in server.get(is_up), timeout_s=30, what="a scraped target")
    wget = ("exec", server.id, "wget", "-q", "-O", "-", "http://localhost:9090/-/healthy")
    assert "Healthy" in docker(*wget)


def test_node_exporter_exports(
    docker_images: dict[str, str], compose_project: ComposeProject
) -> None:
    image = docker_images["NODE_EXPORTER_IMAGE"]

    server = Container(compose_project, image, command=["--path.rootfs=/"])

    until(lambda: "node_memory_MemTotal_bytes" in server.get("localhost:9100/metrics"))


NGINX = """
pid /tmp/nginx.pid;
events {}
http {
    client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
    server { listen 8080; location / { return 200 "served"; } }
    server {
        listen 8443 ssl; http2 on; location / { return 200 "encrypted"; }
        ssl_certificate /conf/cert.pem; ssl_certificate_key /conf/key.pem;
    }
}
"""


def test_nginx_serves_plainly_and_with_tls(
    docker_images: dict[str, str], compose_project: ComposeProject, tmp_path: Path
) -> None:
    (tmp_path / "nginx.conf").write_text(NGINX)
    _self_signed(tmp_path)
    folder = f"--volume={tmp_path}:/conf:ro"
    tmp_path.chmod(0o755)

    server = Container(
        compose_project,
        docker_images["NGINX_IMAGE"],
        folder,
        command=["nginx", "-c", "/conf/nginx.conf", "-g", "daemon off;"],
    )

    until(lambda: server.get("localhost:8080") == "served", what="nginx")
    assert server.get("https://localhost:8443", "-k", "--http2") == "encrypted"


def _self_signed(folder: Path) -> None:
    key, certificate = folder / "key.pem", folder / "cert.pem"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost".split()
    words += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(words, check=True, capture_output=True)
    key.chmod(0o644)


def test_the_gateways_base_has_python(docker_images: dict[str, str]) -> None:
    image = docker_images["GATEWAY_BASE_IMAGE"]

    version = docker("run", "--rm", *HARDENED, image, "python3", "--version")

    assert version.startswith("Python 3.13.")


def test_a_project_that_is_left_behind_is_told_and_removed(
    docker_images: dict[str, str], compose_project: ComposeProject
) -> None:
    label = f"--label=com.docker.compose.project={compose_project.name}"
    docker("network", "create", label, compose_project.name)
    docker("volume", "create", label, compose_project.name)
    docker("create", label, "--name", compose_project.name, docker_images["GATEWAY_BASE_IMAGE"])

    compose_project.may_leave = {"container"}

    with pytest.raises(AssertionError) as caught:
        compose_project.end()

    name = [compose_project.name]
    left = {"network": name, "volume": name}
    assert str(caught.value).startswith(f"the test left behind: {left}")
    assert compose_project.remove() == {}


@pytest.mark.usefixtures("docker_images")
def test_compose_is_at_hand() -> None:
    major, minor = docker("compose", "version", "--short").removeprefix("v").split(".")[:2]

    assert (int(major), int(minor)) >= (2, 20)


def test_two_runs_at_once_build_an_image_once(
    docker_images: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = uuid.uuid4().hex
    tiny = Root("trixie", ("base-files",), scripts={"mark": mark})  # an input that nobody else has
    monkeypatch.setattr("docker_images.ROOTS", {"tiny": tiny})
    monkeypatch.setattr("docker_images.IMAGES", {"TINY_IMAGE": ("python", "tiny")})
    made = list[Path]()

    def write(*arguments: Any, target: Path, **options: Any) -> None:
        made.append(target)
        write_root(*arguments, target=target, **options)

    monkeypatch.setattr("docker_images.write_root", write)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(ensure_images, [tmp_path, tmp_path])

    assert first == second
    assert len(made) == 1
    base = docker("images", "--quiet", "--filter", f"reference={REPOSITORY}/tiny")
    docker("rmi", "--force", first["TINY_IMAGE"], *base.split())


@pytest.mark.parametrize(("ci", "outcome"), [("true", "1 error"), ("", "1 skipped")])
def test_without_docker_a_test_fails_in_ci_and_is_skipped_elsewhere(ci: str, outcome: str) -> None:
    nowhere = {"CI": ci, "DOCKER_HOST": "tcp://127.0.0.1:9", "COVERAGE_PROCESS_START": ""}
    test = f"{Path(__file__).parent / 'test_docker_images.py'}::test_the_gateways_base_has_python"
    words = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rsE", test)

    done = subprocess.run(
        words, env={**os.environ, **nowhere}, capture_output=True, text=True, check=False
    )

    assert outcome in done.stdout
    assert "no Docker engine answers: Cannot connect to the Docker daemon" in done.stdout
