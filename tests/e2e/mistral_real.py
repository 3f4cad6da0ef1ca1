"""The real mistral.rs, compiled from crates.io, streams tokens natively and from a container.

``make mistral`` runs it: a first time it compiles for 20 minutes. What lies between is kept in
the test cache, so that it takes a minute from then on.
"""

import json
import os
import signal
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from docker_images import docker
from downloads import downloads
from frontier.domain.build import MISTRAL
from frontier_cli import Frontier, free_port
from tiny_crate import cargo
from waiting import until

pytestmark = pytest.mark.timeout(3600)
QUESTION = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 16}


@pytest.fixture(scope="module")
def frontier(
    tmp_path_factory: pytest.TempPathFactory, docker_images: dict[str, str], smollm2: Path
) -> Iterator[Frontier]:
    root = tmp_path_factory.mktemp("mistral")
    env = {
        "CARGO_TARGET_DIR": str(downloads() / "mistralrs/target"),
        "GATEWAY_BASE_IMAGE": docker_images["GATEWAY_BASE_IMAGE"],
        "PATH": f"{Path(cargo()).parent}{os.pathsep}{os.environ['PATH']}",
        "RUNTIME": "native",
    }
    frontier = Frontier(root / "w", env)
    frontier.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    yield frontier
    frontier.run("down")


@pytest.fixture(scope="module")
def built(frontier: Frontier) -> dict[str, Any]:
    done = frontier.run("stack", "build", "mistral", "--json", timeout_s=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def streamed(url: str, **more: object) -> tuple[str, float]:
    """Return what chunks of a streamed answer say, and the seconds to the first."""
    body = json.dumps({**QUESTION, "stream": True, **more}).encode()
    request = urllib.request.Request(
        f"{url}/v1/chat/completions", body, {"content-type": "application/json"}
    )
    text, first, begin = "", 0.0, time.monotonic()
    with urllib.request.urlopen(request, timeout=120) as answer:
        for line in answer:
            if line.startswith(b"data: {"):
                delta = json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
                first = first or time.monotonic() - begin
                text += delta
    return text, first


def test_it_compiles_and_says_what_it_is(built: dict[str, Any]) -> None:
    assert built["version"] == MISTRAL.version
    assert Path(built["binary"]).stat().st_size > 10_000_000


def test_the_second_call_is_instant(frontier: Frontier, built: dict[str, Any]) -> None:
    begin = time.monotonic()

    again = frontier.json("stack", "build", "mistral")

    assert again["is_cached"]
    assert again["binary"] == built["binary"]
    assert time.monotonic() - begin < 10


def test_up_streams_a_token_from_it_natively(frontier: Frontier, built: dict[str, Any]) -> None:
    up = frontier.json("up", "mistral")

    assert up["answer"]["completion_tokens"] > 0
    text, _ = streamed(frontier.url, model="smollm2:135m")
    assert text.strip()
    status = frontier.json("status")
    engine = next(s for s in status["services"] if s["name"] == "mistral")
    assert psutil.Process(engine["pid"]).exe() == str(Path(built["binary"]).resolve())


def test_a_killed_engine_streams_again(frontier: Frontier) -> None:
    def engine() -> dict[str, Any]:
        services = frontier.json("status")["services"]
        found: dict[str, Any] = next(s for s in services if s["name"] == "mistral")
        return found

    before = engine()["pid"]
    os.kill(before, signal.SIGKILL)

    until(
        lambda: (now := engine())["phase"] == "ready" and now["pid"] != before,
        timeout_s=60,
        what="another engine",
    )
    assert streamed(frontier.url, model="smollm2:135m")[0].strip()


def test_it_stops_without_waiting(frontier: Frontier) -> None:
    begin = time.monotonic()

    frontier.ok("down")

    assert time.monotonic() - begin < 10


@pytest.fixture(scope="module")
def image(frontier: Frontier, built: dict[str, Any]) -> Iterator[str]:
    reference: str = frontier.json("stack", "build", "mistral", "--method", "image")["image"]
    assert frontier.json("stack", "build", "mistral", "--method", "image")["is_cached"]
    yield reference
    docker("rmi", "--force", reference)


def test_its_container_streams_a_token_with_no_right_at_all(image: str, smollm2: Path) -> None:
    name, port = f"frontier-test-{uuid.uuid4().hex[:10]}", free_port()
    hard = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--init")
    mounts = ("--tmpfs", "/tmp", "--volume", f"{smollm2.parent}:/store:ro")
    serve = ("serve", "--model-id", "/store", "--format", "gguf", "--quantized-file", smollm2.name)
    listen = ("--host", "0.0.0.0", "--port", "1234", "--token-source", "none", "--cpu")
    publish = ("--publish", f"127.0.0.1:{port}:1234")
    docker("run", "--detach", "--name", name, *hard, *mounts, *publish, image, *serve, *listen)
    try:
        until(
            lambda: docker("logs", name).count("Server listening"), timeout_s=60, what="the server"
        )

        text, _ = streamed(f"http://127.0.0.1:{port}", model="default")

        assert text.strip()
        assert docker("exec", name, "cat", "/proc/1/status").count("65532") >= 1
        assert docker("exec", name, "frontier-health", "http://127.0.0.1:1234/health") == ""
    finally:
        docker("rm", "--force", name)
