"""Failures and streaming hygiene, on every API that clients speak: apis.md, items 101 to 118."""

import json
import threading
from collections.abc import Callable
from typing import Any

import psutil
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
    finish,
    head,
    stream,
    usage_event,
)
from spoken import SPOKEN, TRANSLATED, Spoken
from waiting import until

MIB = 1024 * 1024
Script = Callable[[Exchange], None]

over_all = pytest.mark.parametrize("api", SPOKEN)
over_translated = pytest.mark.parametrize("api", TRANSLATED)


@pytest.fixture(autouse=True)
def _calm(gateway: GatewayProcess) -> None:
    """Have the engine answer once: some failures in a row, and it would be left alone."""
    assert ask(gateway.port, chat("m")).status == 200


@pytest.fixture
def script(upstream: ScriptedUpstream, request: Any) -> Callable[[Script], str]:
    """Have the engine answer this test by a script of its own, whose name is returned."""
    name = "".join(c if c.isalnum() else " " for c in request.node.name)
    return lambda run: upstream.on(name, run)


def asked(gateway: GatewayProcess, api: Spoken, name: str, *, stream: bool = True) -> Answer:
    return ask(gateway.port, api.ask(name, stream=stream), api.path, X_Request_Id=name)


def words(*texts: str) -> list[bytes]:
    """Return a whole stream, as a good engine sends it."""
    return [*(delta("m", text) for text in texts), finish("m"), usage_event("m"), DONE]


def wait_until_idle(gateway: GatewayProcess) -> None:
    def inflight() -> list[bytes]:
        lines = get(gateway.port, "/metrics").body.splitlines()
        return [x for x in lines if x.startswith(b"frontier_inflight_requests{")]

    until(lambda: all(x.endswith(b" 0") for x in inflight()), what="no request in flight")


@over_all
@pytest.mark.parametrize("streams", [True, False])
def test_conformance_101_103_leaving_stops_the_engine_within_a_second(
    gateway: GatewayProcess, script: Any, api: Spoken, streams: bool, upstream: ScriptedUpstream
) -> None:
    gone = threading.Event()

    def run(exchange: Exchange) -> None:
        if streams:
            exchange.send(STREAM_HEAD + chunk(delta("m", "Hel")))
        exchange.wait_until_gone()
        gone.set()

    name = script(run)
    with RawClient(gateway.port) as client:
        client.post(api.ask(name, stream=streams), api.path, X_Request_Id=name)
        upstream.wait_for_request(name)
        if streams:
            client.read_head()
    assert gone.wait(1)

    assert gateway.access_line(name)["status"] == 499
    assert not gateway.events("bug")
    wait_until_idle(gateway)


@over_all
def test_conformance_104_leaving_right_behind_the_end_is_success(
    gateway: GatewayProcess, script: Any, api: Spoken
) -> None:
    name = script(stream(*words("Hi")))
    with RawClient(gateway.port) as client:
        client.post(api.ask(name, stream=True), api.path, X_Request_Id=name)
        client.read()

    line = gateway.access_line(name)
    assert (line["status"], line["tokens_in"], line["tokens_out"]) == (200, 7, 3)


@over_all
def test_conformance_105_an_engine_that_dies_before_its_first_byte_gets_502(
    gateway: GatewayProcess, script: Any, api: Spoken
) -> None:
    got = asked(gateway, api, script(lambda exchange: exchange.close()))

    assert got.status == 502
    assert "before it answered" in api.problem(got)


@over_all
@pytest.mark.parametrize("end", ["close", "reset", "clean end"])
def test_conformance_106_an_engine_that_dies_in_the_middle_ends_with_an_error_in_band(
    gateway: GatewayProcess, script: Any, api: Spoken, end: str
) -> None:
    has_text = threading.Event()

    def run(exchange: Exchange) -> None:
        stream(delta("m", "Hel"), delta("m", "lo"), end=b"")(exchange)
        has_text.wait(10)  # a reset may overtake what was sent
        ends = {"close": exchange.close, "reset": exchange.reset}
        ends.get(end, lambda: exchange.send(LAST_CHUNK))()

    name = script(run)
    with RawClient(gateway.port) as client:
        client.post(api.ask(name, stream=True), api.path, X_Request_Id=name)
        status, headers, _ = client.read_head()
        until(lambda: b"lo" in client._buffer or not client._more(), what="the text")
        has_text.set()
        body, is_cut = client._read_chunks()

    got = Answer(status, headers, body, is_cut)
    assert api.text(got) == "Hello"
    assert "The engine" in api.failure(got)
    assert not api.is_complete(got)
    assert gateway.access_line(name)["status"] == 502


@over_translated
@pytest.mark.parametrize(
    "failure",
    [
        [event({"error": {"code": 500, "message": "oom!", "type": "server_error"}})],
        [event({"error": {"message": "oom!", "type": "E", "param": None, "code": 500}}), DONE],
        [event({"message": "oom!", "type": "error", "error": "oom!"})],
        [b'event: error\ndata: {"error": {"message": "oom!"}}\n\n'],
    ],
    ids=["llama.cpp", "vllm", "mistral.rs", "named"],
)
def test_conformance_107_an_engines_own_error_is_told_and_no_success(
    gateway: GatewayProcess, script: Any, api: Spoken, failure: list[bytes]
) -> None:
    got = asked(gateway, api, script(stream(delta("m", "Hel"), *failure)))

    assert api.text(got) == "Hel"
    assert "oom!" in api.failure(got)
    assert not api.is_complete(got)


