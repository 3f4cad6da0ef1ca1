"""Ollama's API in front of an Ollama server: everything passes, names aside."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import ollama
import pytest

from gateway_process import GatewayProcess, RawClient, ask, get
from scripted_upstream import (
    LAST_CHUNK,
    Exchange,
    ScriptedUpstream,
    answer,
    chunk,
    head,
    scripted,
)
from waiting import until

ROUTES = """
version: 1
models:
  - {{name: big, backend: ollama, backend_url: "{url}", upstream_model: "llama3.2:3b"}}
  - {{name: m, backend: vllm, backend_url: "{url}"}}
"""
NDJSON = head(Content_Type="application/x-ndjson", Transfer_Encoding="chunked")
Script = Callable[[Exchange], None]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def gateway(
    server: ScriptedUpstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayProcess]:
    routes = tmp_path_factory.mktemp("ollama-upstream") / "routes.yaml"
    routes.write_text(ROUTES.format(url=server.url))
    with GatewayProcess("--config", routes) as process:
        yield process


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[ollama.Client]:
    with ollama.Client(host=gateway.url) as client:
        yield client


@pytest.fixture
def script(server: ScriptedUpstream, request: Any) -> Callable[[Script], str]:
    """Have the server answer this test by a script of its own; return its prompt."""
    name = "".join(c if c.isalnum() else " " for c in request.node.name)
    return lambda run: scripted(server.on(name, run))


def line(text: str, **fields: object) -> bytes:
    message = {"role": "assistant", "content": text}
    said = {"model": "llama3.2:3b", "created_at": "2026-01-01T00:00:00Z", "message": message}
    document = json.dumps(said | {"done": False} | fields, ensure_ascii=False)
    return (document.replace(": ", ":").replace(", ", ",") + "\n").encode()


END = line("", done=True, done_reason="stop", prompt_eval_count=7, eval_count=3)


def lines(*parts: bytes, end: bytes = LAST_CHUNK) -> Script:
    def run(exchange: Exchange) -> None:
        exchange.send(NDJSON)
        for part in parts:
            exchange.send(chunk(part))
        exchange.send(end)

    return run


def user(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]


def test_a_stream_passes_with_the_name_that_was_asked_for(
    gateway: GatewayProcess,
    client: ollama.Client,
    server: ScriptedUpstream,
    script: Callable[[Script], str],
) -> None:
    prompt = script(lines(line("a\x85b\u2028"), line("c"), END))

    got = list(client.chat("BIG:latest", user(prompt), options={"num_ctx": 8192}, stream=True))

    assert "".join(x.message.content or "" for x in got) == "a\x85b\u2028c"
    assert {x.model for x in got} == {"BIG:latest"}
    assert (got[-1].done, got[-1].eval_count) == (True, 3)
    sent = server.seen[-1]
    assert (sent.path, sent.body["model"]) == ("/api/chat", "llama3.2:3b")
    assert sent.body["options"] == {"num_ctx": 8192}


def test_tokens_of_passed_answers_are_counted(
    gateway: GatewayProcess, script: Callable[[Script], str]
) -> None:
    asked = {"model": "big", "messages": user(script(lines(line("a"), END)))}

    ask(gateway.port, asked, "/api/chat", X_Request_Id="counted")

    log = gateway.access_line("counted")
    assert (log["status"], log["tokens_in"], log["tokens_out"]) == (200, 7, 3)


@pytest.mark.parametrize(
    "parts", [[b'{"error":"model runner died"}\n'], []], ids=["error line", "early end"]
)
def test_conformance_106_107_a_stream_that_fails_says_so(
    gateway: GatewayProcess, script: Callable[[Script], str], parts: list[bytes]
) -> None:
    asked = {"model": "big", "messages": user(script(lines(line("a"), *parts)))}

    got = ask(gateway.port, asked, "/api/chat")

    last = json.loads(got.body.splitlines()[-1])
    assert last["error"] == (
        "model runner died" if parts else "The engine ended its answer too early."
    )
    assert b'"done":true' not in got.body


def test_a_whole_answer_and_an_error_pass(
    client: ollama.Client, script: Callable[[Script], str], server: ScriptedUpstream
) -> None:
    got = client.chat("big", user(script(answer(END.rstrip()))))
    server.at("POST /api/embed", answer({"model": "llama3.2:3b", "embeddings": [[0.6, 0.8]]}))
    vectors = client.embed("big", "x")

    assert (got.model, got.done_reason) == ("big", "stop")
    assert (vectors.model, vectors.embeddings) == ("big", [[0.6, 0.8]])
    refused = answer({"error": "model requires more system memory"}, "500 Internal Server Error")
    with pytest.raises(ollama.ResponseError, match="more system memory") as error:
        client.chat("big", user(script(refused)))
    assert error.value.status_code == 500


def test_conformance_070_086_lists_tell_what_the_server_knows(
    client: ollama.Client, server: ScriptedUpstream
) -> None:
    theirs = {
        "name": "llama3.2:3b",
        "model": "llama3.2:3b",
        "modified_at": "2026-01-02T00:00:00Z",
        "size": 42,
        "digest": "ab" * 32,
        "details": {"family": "llama", "parameter_size": "3.2B"},
    }
    running = theirs | {"expires_at": "2026-01-03T00:00:00Z", "size_vram": 5, "context_length": 9}
    server.at("GET /api/tags", answer({"models": [theirs]}))
    server.at("GET /api/ps", answer({"models": [running]}))

    listed = {m.model: m for m in client.list().models}
    loaded = {m.model: m for m in client.ps().models}

    assert (listed["big:latest"].size, listed["big:latest"].digest) == (42, "ab" * 32)
    assert listed["m:latest"].size == 0
    assert loaded["big:latest"].size_vram == 5
    server.at("GET /api/ps", answer({"models": []}))
    assert "big:latest" not in {m.model for m in client.ps().models}


def test_conformance_071_what_the_server_shows_is_shown(
    client: ollama.Client, server: ScriptedUpstream
) -> None:
    info = {"llama.context_length": 131072, "general.architecture": "llama"}
    server.at("POST /api/show", answer({"model_info": info, "template": "{{ .Prompt }}"}))

    assert client.show("big").modelinfo == info
    assert server.seen[-1].body["model"] == "llama3.2:3b"


def test_conformance_084_copy_and_delete_reach_the_server(
    client: ollama.Client, server: ScriptedUpstream
) -> None:
    server.at("POST /api/copy", answer(b""))
    server.at("DELETE /api/delete", answer(b""))

    assert client.copy("big", "other").status == "success"
    assert server.seen[-1].body == {"source": "llama3.2:3b", "destination": "other"}
    assert client.delete("foreign").status == "success"
    assert server.seen[-1].body == {"model": "foreign"}
    server.at("DELETE /api/delete", answer({"error": "model 'x' not found"}, "404 Not Found"))
    with pytest.raises(ollama.ResponseError, match="model 'x' not found"):
        client.delete("foreign")


def test_conformance_085_a_pull_streams_the_servers_progress(
    gateway: GatewayProcess, server: ScriptedUpstream
) -> None:
    seen = threading.Event()

    def run(exchange: Exchange) -> None:
        exchange.send(NDJSON + chunk(b'{"status":"pulling manifest"}\n'))
        assert seen.wait(10)
        exchange.send(chunk(b'{"status":"success"}\n') + LAST_CHUNK)

    server.at("POST /api/pull", run)
    with RawClient(gateway.port) as raw:
        raw.post({"model": "qwen3:8b"}, "/api/pull")
        _, headers, _ = raw.read_head()
        until(lambda: b"manifest" in raw._buffer or not raw._more(), what="the first line")
        seen.set()
        body, is_cut = raw._read_chunks()

    assert headers["content-type"] == "application/x-ndjson"
    assert not is_cut
    assert body.splitlines()[-1] == b'{"status":"success"}'


def test_conformance_101_a_pull_is_stopped_when_its_client_leaves(
    gateway: GatewayProcess, server: ScriptedUpstream
) -> None:
    gone = threading.Event()

    def run(exchange: Exchange) -> None:
        exchange.send(NDJSON + chunk(b'{"status":"pulling manifest"}\n'))
        exchange.wait_until_gone()
        gone.set()

    server.at("POST /api/pull", run)
    with RawClient(gateway.port) as raw:
        raw.post({"model": "qwen3:8b"}, "/api/pull", X_Request_Id="puller")
        raw.read_head()

    assert gone.wait(2)
    assert gateway.access_line("puller")["status"] == 499
    assert not gateway.events("bug")


def test_conformance_029_a_client_that_reads_slowly_holds_a_pull_back(
    gateway: GatewayProcess, server: ScriptedUpstream
) -> None:
    flood = chunk(b'{"status":"' + b"x" * 65_000 + b'"}\n')
    sent = 0

    def run(exchange: Exchange) -> None:
        nonlocal sent
        exchange.send(NDJSON)
        exchange.sock.settimeout(2)
        try:
            for _ in range(2000):
                exchange.send(flood)
                sent += 1
        except TimeoutError:
            exchange.sock.settimeout(10)
            exchange.reset()

    server.at("POST /api/pull", run)
    before = gateway.rss_bytes()
    with RawClient(gateway.port) as raw:
        raw.post({"model": "qwen3:8b"}, "/api/pull")
        raw.read_head()
        until(lambda: sent and _is_still(lambda: sent), timeout_s=20, what="the flood to stop")
        assert sent < 1000
        assert gateway.rss_bytes() - before < 20_000_000


def _is_still(count: Callable[[], int]) -> bool:
    import time

    first = count()
    time.sleep(0.5)
    return count() == first


def test_a_blob_reaches_the_server(gateway: GatewayProcess, server: ScriptedUpstream) -> None:
    place = "/api/blobs/sha256:" + "0" * 64
    server.at(f"POST {place}", answer(b"", "201 Created"))

    got = ask(gateway.port, b"\x00\xff" * 1000, place)

    assert got.status == 201
    assert server.seen[-1].raw_body == b"\x00\xff" * 1000


def test_a_server_that_is_gone_is_told(tmp_path: Any) -> None:
    with ScriptedUpstream() as gone:
        routes = tmp_path / "routes.yaml"
        routes.write_text(ROUTES.format(url=gone.url))
    with GatewayProcess("--config", routes) as process:
        got = ask(process.port, {"model": "x"}, "/api/pull")
        assert got.status == 502
        assert isinstance(got.json["error"], str)
        assert len(get(process.port, "/api/tags").json["models"]) == 2
        assert get(process.port, "/api/ps").json == {"models": []}
        assert ask(process.port, {"model": "big"}, "/api/show").status == 200
