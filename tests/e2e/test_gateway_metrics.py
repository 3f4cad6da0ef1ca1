"""What the gateway counts of answers, asks Ollama servers and reads from Frontier's file."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from frontier.domain.facts import Facts, Loads
from gateway_process import GatewayProcess, RawClient, ask, chat, get
from scripted_upstream import (
    DONE,
    LAST_CHUNK,
    STREAM_HEAD,
    Exchange,
    ScriptedUpstream,
    answer,
    chunk,
    completion,
    delta,
    finish,
    scripted,
    usage_event,
)
from waiting import until

PARTIAL = Path(__file__).parents[1] / "fixtures" / "compute" / "ollama-ps-partial.json"
IDLE = b'{"models":[]}'
LLAMA = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "llama.cpp"}
Metrics = Callable[..., float | None]


def metrics(gateway: GatewayProcess) -> Metrics:
    """Return what finds the sum of a metric's samples that have given labels, None without any."""
    families = text_string_to_metric_families(get(gateway.port, "/metrics").body.decode())
    samples = [s for f in families for s in f.samples]

    def value(name: str, **labels: str) -> float | None:
        wanted = labels.items()
        found = [s.value for s in samples if s.name == name and wanted <= s.labels.items()]
        return sum(found) if found else None

    return value


@pytest.fixture
def ollama() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as server:
        server.at("GET /api/ps", answer(PARTIAL.read_bytes()))
        yield server


@pytest.fixture
def gateway(
    upstream: ScriptedUpstream, ollama: ScriptedUpstream, tmp_path: Path
) -> Iterator[GatewayProcess]:
    file = tmp_path / "routes.yaml"
    file.write_text(
        "version: 1\nmodels:\n"
        f"  - {{name: m, backend: llamacpp, backend_url: '{upstream.url}'}}\n"
        f"  - {{name: big, backend: ollama, backend_url: '{ollama.url}', "
        "upstream_model: 'llama3.1:8b'}\n"
        "  - {name: gone, backend: vllm, backend_url: 'http://127.0.0.1:9'}\n"
    )
    facts = tmp_path / "facts.json"
    with GatewayProcess("--config", file, "--facts-file", facts) as process:
        yield process


def paced(exchange: Exchange) -> None:
    """Send three tokens, each 60 ms after the one before."""
    exchange.send(STREAM_HEAD)
    for word in ("a", "b", "c"):
        exchange.send(chunk(delta("m", word)))
        time.sleep(0.06)
    last = finish("m") + usage_event("m", 7, 3) + DONE
    exchange.send(chunk(last) + LAST_CHUNK)


def test_the_time_per_token_of_a_stream_leaves_out_its_first_token(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.on("paced", paced)
    assert metrics(gateway)("gen_ai_server_time_per_output_token_seconds_count", **LLAMA) == 0

    ask(gateway.port, chat("m", "paced", stream=True, stream_options={"include_usage": True}))
    found = metrics(gateway)

    name = "gen_ai_server_time_per_output_token_seconds"
    assert found(f"{name}_count", **LLAMA, gen_ai_request_model="m") == 1
    per_token_s = found(f"{name}_sum", **LLAMA)
    assert per_token_s is not None
    assert 0.09 <= per_token_s < 0.2, "180 ms after the first of three tokens, by two"
    name = "gen_ai_client_token_usage"
    assert found(f"{name}_sum", **LLAMA, gen_ai_token_type="input") == 7
    assert found(f"{name}_sum", **LLAMA, gen_ai_token_type="output") == 3
    for side in ("server_request", "client_operation"):
        assert found(f"gen_ai_{side}_duration_seconds_count", **LLAMA) == 1
    assert found("gen_ai_server_time_to_first_token_seconds_count", **LLAMA) == 1
    assert found("frontier_time_to_first_token_seconds_count", model="m") == 1


PIECES = "frontier_answer_pieces_total"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat", "/v1/messages"])
def test_pieces_of_a_stream_are_counted_while_it_runs(
    gateway: GatewayProcess, upstream: ScriptedUpstream, path: str
) -> None:
    go_on = threading.Event()

    def halting(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "a")))
        exchange.send(chunk(delta("m", "b")))
        go_on.wait(20)
        exchange.send(chunk(delta("m", "c")))
        last = finish("m") + usage_event("m", 7, 3) + DONE
        exchange.send(chunk(last) + LAST_CHUNK)

    upstream.on("halting", halting)
    assert metrics(gateway)(PIECES, model="m", backend="llamacpp") == 0
    messages = [{"role": "user", "content": scripted("halting")}]
    with RawClient(gateway.port) as client:
        body = {"model": "m", "messages": messages, "stream": True, "max_tokens": 9}
        client.post(body, path)

        until(lambda: metrics(gateway)(PIECES, model="m") == 2)
        assert metrics(gateway)("frontier_tokens_total", model="m", direction="output") == 0
        go_on.set()
        client.read()

    until(lambda: metrics(gateway)("frontier_requests_total", model="m") == 1)
    assert metrics(gateway)(PIECES, model="m") == 3


