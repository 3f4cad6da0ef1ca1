"""The gateway process: how it starts, reloads, reports, checks keys, and ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

import pytest
from prometheus_client.parser import text_string_to_metric_families

from frontier.adapters.ports_free import free_port
from frontier.renderers.native import GatewaySpec, gateway_flags
from gateway_process import GatewayProcess, RawClient, ask, chat, get
from scripted_upstream import (
    DONE,
    LAST_CHUNK,
    STREAM_HEAD,
    Exchange,
    ScriptedUpstream,
    answer,
    chunk,
    delta,
)
from waiting import until


def write_routes(path: Path, *models: str) -> Path:
    """Replace *path* by rename, as editors and Frontier itself do."""
    beside = path.with_suffix(".new")
    beside.write_text("version: 1\nmodels:\n" + "".join(f"  - {{{m}}}\n" for m in models))
    beside.replace(path)
    return path


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "frontier.gateway", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


# Starting


def test_the_ready_descriptor_gets_the_process_id(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    with GatewayProcess("--pid-ready-fd", str(write_end), pass_fds=(write_end,)) as gateway:
        os.close(write_end)
        with os.fdopen(read_end) as ready:
            assert int(ready.read()) == gateway.pid


def test_conformance_120_several_addresses_are_served_ipv6_too() -> None:
    with GatewayProcess("--listen", "[::1]:0", "--listen", "localhost:0") as gateway:
        assert len(gateway.urls) == 3
        assert gateway.urls[1].startswith("http://[::1]:")
        port = int(gateway.urls[1].rpartition(":")[2])
        with socket.create_connection(("::1", port)) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"Ollama is running" in sock.recv(1000)


def test_everywhere_in_ipv6_serves_ipv4_as_well() -> None:
    port = free_port()
    flags = gateway_flags(GatewaySpec(python="", bind="::", ports=(port,), config=()))
    with GatewayProcess(*flags):
        for host in ("::1", "127.0.0.1"):
            with socket.create_connection((host, port)) as sock:
                sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_taken_port_is_named(gateway: GatewayProcess) -> None:
    result = run("--listen", f"127.0.0.1:{gateway.port}")

    assert result.returncode == 4
    assert result.stderr.startswith(f"error: another program listens on 127.0.0.1:{gateway.port}\n")
    assert "hint: " in result.stderr


def test_an_address_of_another_machine_is_refused() -> None:
    result = run("--listen", "192.0.2.1:80")

    assert result.returncode == 4
    assert "cannot listen on 192.0.2.1:80" in result.stderr


def test_a_host_that_does_not_exist_is_refused() -> None:
    result = run("--listen", "no-such-host.invalid:80")

    assert result.returncode == 4
    assert "cannot listen on no-such-host.invalid:80" in result.stderr


@pytest.mark.parametrize("listen", ["8080", "host:port", "host:70000", ":80"])
def test_a_wrong_address_is_a_usage_error(listen: str) -> None:
    result = run("--listen", listen)

    assert result.returncode == 2
    assert "is not HOST:PORT" in result.stderr


def test_a_wrong_route_file_stops_the_start_with_file_line_and_field(tmp_path: Path) -> None:
    routes = tmp_path / "models.yaml"
    routes.write_text("version: 1\nmodels:\n  - name: m\n    backend: vllm\n    colour: red\n")

    result = run("--listen", "127.0.0.1:0", "--config", routes)

    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {routes}:5: models[0].colour: unknown field\n")
    assert "hint: " in result.stderr


@pytest.mark.parametrize("content", [None, b" \n"])
def test_a_missing_or_empty_key_file_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)

    result = run("--listen", "127.0.0.1:0", "--api-key-file", key)

    assert result.returncode == 1
    assert str(key) in result.stderr


# Routes that change


def test_a_stop_while_it_starts_is_not_missed(tmp_path: Path) -> None:
    """The kernel keeps a signal without a handler from the first process of a container."""
    routes = tmp_path / "r.yaml"
    os.mkfifo(routes)  # reading it takes until somebody writes
    process = subprocess.Popen(
        [sys.executable, "-m", "frontier.gateway", "--config", routes], stdout=subprocess.PIPE
    )
    writer = None
    try:
        writer = until(lambda: opened(routes), what="a reader")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.communicate()
        if writer is not None:
            writer.close()


def opened(fifo: Path) -> IO[bytes] | None:
    """Return *fifo* opened for writing, None as long as nobody reads it."""
    try:
        return os.fdopen(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK), "wb")
    except OSError:
        return None


def test_a_changed_file_is_used_and_a_wrong_one_is_kept_out(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    first, second = tmp_path / "run" / "routes.yaml", tmp_path / "config" / "models.yaml"
    base = f"backend: vllm, backend_url: '{upstream.url}'"
    with GatewayProcess("--config", first, "--config", second) as gateway:
        assert get(gateway.port, "/v1/models").json["data"] == []
        assert get(gateway.port, "/v1/models").json["first_id"] is None
        first.parent.mkdir()
        write_routes(first, f"name: one, {base}")
        until(lambda: gateway.events("config_loaded"), what="the new table")
        assert ask(gateway.port, chat("one")).status == 200

        second.parent.mkdir()
        second.write_text("version: 1\nmodels: [{name: two, backend: vllm}, }")
        rejected = until(lambda: gateway.events("config_rejected"), what="the complaint")[0]
        assert rejected["reason"].startswith(f"{second}:2: not YAML: ")
        assert get(gateway.port, "/readyz").json["config_error"] == rejected["reason"]
        assert b"frontier_config_reload_failures_total 1" in get(gateway.port, "/metrics").body
        assert ask(gateway.port, chat("one")).status == 200

        write_routes(second, "name: two, backend: vllm", "name: one, backend: ollama")
        until(lambda: len(gateway.events("config_loaded")) == 2, what="the corrected table")
        assert [m["id"] for m in get(gateway.port, "/v1/models").json["data"]] == ["two", "one"]
        assert ask(gateway.port, chat("two")).status == 200, "its URL is that of the first vllm"
        assert ask(gateway.port, chat("one")).status == 503
        assert get(gateway.port, "/readyz").json["config_error"] is None


def test_a_reload_leaves_running_requests_alone(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    reloaded = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "before ")))
        reloaded.wait(10)
        exchange.send(chunk(delta("m", "after")) + chunk(DONE) + LAST_CHUNK)

    upstream.on("across", script)
    routes = write_routes(
        tmp_path / "r.yaml", f"name: m, backend: vllm, backend_url: '{upstream.url}'"
    )
    with GatewayProcess("--config", routes) as gateway, RawClient(gateway.port) as client:
        client.post(chat("m", "across", stream=True))
        client.read_head()
        write_routes(routes, "name: other, backend: vllm")
        until(lambda: gateway.events("config_loaded"), what="the new table")
        reloaded.set()
        body, is_cut = client._read_chunks()
        client.post(chat("m"))
        assert client.read().status == 404

    assert not is_cut
    assert b"after" in body
    assert b"[DONE]" in body


# Readiness, metrics, log


def test_readiness_is_that_of_the_engines(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    routes = write_routes(
        tmp_path / "r.yaml", f"name: m, backend: vllm, backend_url: '{upstream.url}'"
    )
    with GatewayProcess("--config", routes) as gateway:
        ready = get(gateway.port, "/readyz")
        upstream.be_healthy(False)
        try:
            not_ready = get(gateway.port, "/readyz")
        finally:
            upstream.be_healthy(True)

    assert (ready.status, ready.json["backends"]) == (200, {"vllm": "ok"})
    assert not_ready.status == 503
    assert "503 Service Unavailable" in not_ready.json["backends"]["vllm"]


def test_readiness_names_engines_that_are_dead_mute_or_missing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        routes = write_routes(
            tmp_path / "r.yaml",
            f"name: a, backend: vllm, backend_url: 'http://127.0.0.1:{port}'",
            "name: b, backend: mistral, backend_url: 'http://127.0.0.1:1'",
            "name: c, backend: ollama",
        )
        with GatewayProcess("--config", routes) as gateway:
            backends = get(gateway.port, "/readyz").json["backends"]

    assert "within 1 s" in backends["vllm"]
    assert "cannot be reached" in backends["mistral"]
    assert backends["ollama"] == "no ollama engine is running"


def samples(gateway: GatewayProcess) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = get(gateway.port, "/metrics").body.decode()
    families = text_string_to_metric_families(text)
    return {(s.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}


def test_metrics_exist_from_the_start_and_count_what_happens(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    routes = write_routes(
        tmp_path / "r.yaml",
        f"name: m, aliases: [n], backend: vllm, backend_url: '{upstream.url}'",
    )
    upstream.on("broken", answer(b"", "500 Oops"))

    def requests(code: str, model: str = "m", backend: str = "vllm") -> tuple[str, frozenset]:
        labels = {
            "operation": "chat",
            "model": model,
            "backend": backend,
            "route": "/v1/chat/completions",
            "code": code,
            "stream": "false",
        }
        return "frontier_requests_total", frozenset(labels.items())

    labels = {"model": "m", "backend": "vllm", "key": "none"}
    tokens = "frontier_tokens_total", frozenset(labels.items())
    with GatewayProcess("--config", routes) as gateway:
        before = samples(gateway)
        for body in (chat("m"), chat("n"), chat("m", "broken"), chat("evil-name"), b"{"):
            ask(gateway.port, body)
        after = samples(gateway)

    keys = requests("200"), requests("500"), requests("404", "other", "none")
    assert [before[key] for key in keys] == [0, 0, 0]
    assert [after[key] for key in keys] == [2, 1, 1]
    assert after[requests("400", "other", "none")] == 1
    directions = {d: after[tokens[0], tokens[1] | {("direction", d)}] for d in ("input", "output")}
    assert directions == {"input": 14, "output": 6}
    assert not [key for key in after if "evil" in str(key)]
    assert after["frontier_open_connections", frozenset({("kind", "upstream")})] == 1
    for name in ("process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"):
        assert after[name, frozenset()] > 0


def test_the_log_tells_what_happened_but_neither_prompts_nor_keys(
    gateway: GatewayProcess,
) -> None:
    ask(gateway.port, chat("m", prompt="a secret"), Authorization="Bearer k", X_Request_Id="logged")

    line = gateway.access_line("logged")

    assert line["time"].endswith("Z")
    assert line | {"time": 0, "duration_ms": 0, "ttft_ms": 0, "bytes": 0} == {
        "time": 0,
        "request_id": "logged",
        "route": "/v1/chat/completions",
        "status": 200,
        "duration_ms": 0,
        "bytes": 0,
        "model": "m",
        "backend": "llamacpp",
        "ttft_ms": 0,
        "tokens_in": 7,
        "tokens_out": 3,
    }
    assert line["bytes"] > 100


def test_a_log_that_nobody_reads_stops_no_request(upstream: ScriptedUpstream) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "frontier.gateway", "--listen", "127.0.0.1:0"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        address = json.loads(process.stdout.readline())["addresses"][0]
        port = int(address.rpartition(":")[2])
        with RawClient(port) as client:
            for _ in range(3000):  # far more than a pipe holds
                client.send(b"GET /v1/embeddings HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
                assert [client.read().status for _ in range(10)] == [405] * 10
        process.stdout.close()
        assert get(port, "/healthz").status == 200
    finally:
        process.terminate()
        process.wait(10)


# Keys


def test_conformance_021_a_key_is_asked_for_in_either_header_and_only_where_it_matters(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    key, routes = tmp_path / "key", tmp_path / "r.yaml"
    key.write_text("K\n")
    write_routes(routes, f"name: m, backend: vllm, backend_url: '{upstream.url}'")
    good = [
        {"Authorization": "Bearer K"},
        {"Authorization": "bearer K"},
        {"x_api_key": "K"},
    ]
    bad = [
        {},
        {"Authorization": "Bearer k"},
        {"Authorization": "Basic K"},
        {"Authorization": "Bearer"},
        {"x_api_key": "caf\xe9"},
    ]
    with GatewayProcess("--config", routes, "--api-key-file", key) as gateway:
        assert [ask(gateway.port, chat("m"), **h).status for h in good] == [200] * 3
        refused = [ask(gateway.port, chat("m"), **h) for h in bad]
        assert {(r.status, r.error["code"]) for r in refused} == {(401, "invalid_api_key")}
        assert refused[0].headers["www-authenticate"] == "Bearer"
        open_paths = [get(gateway.port, path).status for path in ("/", "/healthz", "/readyz")]
        closed = [get(gateway.port, path).status for path in ("/v1/models", "/metrics", "/nope")]
        with RawClient(gateway.port) as client:  # a refusal does not wait for a large body
            client.send(
                b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n"
            )
            assert client.read().status == 401

    assert open_paths == [200] * 3
    assert closed == [401] * 3


# Ending


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_conformance_027_requests_finish_before_the_gateway_ends(
    upstream: ScriptedUpstream, tmp_path: Path, number: signal.Signals
) -> None:
    stopping = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "before ")))
        stopping.wait(10)
        exchange.send(chunk(delta("m", "after")) + chunk(DONE) + LAST_CHUNK)

    name = upstream.on(f"drain {number}", script)
    routes = write_routes(
        tmp_path / "r.yaml", f"name: m, backend: vllm, backend_url: '{upstream.url}'"
    )
    with (
        GatewayProcess("--config", routes) as gateway,
        RawClient(gateway.port) as idle,
        RawClient(gateway.port) as busy,
    ):
        busy.post(chat("m", name, stream=True))
        busy.read_head()
        gateway.signal(number)
        assert idle.is_closed()
        with pytest.raises(ConnectionError):
            until(lambda: get(gateway.port, "/healthz") is None, what="a closed port")
        stopping.set()
        body, is_cut = busy._read_chunks()
        assert busy.is_closed()
        assert gateway.wait() == 0

    assert not is_cut
    assert b"after" in body


def test_conformance_027_requests_over_the_grace_time_end_with_an_error_in_band(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    def streaming(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "before ")))
        exchange.wait_until_gone()

    upstream.on("endless stream", streaming)
    upstream.on("endless answer", lambda exchange: exchange.wait_until_gone())
    routes = write_routes(
        tmp_path / "r.yaml", f"name: m, backend: vllm, backend_url: '{upstream.url}'"
    )
    with (
        GatewayProcess("--config", routes, "--drain-s", "0.2") as gateway,
        RawClient(gateway.port) as stream,
        RawClient(gateway.port) as plain,
    ):
        stream.post(chat("m", "endless stream", stream=True))
        plain.post(chat("m", "endless answer"))
        stream.read_head()
        upstream.wait_for_request("endless answer")
        gateway.signal(signal.SIGTERM)
        body, is_cut = stream._read_chunks()
        answered = plain.read()
        assert gateway.wait() == 0

    assert not is_cut
    assert b'"code": "overloaded"' in body
    assert b"[DONE]" not in body
    assert answered.status == 503


def test_a_second_signal_ends_at_once(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    upstream.on("stubborn", lambda exchange: exchange.wait_until_gone())
    routes = write_routes(
        tmp_path / "r.yaml", f"name: m, backend: vllm, backend_url: '{upstream.url}'"
    )
    with GatewayProcess("--config", routes) as gateway, RawClient(gateway.port) as client:
        client.post(chat("m", "stubborn"))
        upstream.wait_for_request("stubborn")
        gateway.signal(signal.SIGTERM)
        until(lambda: gateway.events("draining"), what="the drain")
        gateway.signal(signal.SIGTERM)
        assert gateway.wait(5) == 0


def test_an_idle_gateway_ends_within_a_second(upstream: ScriptedUpstream) -> None:
    with GatewayProcess() as gateway:
        gateway.signal(signal.SIGTERM)

        assert gateway.wait(1) == 0
