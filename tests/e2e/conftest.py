"""One gateway process and one scripted engine for all tests that need no other; containers."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import anthropic_requests
from docker_fixtures import ComposeProject
from docker_harness import Docked, docker_children
from engine_words import ENGINES
from gateway_process import GatewayProcess, free_port
from native_harness import Silent
from scripted_upstream import ScriptedUpstream

if TYPE_CHECKING:
    from anthropic import Anthropic

ROUTES = """
version: 1
models:
  - {{name: m, aliases: [m-alias], backend: llamacpp, backend_url: "{url}"}}
  - {{name: v, aliases: [v-alias], backend: vllm, backend_url: "{url}"}}
  - {{name: cpp, aliases: [cpp-alias], backend: llamacpp, backend_url: "{url}/v1/"}}
  - name: quick
    backend: vllm
    backend_url: "{url}"
    timeouts: {{connect: 500ms, first_token: 300ms, idle: 300ms, total: 1s}}
  - {{name: dead, backend: mistral, backend_url: "http://127.0.0.1:{dead_port}"}}
  - {{name: unplaced, backend: ollama}}
"""


@pytest.fixture(scope="session")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture(scope="session")
def gateway(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    with free_port() as dead_port:
        routes = tmp_path_factory.mktemp("gateway") / "routes.yaml"
        routes.write_text(ROUTES.format(url=upstream.url, dead_port=dead_port))
        with GatewayProcess("--config", routes, "--max-body-bytes", "2000000") as process:
            yield process


@pytest.fixture(scope="session")
def engines(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    """A gateway before an engine of every kind, all of them scripted."""
    routes = tmp_path_factory.mktemp("engines") / "routes.yaml"
    url = upstream.url
    rows = [f"  - {{name: {n}, backend: {b}, backend_url: '{url}'}}" for n, b in ENGINES.items()]
    routes.write_text("\n".join(["version: 1", "models:", *rows, ""]))
    with GatewayProcess("--config", routes) as process:
        yield process


@pytest.fixture(scope="session")
def anthropic_gateway(
    upstream: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    routes = tmp_path_factory.mktemp("anthropic") / "routes.yaml"
    routes.write_text(anthropic_requests.ROUTES.format(url=upstream.url))
    with GatewayProcess("--config", routes, "--max-body-bytes", "100000") as gateway:
        yield gateway


@pytest.fixture
def anthropic_client(anthropic_gateway: GatewayProcess) -> "Iterator[Anthropic]":
    from anthropic import Anthropic

    with Anthropic(base_url=anthropic_gateway.url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
def docked(
    tmp_path: Path, docker_images: dict[str, str], compose_project: ComposeProject
) -> Iterator[Docked]:
    """A workspace whose services run in containers; nothing of it is left behind."""
    docked = Docked(tmp_path / "w", compose_project, docker_images["GATEWAY_BASE_IMAGE"])
    yield docked
    docked.runtime.stop(Silent())
    assert docker_children() == []
