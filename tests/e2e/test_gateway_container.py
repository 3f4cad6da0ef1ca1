"""The gateway as the first process of a container, and engines whose names move."""

import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from docker_images import docker, server_architecture
from downloads import downloads
from fakes import FakeReporter
from frontier.adapters.gateway_control import HttpGatewayControl
from frontier.adapters.gateway_image import GatewayImage
from frontier.adapters.wheels import open_wheels
from frontier.domain.project import Route
from gateway_process import RawClient, ask, chat, get
from waiting import until

KEY = {"Authorization": "Bearer K"}
# An engine: says its name, after as many seconds as it is asked to wait.
ENGINE = """
import http.server, json, sys, time
class Engine(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(asked.get("wait_s", 0))
        self.say({"model": "m", "choices": [{"message": {"content": sys.argv[1]}}]})
    def do_GET(self):
        self.say({})
    def say(self, answer):
        body = json.dumps(answer, separators=(",", ":")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 8080), Engine).serve_forever()
"""
ZOMBIES = """
import pathlib
for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
    if stat.read_text().rpartition(")")[2].split()[0] == "Z":
        print(stat.parent.name)
"""


class Network:
    """A Docker network with the gateway and engines, removed at the end."""

    def __init__(self, stack: ExitStack, base: str) -> None:
        self.name = f"frontier-test-gateway-{uuid.uuid4().hex[:10]}"
        self.base = base
        self._stack = stack
        docker("network", "create", self.name)
        stack.callback(docker, "network", "rm", self.name)

    def run(self, name: str, *words: str) -> str:
        container = f"{self.name}-{name}"
        docker("run", "--detach", "--name", container, "--network", self.name, *words)
        self._stack.callback(docker, "rm", "--force", container)
        return container

    def engine(self, name: str) -> str:
        alias = ("--network-alias", "engine", "--init")
        container = self.run(name, *alias, self.base, "python3", "-c", ENGINE, name)
        connect = "import socket; socket.create_connection(('localhost', 8080)).close()"
        until(lambda: succeeds("exec", container, "python3", "-c", connect), what=container)
        return container

    def replace(self, old: str, name: str) -> None:
        """Have the name lead to another container at another address."""
        was = self.address(old)
        docker("rm", "--force", old)
        self.run("squatter", "--init", self.base, "sleep", "1000")  # takes the address
        assert self.address(self.engine(name)) != was

    def address(self, container: str) -> str:
        path = f'{{{{(index .NetworkSettings.Networks "{self.name}").IPAddress}}}}'
        return docker("inspect", "--format", path, container)


def succeeds(*words: str) -> bool:
    return subprocess.run(("docker", *words), capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def image(docker_images: dict[str, str]) -> str:
    """The gateway's own image, of the code as it is now."""
    folder = downloads() / "gateway-image"
    folder.mkdir(parents=True, exist_ok=True)
    image = GatewayImage(
        folder,
        docker_images["GATEWAY_BASE_IMAGE"],
        server_architecture(),
        lambda: open_wheels(os.environ, home=Path.home(), prefix=Path("/"), parts=folder / "parts"),
    )
    return image.build(FakeReporter(), "never")


@pytest.fixture
def network(docker_images: dict[str, str]) -> Iterator[Network]:
    with ExitStack() as stack:
        yield Network(stack, docker_images["GATEWAY_BASE_IMAGE"])


class Gateway:
    """The container, its published port, and the folders that the host writes."""

    def __init__(self, network: Network, image: str, folder: Path) -> None:
        self.live, config, key = (folder / name for name in ("live", "config", "key"))
        for each in (self.live, config, key):
            each.mkdir()
            each.chmod(0o755)
        (key / "key").write_text("K\n")
        mounts = [f"--volume={each}:/{each.name}:ro" for each in (self.live, config, key)]
        self.container = network.run(
            "gateway", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges",
            "--user=12345:12345", "--publish=127.0.0.1::8080", *mounts,
            "--entrypoint=env", image, "--unset=HOME",
            "python3", "-m", "frontier.gateway", "--listen=0.0.0.0:8080",
            "--config=/live/routes.yaml", "--config=/config/models.yaml",
            "--api-key-file=/key/key",
        )  # fmt: skip
        until(lambda: self.events("listening"), what="the gateway")
        self.port = int(docker("port", self.container, "8080/tcp").rpartition(":")[2])
        self.config = config

    def events(self, name: str) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in docker("logs", self.container).splitlines()]
        return [line for line in lines if line.get("event") == name]

    @property
    def control(self) -> HttpGatewayControl:
        route = Route(model="m", service="e", backend="llamacpp", url="http://engine:8080")
        return HttpGatewayControl(f"http://127.0.0.1:{self.port}", api_key="K", routes=[route])

    def route(self, *, hold: bool = False) -> None:
        entry = {"name": "m", "backend": "llamacpp", "backend_url": "http://engine:8080"}
        text = json.dumps({"version": 1, "models": [{**entry, "hold": hold}]})
        beside = self.live / "routes.new"
        beside.write_text(text)
        beside.chmod(0o644)
        beside.replace(self.live / "routes.yaml")
        self.control.wait_for(text)

    def says(self) -> str:
        answer = ask(self.port, chat("m"), **KEY)
        assert answer.status == 200, answer.body
        return str(answer.json["choices"][0]["message"]["content"])


