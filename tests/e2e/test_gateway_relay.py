"""What passes between clients and engines, and what happens when either fails."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway_process import Answer, GatewayProcess, RawClient, ask, chat, get
from scripted_upstream import (
    DONE,
    LAST_CHUNK,
    SSE,
    STREAM_HEAD,
    Exchange,
    ScriptedUpstream,
    answer,
    chunk,
    completion,
    delta,
    event,
    head,
    stream,
    usage_event,
)
from waiting import until

MIB = 1024 * 1024


def texts(got: Answer) -> str:
    chunks = [json.loads(e) for e in got.events if e != "[DONE]"]
    return "".join(c["choices"][0]["delta"]["content"] for c in chunks if c.get("choices"))


def wait_until_idle(gateway: GatewayProcess) -> None:
    def inflight() -> list[bytes]:
        lines = get(gateway.port, "/metrics").body.splitlines()
        return [x for x in lines if x.startswith(b"frontier_inflight_requests{")]

    until(lambda: all(x.endswith(b" 0") for x in inflight()), what="no request in flight")


# What passes


def test_a_raw_answer_keeps_its_bytes_and_loses_the_engines_own_headers(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    raw = b'{ "x":1e0, "model":"m" ,"usage":null}'
    headers = {"Server": "e", "Access_Control_Allow_Origin": "*", "Keep_Alive": "timeout=5"}
    upstream.on("raw", answer(raw, X_Kept="yes", X_Request_Id="theirs", **headers))

    got = ask(gateway.port, chat("m", "raw"), X_Request_Id="mine")

    assert got.body == raw
    assert got.headers == {
        "content-type": "application/json",
        "content-length": str(len(raw)),
        "x-kept": "yes",
        "x-request-id": "mine",
        "request-id": "mine",
    }


@pytest.mark.parametrize("model", ["m", "v-alias", "cpp", "cpp-alias"])
def test_conformance_035_answers_carry_the_name_that_the_client_asked_for(
    gateway: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    name = upstream.on(f"echo {model}", answer(completion("/models/file.gguf", '"model":"x"')))

    got = ask(gateway.port, chat(model, name))

    assert got.json == completion(model, '"model":"x"')
    assert upstream.requests(name)[0].body["model"] == ("v" if model == "v-alias" else model)


@pytest.mark.parametrize("model", ["m", "m-alias"])
def test_conformance_037_streams_arrive_whole_with_one_name(
    gateway: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    words = ["Hé", "ll\N{SNOWMAN}", ' "model":"no" ', "\u2028", "\n\n", "data: x"]
    events = [delta("m", word) for word in words]
    upstream.on("words", stream(*events, usage_event("m"), DONE))

    got = ask(gateway.port, chat(model, "words", stream=True), X_Request_Id=f"words {model}")

    assert texts(got) == "".join(words)
    assert got.events[-1] == "[DONE]"
    assert {json.loads(e)["model"] for e in got.events[:-1]} == {model}
    assert got.headers["content-type"] == SSE
    assert got.headers["cache-control"] == "no-cache"
    assert got.headers["x-accel-buffering"] == "no"
    line = gateway.access_line(f"words {model}")
    assert (line["tokens_in"], line["tokens_out"], line["stream"]) == (7, 3, True)


@pytest.mark.parametrize("model", ["m", "m-alias"])
def test_conformance_110_an_engine_that_sends_single_bytes_changes_nothing(
    gateway: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    events = b"".join(chunk(delta("m", w)) for w in ("Grüße", "\N{SNOWMAN}")) + chunk(DONE)
    data = STREAM_HEAD + events + LAST_CHUNK
    upstream.on("bytewise", lambda exchange: exchange.send_bytewise(data))

    got = ask(gateway.port, chat(model, "bytewise", stream=True))

    assert texts(got) == "Grüße\N{SNOWMAN}"
    assert not got.is_cut_short


def test_conformance_112_crlf_comments_and_odd_data_lines_pass(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    raw = b': ping\r\n\r\ndata:{"model":"m"}\r\n\r\ndata: [DONE]\r\n\r\n'
    upstream.on("crlf", stream(raw))

    assert ask(gateway.port, chat("m", "crlf", stream=True)).body == raw


@pytest.mark.parametrize("model", ["m", "m-alias"])
def test_conformance_113_a_huge_event_passes(
    gateway: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    text = "x" * 5 * MIB
    upstream.on("huge", stream(delta("m", text), DONE))

    assert texts(ask(gateway.port, chat(model, "huge", stream=True))) == text


@pytest.mark.parametrize("model", ["m", "m-alias"])
def test_a_large_answer_passes_whatever_comes_first_in_it(
    gateway: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    body = {"usage": usage, "data": [{"embedding": [0.25] * 200_000}], "model": "m"}
    upstream.on("vectors", answer(body))

    got = ask(
        gateway.port,
        {"model": model, "input": "x", "script": "vectors"},
        "/v1/embeddings",
        X_Request_Id=f"vectors {model}",
    )

    assert got.json == body | {"model": model}
    assert gateway.access_line(f"vectors {model}")["tokens_in"] == 5


def test_a_large_answer_without_a_name_passes(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    body = b'{"data":"' + b"A" * MIB + b'"}'
    upstream.on("base64", answer(body))

    got = ask(gateway.port, {"model": "m", "input": "x", "script": "base64"}, "/v1/embeddings")

    assert got.body == body


def test_an_answer_that_ends_with_its_connection_is_framed_for_the_client(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(head(Content_Type="application/json") + json.dumps(completion("m")).encode())
        exchange.close()

    upstream.on("until close", script)

    got = ask(gateway.port, chat("m", "until close"))

    assert got.json == completion("m")
    assert not got.is_cut_short


def test_interim_answers_are_skipped(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    final = answer(completion("m"))

    def script(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n")
        final(exchange)

    upstream.on("interim", script)

    got = ask(gateway.port, chat("m", "interim"))

    assert (got.status, "link" in got.headers) == (200, False)


def test_an_empty_answer_gets_502(gateway: GatewayProcess, upstream: ScriptedUpstream) -> None:
    upstream.on("empty", answer(b""))

    assert ask(gateway.port, chat("m", "empty")).status == 502


def test_connections_to_the_engine_are_reused(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    for _ in range(5):
        ask(gateway.port, chat("m", "reuse"))

    assert len({seen.connection for seen in upstream.requests("reuse")}) == 1


def test_conformance_028_64_streams_at_once_get_their_own_text(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    barrier = threading.Barrier(64, timeout=20)

    def script(number: int) -> Any:
        events = [delta("m", f"{number}-{i} ") for i in range(20)]

        def run(exchange: Exchange) -> None:
            exchange.send(STREAM_HEAD + chunk(events[0]))
            barrier.wait()
            for one in [*events[1:], DONE]:
                exchange.send(chunk(one))
            exchange.send(LAST_CHUNK)

        return run

    names = [upstream.on(f"many {n:03d}", script(n)) for n in range(64)]
    with ThreadPoolExecutor(64) as pool:
        got = list(
            pool.map(lambda n: ask(gateway.port, chat("m", names[n], stream=True)), range(64))
        )

    assert [texts(g) for g in got] == ["".join(f"{n}-{i} " for i in range(20)) for n in range(64)]


# What engines answer instead


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (
            "400 Bad Request",
            b'{"error":{"code":400,"message":"request (6031 tokens) exceeds the available context '
            b'size (4096 tokens), try increasing it","type":"exceed_context_size_error",'
            b'"n_prompt_tokens":6031,"n_ctx":4096}}',
            (400, "context_length_exceeded", "This model's maximum context length is 4096 tokens."),
        ),
        (
            "400 Bad Request",
            b'{"error":{"message":"This model\'s maximum context length is 8192 tokens. However..",'
            b'"type":"BadRequestError","param":null,"code":400}}',
            (400, "context_length_exceeded", "This model's maximum context length is 8192 tokens."),
        ),
        (
            "501 Not Implemented",
            b'{"error":{"code":501,"message":"no embeddings","type":"not_supported_error"}}',
            (400, None, "no embeddings"),
        ),
        ("422 Unprocessable Entity", b'{"message":"bad field"}', (400, None, "bad field")),
        ("404 Not Found", b'{"error":"model not found"}', (404, None, "model not found")),
        ("400 Bad Request", b'{"detail":[{"loc":1}]}', (400, None, '[{"loc": 1}]')),
        ("502 Bad Gateway", b"<html><h1>nginx", (502, "upstream_error", "The engine answered")),
        ("500 Internal Server Error", b"panic: at the disco", (500, "upstream_error", "panic")),
        ("302 Found", b"", (502, "upstream_error", "The engine answered with status 302")),
        ("429 Too Many Requests", b"", (429, "rate_limit_exceeded", "The engine answered")),
    ],
    ids=lambda value: str(value)[:30],
)
def test_conformance_051_053_056_115_engine_errors_become_openai_errors(
    gateway: GatewayProcess,
    upstream: ScriptedUpstream,
    status: str,
    body: bytes,
    expected: tuple[int, str | None, str],
) -> None:
    name = upstream.on(f"error {status} {len(body)}", answer(body, status))

    got = ask(gateway.port, chat("m", name, stream=True))

    assert (got.status, got.error["code"]) == expected[:2]
    assert expected[2] in got.error["message"]
    assert len(got.error["message"]) <= 1200
    assert ("retry-after" in got.headers) == (got.status in (429, 503))
    assert len(upstream.requests(name)) == 1


def test_an_engines_retry_after_is_kept(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.on("later", answer(b"", "503 Service Unavailable", Retry_After="7"))

    assert ask(gateway.port, chat("m", "later")).headers["retry-after"] == "7"


def test_an_error_that_dies_halfway_keeps_its_status(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(head("500 Oops", Content_Length="100") + b"out of mem")
        exchange.close()

    upstream.on("half error", script)

    got = ask(gateway.port, chat("m", "half error"))

    assert (got.status, got.error["message"]) == (500, "out of mem")


def test_conformance_105_a_dead_engine_gets_502(gateway: GatewayProcess) -> None:
    got = ask(gateway.port, chat("dead"))

    assert (got.status, got.error["code"]) == (502, "upstream_error")
    assert "cannot be reached" in got.error["message"]
    metrics = get(gateway.port, "/metrics").body
    assert b'frontier_backend_up{backend="mistral"} 0' in metrics


def test_a_model_without_a_running_engine_gets_503(gateway: GatewayProcess) -> None:
    got = ask(gateway.port, chat("unplaced"))

    assert (got.status, got.error["code"]) == (503, "model_loading")
    assert got.headers["retry-after"]


def test_conformance_032_an_unknown_model_gets_404(gateway: GatewayProcess) -> None:
    for path in ("/v1/chat/completions", "/v1/completions", "/v1/embeddings"):
        got = ask(gateway.port, chat("no \N{SNOWMAN}", prompt="x", input="x"), path)

        assert (got.status, got.error["code"]) == (404, "model_not_found")
        assert "`no \N{SNOWMAN}`" in got.error["message"]
        assert got.body.isascii()


@pytest.mark.parametrize(
    "script",
    [
        lambda exchange: exchange.close(),
        lambda exchange: exchange.reset(),
        lambda exchange: (exchange.send(b"HTTP/1.1 200 OK\r\nConte"), exchange.close()),
        lambda exchange: (exchange.send(STREAM_HEAD), exchange.close()),
    ],
    ids=["close", "reset", "within the head", "behind the head"],
)
def test_conformance_105_an_engine_that_dies_before_its_first_byte_gets_502(
    gateway: GatewayProcess, upstream: ScriptedUpstream, script: Any, request: Any
) -> None:
    name = upstream.on(request.node.name, script)

    got = ask(gateway.port, chat("m", name, stream=True))

    assert (got.status, got.error["code"]) == (502, "upstream_error")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00\x01\x02garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\n\r\nsplit",
        b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000,
    ],
    ids=["binary", "both lengths", "two answers", "blank lines", "endless head"],
)
def test_an_engine_that_speaks_no_http_gets_502(
    gateway: GatewayProcess, upstream: ScriptedUpstream, garbage: bytes
) -> None:
    name = upstream.on(f"garbage {len(garbage)}", lambda exchange: exchange.send(garbage))

    got = ask(gateway.port, chat("m", name))

    assert (got.status, got.error["code"]) == (502, "upstream_error")
    assert b"split" not in got.body


def test_conformance_118_a_connection_that_died_idle_costs_the_client_nothing(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    closed = threading.Event()
    first = answer(completion("m"))

    def answer_then_die_on_the_next_request(exchange: Exchange) -> None:
        if len(upstream.requests("idle death")) == 1:
            first(exchange)
        elif not closed.is_set():
            closed.set()
            exchange.close()
        else:
            first(exchange)

    upstream.on("idle death", answer_then_die_on_the_next_request)

    assert ask(gateway.port, chat("m", "idle death")).status == 200
    assert ask(gateway.port, chat("m", "idle death")).status == 200
    assert closed.is_set()


# Deaths in the middle


@pytest.mark.parametrize("model", ["m", "m-alias"])
@pytest.mark.parametrize("end", ["close", "reset", "clean end"])
def test_conformance_106_a_stream_that_dies_at_an_event_ends_with_an_error_in_band(
    gateway: GatewayProcess, upstream: ScriptedUpstream, model: str, end: str
) -> None:
    def script(exchange: Exchange) -> None:
        stream(delta("m", "Hel"), delta("m", "lo"), end=b"")(exchange)
        wait_for_text.wait(10)  # a reset may overtake what was sent
        if end == "clean end":
            exchange.send(LAST_CHUNK)
        elif end == "close":
            exchange.close()
        else:
            exchange.reset()

    wait_for_text = threading.Event()
    name = upstream.on(f"dies {model} {end}", script)
    with RawClient(gateway.port) as client:
        client.post(chat(model, name, stream=True), X_Request_Id=name)
        client.read_head()
        client._until(b"lo")
        wait_for_text.set()
        rest = client._until(LAST_CHUNK)
        client.post(chat("m"))
        assert client.read().status == 200, "the client's connection lives on"

    assert rest is not None
    last = rest.strip().rpartition(b"data: ")[2]
    assert json.loads(last)["error"]["code"] == "upstream_error"
    assert b"[DONE]" not in rest
    assert gateway.access_line(name)["status"] == 502


def test_conformance_106_a_raw_stream_that_dies_within_an_event_is_broken_off(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "Hello")))
        exchange.send(b"ff\r\n" + b'data: {"model":"m"\n')
        exchange.close()

    upstream.on("torn", script)

    got = ask(gateway.port, chat("m", "torn", stream=True))

    assert got.is_cut_short
    assert b"[DONE]" not in got.body


def test_a_stream_that_turns_into_garbage_is_broken_off(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    seen = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "Hel")))
        seen.wait(10)
        exchange.send(b"no chunk size\r\n")

    upstream.on("turns", script)
    with RawClient(gateway.port) as client:
        client.post(chat("m", "turns", stream=True))
        client.read_head()
        client._until(b"Hel")
        seen.set()
        rest = client.read_to_end()

    assert b"no chunk size" not in rest
    assert not rest.endswith(LAST_CHUNK)


def test_a_document_that_dies_in_the_middle_is_broken_off(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(head(Content_Type="application/json", Content_Length="1000"))
        exchange.send(b'{"model":"m",')
        exchange.close()

    upstream.on("torn document", script)

    assert ask(gateway.port, chat("m", "torn document")).is_cut_short


def test_an_old_client_learns_of_a_death_by_a_reset_or_an_error(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def torn(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(b'data: {"model":"m"}\n'))
        exchange.close()

    upstream.on("old at end", stream(delta("m", "Hello")))
    upstream.on("old torn", torn)
    bodies = []
    for name in ("old at end", "old torn"):
        raw = json.dumps(chat("m", name, stream=True), separators=(",", ":")).encode()
        with RawClient(gateway.port) as client:
            client.send(b"POST /v1/chat/completions HTTP/1.0\r\n")
            client.send(b"Content-Length: %d\r\n\r\n" % len(raw) + raw)
            bodies.append(client.read_to_end())

    assert b"upstream_error" in bodies[0]
    assert b"[DONE]" not in bodies[0] + bodies[1]


def test_conformance_107_an_engines_own_error_event_passes(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    failure = event({"error": {"message": "oom", "type": "server_error", "code": None}})
    upstream.on("own error", stream(delta("m", "Hel"), failure))

    got = ask(gateway.port, chat("m", "own error", stream=True))

    assert json.loads(got.events[-1])["error"]["message"] == "oom"


def test_a_split_end_without_the_marker_is_broken_off(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    data = STREAM_HEAD + chunk(delta("m", "Hel"))

    def script(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.send_bytewise(LAST_CHUNK)

    upstream.on("split end", script)
    got = ask(gateway.port, chat("m", "split end", stream=True))

    assert got.is_cut_short or b"upstream_error" in got.body


# Time


def test_conformance_109_an_engine_silent_before_its_first_byte_gets_504(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    gone = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.wait_until_gone()
        gone.set()

    upstream.on("silent", script)
    began = time.monotonic()

    got = ask(gateway.port, chat("quick", "silent", stream=True))

    assert (got.status, got.error["code"]) == (504, "upstream_timeout")
    assert time.monotonic() - began < 0.9
    assert gone.wait(1), "the engine's work is stopped"


def test_an_unstreamed_answer_may_take_its_total_time_only(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.on("never", lambda exchange: exchange.wait_until_gone())
    began = time.monotonic()

    got = ask(gateway.port, chat("quick", "never"))

    assert got.status == 504
    assert "in total" in got.error["message"]
    assert 0.8 < time.monotonic() - began < 3


def test_conformance_109_an_engine_that_falls_silent_ends_with_an_error_in_band(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def script(exchange: Exchange) -> None:
        stream(delta("quick", "Hel"), end=b"")(exchange)
        exchange.wait_until_gone()

    upstream.on("falls silent", script)

    got = ask(gateway.port, chat("quick", "falls silent", stream=True), X_Request_Id="hush")

    assert json.loads(got.events[-1])["error"]["code"] == "upstream_timeout"
    assert gateway.access_line("hush")["status"] == 504


def test_a_stream_that_never_ends_is_ended(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD)
        while True:
            exchange.send(chunk(delta("quick", "and ")))
            time.sleep(0.05)  # the pace of a stream

    upstream.on("endless", script)

    got = ask(gateway.port, chat("quick", "endless", stream=True))

    assert b"in total" in got.body or got.is_cut_short


def test_conformance_117_each_chunk_is_forwarded_without_waiting_for_the_next(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    seen = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "first")))
        assert seen.wait(10)
        exchange.send(chunk(DONE) + LAST_CHUNK)

    upstream.on("paced", script)
    with RawClient(gateway.port) as client:
        client.post(chat("m", "paced", stream=True))
        client.read_head()
        assert client._until(b"first") is not None
        seen.set()
        assert client._until(LAST_CHUNK) is not None


# Clients that leave or crawl


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("how", ["close", "half close"])
def test_conformance_101_103_a_client_that_leaves_stops_the_engine_within_a_second(
    gateway: GatewayProcess, upstream: ScriptedUpstream, streams: bool, how: str
) -> None:
    gone = threading.Event()

    def script(exchange: Exchange) -> None:
        if streams:
            exchange.send(STREAM_HEAD + chunk(delta("m", "Hel")))
        exchange.wait_until_gone()
        gone.set()

    name = upstream.on(f"leaves {streams} {how}", script)
    with RawClient(gateway.port) as client:
        client.post(chat("m", name, stream=streams), X_Request_Id=name)
        upstream.wait_for_request(name)
        if streams:
            client.read_head()
        if how == "half close":
            client.sock.shutdown(1)
            assert gone.wait(1)
    assert gone.wait(1)
    assert gateway.access_line(name)["status"] == 499
    wait_until_idle(gateway)


def test_conformance_104_leaving_right_behind_the_marker_is_success(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "Hi")) + chunk(usage_event("m")) + chunk(DONE))
        exchange.wait_until_gone()

    upstream.on("done and gone", script)
    with RawClient(gateway.port) as client:
        client.post(chat("m", "done and gone", stream=True), X_Request_Id="done and gone")
        client.read_head()
        client._until(b"[DONE]")

    line = gateway.access_line("done and gone")
    assert (line["status"], line["tokens_out"]) == (200, 3)


def test_conformance_029_a_slow_client_slows_the_engine_and_costs_no_memory(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    written = 0
    blocked = threading.Event()
    event_bytes = chunk(delta("m", "x" * 100_000))

    def script(exchange: Exchange) -> None:
        nonlocal written
        exchange.send(STREAM_HEAD)
        exchange.sock.settimeout(1.0)
        try:
            for _ in range(2000):
                exchange.send(event_bytes)
                written += len(event_bytes)
        except TimeoutError:
            blocked.set()
        exchange.sock.settimeout(None)
        exchange.wait_until_gone()

    upstream.on("flood", script)
    before = gateway.rss_bytes()
    with RawClient(gateway.port) as client:
        client.post(chat("m", "flood", stream=True))
        client.read_head()
        assert blocked.wait(15), "the engine is slowed down"
        during = gateway.rss_bytes()
        assert ask(gateway.port, chat("m")).status == 200, "others are served"

    assert written < 60 * MIB
    assert during - before < 8 * MIB
    wait_until_idle(gateway)


@pytest.mark.parametrize("model", ["m", "m-alias"])
def test_a_client_that_pauses_and_goes_on_gets_everything(
    gateway: GatewayProcess, upstream: ScriptedUpstream, model: str
) -> None:
    count = 600  # more than the sockets of two connections hold
    events = [delta("m", f"{i:06d}" + "x" * 100_000) for i in range(count)]
    sent = threading.Event()

    def script(exchange: Exchange) -> None:
        stream(*events, DONE)(exchange)
        sent.set()

    name = upstream.on(f"pause {model}", script)
    with RawClient(gateway.port) as client:
        client.post(chat(model, name, stream=True))
        client.read_head()
        assert not sent.wait(0.3), "the engine waits for the client"
        body, is_cut = client._read_chunks()
        client.post(chat("m"))
        assert client.read().status == 200

    assert not is_cut
    assert body.count(b"xxxx") > 0
    assert body.count(b"data: ") == count + 1


def test_a_client_with_a_backlog_can_pipeline_another_stream(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.on("backlog", stream(*[delta("m", "x" * 50_000)] * 100, DONE))
    with RawClient(gateway.port) as client:
        client.post(chat("m", "backlog", stream=True))
        client.post(chat("m", "backlog", stream=True))
        client.post(chat("m", "backlog", stream=True))
        sizes = [len(client.read().events) for _ in range(3)]

    assert sizes == [101, 101, 101]


def test_conformance_116_a_body_near_the_limit_reaches_a_slow_engine_whole(
    gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    text = "\N{SNOWMAN}" * 600_000

    got = ask(gateway.port, json.dumps(chat("m", "long", pad=text), ensure_ascii=False).encode())
    spliced = ask(
        gateway.port, json.dumps(chat("v-alias", "long", pad=text), ensure_ascii=False).encode()
    )

    assert (got.status, spliced.status) == (200, 200)
    assert [s.body["pad"] for s in upstream.seen[-2:]] == [text, text]
    assert upstream.seen[-1].body["model"] == "v"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from /proc")
def test_a_body_of_100_mb_passes_in_less_than_three_times_its_size(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(
        f"version: 1\nmodels: [{{name: m, backend: vllm, backend_url: '{upstream.url}'}}]\n"
    )
    size = 100_000_000
    body = (
        b'{"model":"m","script":"big","messages":[{"role":"user","content":"'
        + b"x" * size
        + b'"}]}'
    )
    with GatewayProcess("--config", routes) as process:
        before = process.rss_bytes()
        assert ask(process.port, body).status == 200
        peak = process.peak_rss_bytes() - before

    seen = upstream.seen.pop()
    assert len(seen.raw_body) == len(body)
    assert peak < 3 * size
