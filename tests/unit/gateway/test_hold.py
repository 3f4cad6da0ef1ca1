"""Requests that wait for an engine to be replaced; the clock is the test's."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from frontier.gateway.apis.openai import Passed
from frontier.gateway.errors import STOPPING
from frontier.gateway.wire.hold import Hold, Holds
from gateway_process import RawClient, chat
from scripted_upstream import ScriptedUpstream, bound
from waiting import until

if TYPE_CHECKING:
    from conftest import InsideGateway
else:
    InsideGateway = Any


def table(*models: str) -> str:
    return "version: 1\nmodels: [" + ", ".join(f"{{{m}}}" for m in models) + "]"


HELD = table("name: m, aliases: [n], backend: vllm, hold: true")


def wait_held(inside: InsideGateway, count: int) -> None:
    until(lambda: len(inside.core.holds) == count, what=f"{count} held requests")


def test_a_request_waits_as_long_as_the_route_allows_and_fails_clearly(
    inside: InsideGateway,
) -> None:
    inside.use(HELD)
    with RawClient(inside.port) as client:
        client.post(chat("n"))
        wait_held(inside, 1)
        inside.pass_time(119)
        wait_held(inside, 1)
        inside.pass_time(1)
        got = client.read()
        client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.read().status == 200, "the connection lives on"

    assert got.status == 503
    assert got.headers["retry-after"] == "10"
    assert (got.error["type"], got.error["code"]) == ("server_error", "model_loading")
    assert "`n`" in got.error["message"]
    assert "waited 120 s" in got.error["message"]
    assert not len(inside.core.holds)


@pytest.mark.parametrize(
    ("timeouts", "limit_s"),
    [("{first_token: 20s}", 20), ("{hold: 300s, first_token: 20s}", 300)],
)
def test_the_limit_is_its_own_or_that_of_the_first_token(
    inside: InsideGateway, timeouts: str, limit_s: int
) -> None:
    inside.use(table(f"name: m, backend: vllm, hold: true, timeouts: {timeouts}"))
    with RawClient(inside.port) as client:
        client.post(chat("m"))
        wait_held(inside, 1)
        inside.pass_time(limit_s - 1)
        wait_held(inside, 1)
        inside.pass_time(1)
        assert client.read().status == 503


def test_what_the_awaited_engine_cannot_do_is_said_before_its_stream_is_opened(
    inside: InsideGateway,
) -> None:
    inside.use(table("name: m, backend: ollama, hold: true"))
    with RawClient(inside.port) as client:
        client.post(chat("m", stream=True, n=2))
        wait_held(inside, 1)
        inside.pass_time(11)

        assert client.read().error["param"] == "n"
    assert not len(inside.core.holds)


def test_another_held_table_changes_the_limit_but_not_the_beginning(
    inside: InsideGateway,
) -> None:
    inside.use(HELD)
    with RawClient(inside.port) as client:
        client.post(chat("m"))
        wait_held(inside, 1)
        inside.pass_time(100)
        inside.use(table("name: m, backend: vllm, hold: true, timeouts: {hold: 150}"))
        inside.pass_time(49)
        wait_held(inside, 1)
        inside.pass_time(1)
        assert "waited 150 s" in client.read().error["message"]


def test_waiting_takes_nothing_from_the_engines_own_time(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    inside.use(table("name: m, backend: vllm, hold: true, timeouts: {hold: 900s}"))
    with RawClient(inside.port) as client:
        client.post(chat("m"))
        wait_held(inside, 1)
        inside.pass_time(800)
        inside.use(table(f"name: m, backend: vllm, backend_url: '{upstream.url}'"))

        assert client.read().status == 200


def test_a_released_model_without_an_engine_gets_the_usual_answer(inside: InsideGateway) -> None:
    inside.use(HELD)
    with RawClient(inside.port) as client:
        client.post(chat("m"))
        wait_held(inside, 1)
        inside.use(table("name: m, backend: vllm"))

        assert "no vllm engine is running" in client.read().error["message"]


def test_conformance_102_a_client_that_leaves_while_it_waits_costs_nothing(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    inside.use(HELD)
    with RawClient(inside.port) as client:
        client.post(chat("m", "left early"))
        wait_held(inside, 1)
    wait_held(inside, 0)
    inside.use(table(f"name: m, backend: vllm, backend_url: '{upstream.url}'"))

    assert not inside.core.holds._bytes
    assert not upstream.requests("left early")
    inside.core.journal.settle()
    assert inside.core.metrics.series(
        "/v1/chat/completions", "m", "vllm", stream=False
    ).codes[499] == 1  # fmt: skip


def test_those_that_wait_go_on_in_the_order_of_their_arrival(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    inside.use(HELD)
    clients = [RawClient(inside.port) for _ in range(20)]
    for i, client in enumerate(clients):
        client.post(chat("m", "ordered", number=i))
        wait_held(inside, i + 1)
    order = [json.loads(hold.request.ask.body)["number"] for hold in inside.core.holds]
    inside.use(table(f"name: m, backend: vllm, backend_url: '{upstream.url}'"))
    answers = [client.read().status for client in clients]
    for client in clients:
        client.sock.close()

    assert order == [*range(20)]
    assert answers == [200] * 20


def test_no_more_wait_than_the_limit_and_the_next_is_told_to_come_back(
    inside: InsideGateway,
) -> None:
    inside.core.holds = Holds(2)
    inside.use(HELD)
    clients = [RawClient(inside.port) for _ in range(3)]
    for client in clients[:2]:
        client.post(chat("m"))
    wait_held(inside, 2)
    clients[2].post(chat("m"))
    refused = clients[2].read()
    for client in clients:
        client.sock.close()
    wait_held(inside, 0)

    assert (refused.status, refused.error["code"]) == (503, "overloaded")
    assert refused.headers["retry-after"] == "5"


def test_no_more_bytes_wait_than_the_limit_except_for_one_request(inside: InsideGateway) -> None:
    inside.core.holds = Holds(10, most_bytes=1000)
    inside.use(HELD)
    with RawClient(inside.port) as first, RawClient(inside.port) as second:
        first.post(chat("m", note="x" * 2000))
        wait_held(inside, 1)
        second.post(chat("m"))
        assert second.read().status == 503
        inside.use(table("name: other, backend: vllm"))
        assert first.read().status == 404
        inside.use(HELD)
        for client in (first, second):
            client.post(chat("m"))
        wait_held(inside, 2)


def test_a_stop_answers_at_once_those_that_wait_and_those_that_come(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    inside.use(HELD)

    async def stop() -> None:
        inside.core.stop()

    with RawClient(inside.port) as client:
        client.post(chat("m"))
        wait_held(inside, 1)
        client.post(chat("m"))  # behind it on the same connection
        inside.run(stop())
        got = client.read()
        assert client.is_closed()

    assert got.status == 503
    assert got.error["code"] == "overloaded"
    assert got.headers["retry-after"] == "2"
    assert STOPPING.message == got.error["message"]


def test_a_gateway_that_stops_holds_nothing_new(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    inside.use(HELD)
    with RawClient(inside.port) as client:
        client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n")
        until(lambda: any(c._reader.arriving for c in inside.core.clients), what="the head")
        inside.core.is_stopping = True
        client.send(json.dumps(chat("m")).encode().ljust(99))

        assert client.read().error["message"] == STOPPING.message


def test_a_bug_on_the_way_on_is_a_500_and_stops_nobody_else(
    inside: InsideGateway, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    bugs: list[object] = []
    inside.core.bug = bugs.append  # type: ignore[method-assign]
    inside.use(HELD)
    with RawClient(inside.port) as first, RawClient(inside.port) as second:
        first.post(chat("m"))
        wait_held(inside, 1)
        second.post(chat("n"))
        wait_held(inside, 2)
        broken = next(iter(inside.core.holds))
        asked = broken.request.ask
        # nothing that a model's name could be put into
        broken.request.ask = Passed(asked.path, asked.wanted, b"")
        inside.core.holds._bytes = 0
        inside.use(
            table(
                "name: m, aliases: [n], upstream_model: x, backend: vllm, "
                f"backend_url: '{upstream.url}'"
            )
        )
        statuses = [first.read().status, second.read().status]

    assert statuses == [500, 200]
    assert len(bugs) == 1


def test_a_slow_client_makes_no_difference_while_it_waits(inside: InsideGateway) -> None:
    inside.use(HELD)
    with RawClient(inside.port) as client:
        client.post(chat("m"))
        wait_held(inside, 1)
        connection = next(iter(inside.core.clients))
        assert isinstance(connection._active, Hold)
        connection.pause_writing()
        connection.resume_writing()
        assert connection.relay is None
        inside.use(table("name: other, backend: vllm"))

        assert client.read().status == 404


def test_a_request_that_still_connects_to_the_replaced_engine_waits_with_the_others(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    with RawClient(inside.port) as client:
        client.post(chat("deaf"))
        until(inside.in_flight, what="the attempt")
        inside.use(table("name: deaf, backend: mistral, hold: true"))
        assert inside.in_flight() == 1, "the old engine may still take it"
        inside.pass_time(6)
        wait_held(inside, 1)
        assert inside.in_flight() == 0
        inside.use(table(f"name: deaf, backend: vllm, backend_url: '{upstream.url}'"))

        assert client.read().status == 200


def test_a_request_whose_engine_refuses_meanwhile_waits_with_the_others(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    with bound() as sock, RawClient(inside.port) as client:
        port = sock.getsockname()[1]
        inside.use(table(f"name: m, backend: vllm, backend_url: 'http://127.0.0.1:{port}'"))
        client.post(chat("m"))
        until(inside.in_flight, what="the attempt")
        inside.use(HELD)
        wait_held(inside, 1)
        inside.use(table(f"name: m, backend: vllm, backend_url: '{upstream.url}'"))

        assert client.read().status == 200


def test_a_model_that_is_gone_when_its_engine_dies_gets_the_engines_error(
    inside: InsideGateway,
) -> None:
    with bound() as sock, RawClient(inside.port) as client:
        port = sock.getsockname()[1]
        inside.use(table(f"name: m, backend: vllm, backend_url: 'http://127.0.0.1:{port}'"))
        client.post(chat("m"))
        until(inside.in_flight, what="the attempt")
        inside.use(table("name: other, backend: vllm"))

        assert client.read().status == 502
