"""What happens when time passes; the clock is the test's."""

import asyncio
import json
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any

from gateway_process import RawClient, chat
from scripted_upstream import (
    DONE,
    LAST_CHUNK,
    STREAM_HEAD,
    Exchange,
    ScriptedUpstream,
    chunk,
    delta,
    stream,
)
from waiting import until

if TYPE_CHECKING:
    from conftest import InsideGateway
else:
    InsideGateway = Any


def wait_for_clients(inside: InsideGateway, count: int) -> None:
    until(lambda: len(inside.core.clients) == count, what=f"{count} clients")


def test_conformance_030_a_head_that_does_not_end_gets_408(inside: InsideGateway) -> None:
    with RawClient(inside.port) as client:
        client.send(b"POST /v1/chat/comple")
        wait_for_clients(inside, 1)
        until(lambda: next(iter(inside.core.clients))._reader.arriving, what="the first bytes")
        inside.pass_time(29)
        client.send(b"t")
        inside.pass_time(2)

        assert client.read().status == 408
        assert client.is_closed()


def test_a_body_that_does_not_arrive_gets_408(inside: InsideGateway) -> None:
    with RawClient(inside.port) as client:
        client.send(b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
        wait_for_clients(inside, 1)
        until(lambda: next(iter(inside.core.clients))._reader._has_head, what="the head")
        inside.pass_time(31)

        answer = client.read()

        assert (answer.status, answer.error["type"]) == (408, "timeout_error")


def test_a_large_body_gets_the_time_it_needs(inside: InsideGateway) -> None:
    with RawClient(inside.port) as client:
        start = b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        size = 3_000_000  # a minute and a half at the slowest rate
        client.send(start % size + b" " * (size - 2))
        reader = until(lambda: [c._reader for c in inside.core.clients], what="the client")[0]
        until(lambda: reader.arriving and reader.arriving.size == size - 2, what="the bytes")
        inside.pass_time(100)
        client.send(b"{}")

        assert client.read().error["param"] == "model"


def test_silent_connections_are_closed_without_a_word(inside: InsideGateway) -> None:
    with RawClient(inside.port) as fresh, RawClient(inside.port) as used:
        used.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert used.read().status == 200
        wait_for_clients(inside, 2)
        inside.pass_time(31)
        assert fresh.is_closed()
        wait_for_clients(inside, 1)
        inside.pass_time(45)
        assert used.is_closed()


def test_a_refused_client_that_keeps_sending_is_cut_off(inside: InsideGateway) -> None:
    with RawClient(inside.port) as client:
        client.send(b"nonsense\r\n\r\n")
        assert client.read().status == 400
        client.send(b"more nonsense")
        wait_for_clients(inside, 1)
        inside.pass_time(3)
        wait_for_clients(inside, 0)


def test_an_answer_that_the_last_request_leaves_in_the_buffer_is_given_up(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    upstream.on("left", stream(*[delta("m", "x" * 100_000)] * 300, DONE))
    with RawClient(inside.port) as client:
        client.post(chat("m", "left", stream=True), Connection="close")
        client.read_head()
        until(lambda: any(c.stalled_since for c in inside.core.clients), what="the stall")
        inside.pass_time(61)
        wait_for_clients(inside, 0)


def test_an_engine_that_cannot_be_reached_in_time_gets_502(inside: InsideGateway) -> None:
    with RawClient(inside.port) as client:
        client.post(chat("deaf"))
        until(inside.in_flight, what="the attempt")
        inside.pass_time(6)

        answer = client.read()

    assert answer.status == 502
    assert "could not be reached within 5 s" in answer.error["message"]


def test_a_client_that_leaves_while_we_connect_costs_nothing_more(inside: InsideGateway) -> None:
    with RawClient(inside.port) as client:
        client.post(chat("deaf"))
        until(inside.in_flight, what="the attempt")
    until(lambda: not inside.in_flight(), what="the end of the attempt")
    assert inside.core.pools.open == 0


def test_a_stream_may_last_as_long_as_it_flows(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    steps = threading.Semaphore(0)

    def script(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD)
        for i in range(4):
            exchange.send(chunk(delta("m", f"<{i}>")))
            assert steps.acquire(timeout=10)
        exchange.send(chunk(DONE) + LAST_CHUNK)

    upstream.on("flows", script)
    with RawClient(inside.port) as client:
        client.post(chat("m", "flows", stream=True))
        client.read_head()
        for i in range(4):
            assert client._until(f"<{i}>".encode()) is not None
            inside.pass_time(50)
            steps.release()

        assert client._until(b"[DONE]") is not None


def test_a_stream_that_falls_silent_ends_after_its_idle_time(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "<0>")))
        exchange.wait_until_gone()

    upstream.on("hushes", script)
    with RawClient(inside.port) as client:
        client.post(chat("m", "hushes", stream=True))
        client.read_head()
        client._until(b"<0>")
        inside.pass_time(61)
        rest = client._until(LAST_CHUNK)

    assert rest is not None
    assert (
        "fell silent for 60 s"
        in json.loads(rest.strip().rpartition(b"data: ")[2])["error"]["message"]
    )


def test_an_error_answer_without_an_end_is_given_up(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    def script(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 500 Oops\r\nContent-Length: 99\r\n\r\n{")
        exchange.wait_until_gone()

    upstream.on("half an error", script)
    with RawClient(inside.port) as client:
        client.post(chat("m", "half an error"))
        upstream.wait_for_request("half an error")
        inside.pass_time(601)

        assert client.read().status == 504


def test_a_client_that_takes_a_little_now_and_then_is_not_given_up(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    upstream.on("patience", stream(*[delta("brisk", "x" * 100_000)] * 300, DONE))
    with RawClient(inside.port) as client:
        client.post(chat("brisk", "patience", stream=True))
        client.read_head()
        until(lambda: any(c.stalled_since for c in inside.core.clients), what="the stall")
        inside.pass_time(30)
        inside.pass_time(29)
        body, is_cut = client._read_chunks()

    assert not is_cut
    assert body.endswith(DONE)


def test_idle_connections_to_engines_are_closed_after_a_while(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    with RawClient(inside.port) as client:
        client.post(chat("m", "once"))
        assert client.read().status == 200
        assert inside.core.pools.open == 1
        inside.pass_time(31)
        until(lambda: inside.core.pools.open == 0, what="the close")
        client.post(chat("m", "once"))
        assert client.read().status == 200


def test_an_engine_that_talks_unasked_loses_its_connection(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    talk = threading.Event()

    def script(exchange: Exchange) -> None:
        exchange.send(b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"model":"m"}')
        talk.wait(5)
        exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake")

    upstream.on("talks", script)
    with RawClient(inside.port) as client:
        client.post(chat("m", "talks"))
        assert client.read().status == 200
        talk.set()
        until(lambda: inside.core.pools.open == 0, what="the close")
        client.post(chat("m"))
        assert b"fake" not in client.read().body


def test_a_bug_in_a_route_is_a_500_and_is_logged(inside: InsideGateway) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    lines: list[object] = []
    inside.core.app = broken
    inside.core.bug = lambda error: lines.append(type(error))  # type: ignore[method-assign]
    with RawClient(inside.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.read().status == 500
        inside.core.table = None  # type: ignore[assignment]
        client.post(chat("m"))
        assert client.read().error["type"] == "server_error"

    assert lines == [ZeroDivisionError, AttributeError]


def test_a_slow_control_answer_ends_when_the_client_is_gone(inside: InsideGateway) -> None:
    cancelled = threading.Event()

    async def slow(_scope: object, receive: Any, _send: object) -> None:
        await receive()
        try:
            await receive()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    inside.core.app = slow
    with RawClient(inside.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: any(c._active for c in inside.core.clients), what="the call")
        inside.pass_time(1000)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert cancelled.wait(5)


def test_a_half_closed_connection_still_gets_its_control_answer(inside: InsideGateway) -> None:
    with RawClient(inside.port) as client:
        client.send(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        client.sock.shutdown(1)

        assert client.read().status in (200, 503)
        assert client.is_closed()