@pytest.fixture
def gateway(network: Network, image: str, tmp_path: Path) -> Gateway:
    return Gateway(network, image, tmp_path)


def test_it_runs_without_home_name_or_a_place_to_write(gateway: Gateway, network: Network) -> None:
    assert gateway.events("listening")[0]["pid"] == 1
    assert get(gateway.port, "/healthz").status == 200
    assert get(gateway.port, "/metrics").status == 401
    assert get(gateway.port, "/metrics", **KEY).status == 200
    assert get(gateway.port, "/v1/models", **KEY).json["data"] == []

    network.engine("one")
    gateway.route()
    assert gateway.says() == "one"
    (gateway.config / "models.yaml").write_text(
        "version: 1\nmodels: [{name: mine, backend: llamacpp}]"
    )
    until(lambda: len(gateway.events("config_loaded")) == 2, what="the user's file")
    assert ask(gateway.port, chat("mine"), **KEY).status == 200
    mounted = {"A /live", "A /config", "A /key"}
    assert set(docker("diff", gateway.container).splitlines()) <= mounted


def test_the_first_process_leaves_no_zombies(gateway: Gateway) -> None:
    for _ in range(5):
        docker("exec", gateway.container, "sh", "-c", "(sleep 0.1; exit 0) & exit 0")

    zombies = lambda: docker("exec", gateway.container, "python3", "-c", ZOMBIES)  # noqa: E731
    sleepers = lambda: docker("top", gateway.container).count("sleep 0.1")  # noqa: E731
    until(lambda: not sleepers(), what="the end of the orphans")
    assert zombies() == ""


def test_docker_stop_lets_requests_finish(gateway: Gateway, network: Network) -> None:
    network.engine("one")
    gateway.route()
    with RawClient(gateway.port) as client:
        client.post(chat("m", wait_s=2), **KEY)
        until(lambda: gateway.control.in_flight(["e"]), what="the request at the engine")
        began = time.perf_counter()
        docker("stop", "--time", "30", gateway.container)
        took_s = time.perf_counter() - began
        status = client.read().status

    assert status == 200
    assert took_s < 10
    assert docker("inspect", "--format", "{{.State.ExitCode}}", gateway.container) == "0"


def test_a_name_that_moves_to_another_container_is_followed(
    gateway: Gateway, network: Network
) -> None:
    old = network.engine("old")
    gateway.route()
    assert gateway.says() == "old"
    gateway.route(hold=True)
    with RawClient(gateway.port) as client:
        client.post(chat("m"), **KEY)
        assert gateway.control.drain(["e"], timeout_s=10) == 0
        network.replace(old, "new")
        gateway.route()
        assert client.read().json["choices"][0]["message"]["content"] == "new"

    assert [gateway.says() for _ in range(5)] == ["new"] * 5


def test_a_container_that_is_replaced_behind_our_back_is_followed(
    gateway: Gateway, network: Network
) -> None:
    """No hold, no reload: an engine that died and came back elsewhere."""
    old = network.engine("old")
    gateway.route()
    assert gateway.says() == "old"
    network.replace(old, "new")

    assert gateway.says() == "new"