def test_pieces_of_a_stream_that_its_client_leaves_are_counted(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def endless(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "a")))
        exchange.wait_until_gone()

    upstream.on("endless", endless)
    with RawClient(gateway.port) as client:
        client.post(chat("m", "endless", stream=True))
        until(lambda: metrics(gateway)(PIECES, model="m") == 1)

    until(lambda: metrics(gateway)("frontier_requests_total", model="m", code="499") == 1)
    assert metrics(gateway)(PIECES, model="m") == 1


def test_tokens_of_an_answer_that_comes_at_once_count_as_its_pieces(
    gateway: GatewayProcess,
) -> None:
    ask(gateway.port, chat("m"))
    ask(gateway.port, chat("m"), "/api/chat")

    tokens = metrics(gateway)("frontier_tokens_total", model="m", direction="output")
    assert metrics(gateway)(PIECES, model="m") == tokens


def test_pieces_of_lines_are_counted(gateway: GatewayProcess, ollama: ScriptedUpstream) -> None:
    piece = b'{"model":"llama3.1:8b","message":{"role":"assistant","content":"a"},"done":false}\n'
    end = (
        b'{"model":"llama3.1:8b","message":{"role":"assistant","content":""},"done":true,'
        b'"done_reason":"stop","prompt_eval_count":7,"eval_count":3}\n'
    )
    ollama.on("lines", answer(3 * piece + end, Content_Type="application/x-ndjson"))

    messages = [{"role": "user", "content": scripted("lines")}]
    said = ask(gateway.port, {"model": "big", "messages": messages, "stream": True})

    assert said.body.count(b'"content":"a"') == 3
    assert metrics(gateway)(PIECES, model="big", backend="ollama") == 3