@over_translated
def test_conformance_107_a_stream_that_just_ends_after_an_empty_chunk_is_an_error(
    gateway: GatewayProcess, script: Any, api: Spoken
) -> None:
    got = asked(gateway, api, script(stream(delta("m", "Hel"), delta("m", ""))))

    assert got.is_cut_short or api.failure(got)
    assert not api.is_complete(got)


@over_all
def test_conformance_110_single_bytes_change_nothing(
    gateway: GatewayProcess, script: Any, api: Spoken
) -> None:
    events = b"".join(chunk(one) for one in words("Grüße ", "\N{SNOWMAN}"))
    data = STREAM_HEAD + events + LAST_CHUNK

    got = asked(gateway, api, script(lambda exchange: exchange.send_bytewise(data)))

    assert api.text(got) == "Grüße \N{SNOWMAN}"
    assert api.is_complete(got)
    assert got.headers["content-type"].startswith(api.stream_type)


@over_all
def test_conformance_111_half_a_character_at_the_end_is_valid_text(
    gateway: GatewayProcess, script: Any, api: Spoken
) -> None:
    got = asked(gateway, api, script(stream(*words("Hi", "\N{REPLACEMENT CHARACTER}"))))

    assert api.text(got).startswith("Hi")
    assert got.body.decode()


@over_all
def test_conformance_112_odd_framing_of_events_is_understood(
    gateway: GatewayProcess, script: Any, api: Spoken
) -> None:
    data = b"".join(words("Hel", "lo")).replace(b"data: ", b"data:").replace(b"\n", b"\r\n")

    got = asked(gateway, api, script(stream(b": ping\r\n\r\n" + data)))

    assert api.text(got).replace("\r", "") == "Hello"
    assert api.is_complete(got)


@over_all
def test_conformance_113_an_event_of_5_mib_passes(
    gateway: GatewayProcess, script: Any, api: Spoken
) -> None:
    text = "x" * 5 * MIB

    got = asked(gateway, api, script(stream(*words(text))))

    assert api.text(got) == text
    assert api.is_complete(got)


@over_all
def test_conformance_114_a_document_in_place_of_a_stream_becomes_one(
    gateway: GatewayProcess, script: Any, api: Spoken
) -> None:
    got = asked(gateway, api, script(answer(completion("m", "Hello"))))

    assert got.headers["content-type"].startswith(api.stream_type)
    assert api.text(got) == "Hello"
    assert api.is_complete(got)


@over_all
def test_conformance_114_a_stream_in_place_of_a_document_becomes_one(
    gateway: GatewayProcess, script: Any, api: Spoken
) -> None:
    got = asked(gateway, api, script(stream(*words("Hel", "lo"))), stream=False)

    assert got.headers["content-type"].startswith("application/json")
    assert api.text(got) == "Hello"


@over_all
def test_conformance_114_a_stream_that_fails_in_place_of_a_document_is_an_error(
    gateway: GatewayProcess, script: Any, api: Spoken
) -> None:
    got = asked(gateway, api, script(stream(delta("m", "Hel"))), stream=False)

    assert got.status == 502
    assert api.problem(got)


@over_all
def test_conformance_115_a_page_in_html_is_not_shown(
    gateway: GatewayProcess, script: Any, api: Spoken
) -> None:
    page = b"<html><title>502</title>" + b"<p>nginx</p>" * 1000

    got = asked(gateway, api, script(answer(page, "502 Bad Gateway", Content_Type="text/html")))

    assert got.status == 502
    assert "<" not in api.problem(got)
    assert len(got.body) < 1024


@over_all
def test_conformance_116_a_million_tokens_reach_the_engine_quickly(
    gateway: GatewayProcess, script: Any, api: Spoken, upstream: ScriptedUpstream
) -> None:
    name = script(answer(completion("m", "Hello")))
    body = api.ask(name, stream=False)
    text = json.dumps(body).replace(f"[script {name}]", f"[script {name}]" + " word" * 360_000)
    process = psutil.Process(gateway.pid)
    before = process.cpu_times()

    got = ask(gateway.port, text.encode(), api.path)

    after = process.cpu_times()
    assert got.status == 200
    assert len(upstream.requests(name)[-1].raw_body) > 1_800_000
    assert after.user + after.system - before.user - before.system < 1, "seconds of its processor"


@over_all
def test_conformance_117_each_piece_is_sent_without_waiting_for_the_next(
    gateway: GatewayProcess, script: Any, api: Spoken
) -> None:
    seen = threading.Event()
    first, *rest = words("first")

    def run(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(first))
        assert seen.wait(10)
        exchange.send(b"".join(chunk(one) for one in rest) + LAST_CHUNK)

    name = script(run)
    with RawClient(gateway.port) as client:
        client.post(api.ask(name, stream=True), api.path)
        client.read_head()
        until(lambda: b"first" in client._buffer or not client._more(), what="the first piece")
        seen.set()
        assert not client._read_chunks()[1]


@over_all
def test_conformance_118_nothing_is_asked_twice_after_output_began(
    gateway: GatewayProcess, script: Any, api: Spoken, upstream: ScriptedUpstream
) -> None:
    def run(exchange: Exchange) -> None:
        exchange.send(head(Content_Type=SSE, Transfer_Encoding="chunked"))
        exchange.send(chunk(delta("m", "Hel")))
        exchange.close()

    name = script(run)
    asked(gateway, api, name)

    assert len(upstream.requests(name)) == 1
