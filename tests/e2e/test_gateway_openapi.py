"""``/openapi.json`` is true: schemathesis asks a real gateway all that it allows, and more."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from frontier.gateway.apis.known import OPERATIONS
from gateway_process import GatewayProcess, get
from scripted_upstream import ScriptedUpstream, answer, completion

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
]
ROUTES = 'version: 1\nmodels: [{{name: m, aliases: ["*"], backend: vllm, backend_url: "{url}"}}]\n'


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway whose engine answers and counts whatever it is asked."""
    routes = tmp_path_factory.mktemp("openapi") / "routes.yaml"
    with ScriptedUpstream() as engine:
        vector = {"embedding": [0.6, 0.8], "index": 0}
        counted = {"count": 3, "content": "Hi", "stop": True, "data": [vector]}
        engine.on("", answer(completion("m") | counted))
        routes.write_text(ROUTES.format(url=engine.url))
        with GatewayProcess("--config", routes) as gateway:
            yield gateway


def test_every_path_that_leads_to_an_engine_is_described(served: GatewayProcess) -> None:
    paths = get(served.port, "/openapi.json").json["paths"]

    assert set(OPERATIONS) <= set(paths)
    assert "get" in paths["/v1/models/{name}"]
    assert paths["/metrics"]["get"]["summary"] == "Render every metric."


def test_the_command_prints_the_same(served: GatewayProcess) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "frontier", "gateway", "openapi"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert json.loads(done.stdout) == get(served.port, "/openapi.json").json


def test_schemathesis_finds_nothing(served: GatewayProcess, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{served.url}/openapi.json"]
    bounds = ["--max-examples", "20", "--seed", "1", "--phases", "examples,coverage,fuzzing"]

    done = subprocess.run(
        [*command, *bounds, "--checks", ",".join(CHECKS), "--no-color"],
        check=False,
        cwd=tmp_path,  # it keeps what it finds
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert {line["status"] for line in served.lines if line.get("route") in OPERATIONS} >= {
        200,
        400,
    }
    assert not served.events("bug")