def test_an_answer_of_one_token_and_a_document_have_no_time_per_token(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def one(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD)
        exchange.send(chunk(delta("m", "a") + usage_event("m", 7, 1) + DONE) + LAST_CHUNK)

    upstream.on("one", one)
    upstream.on("whole", answer(completion("m")))
    ask(gateway.port, chat("m", "one", stream=True))
    ask(gateway.port, chat("m", "whole"))

    found = metrics(gateway)
    assert found("gen_ai_server_time_per_output_token_seconds_count", **LLAMA) == 0
    assert found("gen_ai_server_time_to_first_token_seconds_count", **LLAMA) == 1
    assert found("gen_ai_client_operation_duration_seconds_count", **LLAMA) == 2


def test_what_no_engine_answered_is_no_operation_of_ours_as_a_client(
    gateway: GatewayProcess,
) -> None:
    assert ask(gateway.port, chat("gone")).status == 502
    assert ask(gateway.port, chat("nobody's")).status == 404

    found = metrics(gateway)
    gone = {"gen_ai_provider_name": "vllm", "gen_ai_request_model": "gone"}
    assert found("gen_ai_server_request_duration_seconds_count", **gone) == 1
    assert found("gen_ai_client_operation_duration_seconds_count", **gone) == 0
    assert found("frontier_requests_total", model="other", code="404") == 1
    other = found("gen_ai_server_request_duration_seconds_count", gen_ai_request_model="other")
    assert other is None


def test_a_model_that_ollama_has_loaded_is_told_as_long_as_it_is(
    gateway: GatewayProcess, ollama: ScriptedUpstream
) -> None:
    big = {"backend": "ollama", "model": "big"}
    size = lambda: metrics(gateway)("frontier_loaded_model_bytes", **big)  # noqa: E731
    assert until(size, what="the loaded model") == 5_700_000_000
    found = metrics(gateway)
    assert found("frontier_loaded_model_vram_bytes", **big) == 2_280_000_000
    assert found("frontier_engine_gpu_in_use", backend="ollama") == 1
    assert found("frontier_engine_gpu_expected", backend="ollama") == 0

    foreign = {"name": "x:1b", "model": "x:1b", "size": 3, "size_vram": 0}
    ollama.at("GET /api/ps", answer({"models": [foreign, foreign | {"size": 4}]}))

    other = {"backend": "ollama", "model": "other"}
    changed = lambda: metrics(gateway)("frontier_loaded_model_bytes", **other)  # noqa: E731
    assert until(changed, what="the other models") == 7
    assert size() is None
    assert metrics(gateway)("frontier_engine_gpu_in_use", backend="ollama") == 0


@pytest.mark.parametrize("said", [b"", b"{", b"[]", b'{"models":[1]}', b"[" * 9999], ids=len)
def test_an_ollama_server_that_says_nothing_sensible_has_loaded_nothing(
    said: bytes, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    with ScriptedUpstream() as server:
        server.at("GET /api/ps", answer(said))
        file = tmp_path / "routes.yaml"
        entry = f"{{name: big, backend: ollama, backend_url: '{server.url}'}}"
        file.write_text(f"version: 1\nmodels: [{entry}]\n")
        with GatewayProcess("--config", file) as gateway:
            until(lambda: [s for s in server.seen if s.path == "/api/ps"], what="the question")

            assert metrics(gateway)("frontier_loaded_model_bytes") is None
            assert not gateway.events("bug")


def test_an_ollama_server_that_never_answers_holds_no_scrape_up(tmp_path: Path) -> None:
    with ScriptedUpstream() as server:
        server.at("GET /api/ps", lambda exchange: exchange.wait_until_gone(30))
        file = tmp_path / "routes.yaml"
        entry = f"{{name: big, backend: ollama, backend_url: '{server.url}'}}"
        file.write_text(f"version: 1\nmodels: [{entry}]\n")
        with GatewayProcess("--config", file) as gateway:
            until(lambda: server.seen, what="the question")
            began = time.monotonic()

            assert metrics(gateway)("frontier_loaded_model_bytes") is None
            assert time.monotonic() - began < 5  # the server takes 30


def test_what_frontier_knows_of_engines_is_told_as_soon_as_it_is_written(
    gateway: GatewayProcess, tmp_path: Path
) -> None:
    engine = {"backend": "llamacpp", "model": "m"}
    found = metrics(gateway)
    assert found("frontier_model_load_failures_total", **engine) == 0
    assert found("frontier_model_load_seconds_count", **engine) == 0
    assert found("frontier_engine_gpu_expected", backend="llamacpp") == 0
    assert found("frontier_tls_not_after_timestamp_seconds") is None
    loads = Loads().took(0.7).took(3.0).failed()
    facts = Facts(not_after={"nginx": 1_790_000_000.5}).counted(("llamacpp", "m"), loads)
    facts = facts.counted(("llamacpp", "never ready"), Loads().failed())

    file = tmp_path / "facts.json"
    file.write_text(facts.computing("llamacpp", expected=True, in_use=True).to_json())

    found = metrics(gateway)
    assert found("frontier_model_load_failures_total", **engine) == 1
    assert found("frontier_model_load_failures_total", model="never ready") == 1
    assert found("frontier_model_load_seconds_bucket", **engine, le="0.5") == 0
    assert found("frontier_model_load_seconds_bucket", **engine, le="1.0") == 1
    assert found("frontier_model_load_seconds_bucket", **engine, le="5.0") == 2
    assert found("frontier_model_load_seconds_sum", **engine) == 3.7
    assert found("frontier_engine_gpu_expected", backend="llamacpp") == 1
    assert found("frontier_engine_gpu_in_use", backend="llamacpp") == 1
    assert found("frontier_tls_not_after_timestamp_seconds", endpoint="nginx") == 1_790_000_000.5
    file.write_text("{")
    assert metrics(gateway)("frontier_model_load_failures_total", **engine) == 0
    assert metrics(gateway)("frontier_engine_gpu_in_use", backend="llamacpp") is None


def test_several_workers_tell_once_what_all_of_them_find(
    upstream: ScriptedUpstream, ollama: ScriptedUpstream, tmp_path: Path
) -> None:
    file, told = tmp_path / "routes.yaml", tmp_path / "facts.json"
    entry = f"{{name: 'llama3.1:8b', backend: ollama, backend_url: '{ollama.url}'}}"
    file.write_text(f"version: 1\nmodels: [{entry}]\n")
    loads = Loads().took(0.7).failed()
    facts = Facts(not_after={"nginx": 5.0}).counted(("ollama", "llama3.1:8b"), loads)
    told.write_text(facts.computing("ollama", expected=True, in_use=True).to_json())
    arguments = ("--config", file, "--facts-file", told, "--workers", "2")
    with GatewayProcess(*arguments) as gateway:
        asked = lambda: sum(s.path == "/api/ps" for s in ollama.seen) >= 4  # noqa: E731
        until(asked, what="the questions of both")
        loaded = lambda: metrics(gateway)("frontier_loaded_model_bytes")  # noqa: E731
        assert until(loaded, what="the loaded model") == 5_700_000_000
        found = metrics(gateway)

    assert found("frontier_model_load_seconds_count") == 1
    assert found("frontier_model_load_seconds_bucket", le="1.0") == 1
    assert found("frontier_model_load_failures_total") == 1
    assert found("frontier_engine_gpu_expected") == found("frontier_engine_gpu_in_use") == 1
    assert found("frontier_tls_not_after_timestamp_seconds") == 5.0
