"""Queues, breakers and turns behind real sockets; the clock is the test's."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from frontier.gateway.breaker import OPEN_S
from frontier.gateway.health import probe_all
from frontier.gateway.report import report
from gateway_process import RawClient, chat
from scripted_upstream import Exchange, ScriptedUpstream, answer, bound, completion
from waiting import until

if TYPE_CHECKING:
    from conftest import InsideGateway
else:
    InsideGateway = Any


def table(*models: str) -> str:
    return "version: 1\nmodels: [" + ", ".join(f"{{{m}}}" for m in models) + "]"


class Slow:
    """A script that answers when it is told to, and notes who came."""

    def __init__(self) -> None:
        self.order: list[int] = []
        self._free = threading.Semaphore(0)

    def __call__(self, exchange: Exchange) -> None:
        self.order.append(exchange.seen.body["number"])
        self._free.acquire()
        answer(completion("m"))(exchange)

    def let_go(self, count: int = 1) -> None:
        self._free.release(count)


@contextmanager
def clients(inside: InsideGateway) -> Iterator[Callable[[], RawClient]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(RawClient(inside.port))


def name_keys(inside: InsideGateway) -> None:
    """Have requests carry the key id that their body names."""
    forward = inside.core.dispatcher.forward

    def named(client: Any, request: Any, routes: Any) -> None:
        request.key_id = json.loads(request.ask.body)["key"]
        forward(client, request, routes)

    inside.core.dispatcher.forward = named


def scraped(inside: InsideGateway, sample: str) -> float:
    """Return the value of *sample*, as a scrape shows it."""

    async def text() -> str:
        return report(inside.core).metrics

    (line,) = (found for found in inside.run(text()).splitlines() if found.startswith(sample + " "))
    return float(line.rpartition(" ")[2])


def one_place(url: str, more: str = "") -> str:
    return table(f"name: m, backend: vllm, backend_url: '{url}', limits: {{concurrency: 1}}{more}")


def test_keys_take_turns_in_the_queue(inside: InsideGateway, upstream: ScriptedUpstream) -> None:
    slow = Slow()
    upstream.on("turns", slow)
    inside.use(one_place(upstream.url))
    name_keys(inside)
    with clients(inside) as connect:
        asked = [connect() for _ in range(9)]
        for number, (client, key) in enumerate(zip(asked, "xgggggaab", strict=True)):
            client.post(chat("m", "turns", number=number, key=key))
            if number == 0:
                until(lambda: slow.order, what="the first request")
            else:
                until(lambda: len(inside.core.holds) == number, what="the queue")  # noqa: B023
        places = []
        slow.let_go(9)
        for client in asked:
            places.append(client.read().headers.get("x-frontier-queue-position"))  # noqa: PERF401

    assert slow.order == [0, 1, 6, 8, 2, 7, 3, 4, 5]
    assert places == [None, "1", "2", "3", "4", "5", "2", "4", "3"]


def test_a_request_may_wait_in_the_queue_as_long_as_the_route_allows(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    slow = Slow()
    upstream.on("long", slow)
    inside.use(one_place(upstream.url, ", timeouts: {hold: 20s}"))
    with clients(inside) as connect:
        first, second = connect(), connect()
        first.post(chat("m", "long", number=0))
        until(lambda: slow.order, what="the first request")
        second.post(chat("m", "long", number=1))
        until(lambda: len(inside.core.holds) == 1, what="the queue")
        inside.pass_time(19)
        assert len(inside.core.holds) == 1
        inside.pass_time(1.1)
        got = second.read()
        slow.let_go()
        assert first.read().status == 200

    assert (got.status, got.error["code"]) == (503, "overloaded")
    assert "waited 20 s" in got.error["message"]
    assert slow.order == [0]


def test_a_breaker_lets_one_request_find_out(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    with bound() as sock, clients(inside) as connect:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        inside.use(table(f"name: m, backend: vllm, backend_url: '{url}'"))
        inside.pass_time(10)  # a new address may refuse for five seconds
        client = connect()
        for status in [502] * 5 + [503]:
            client.post(chat("m"))
            assert client.read().status == status
        inside.pass_time(OPEN_S)
        slow = Slow()
        with ScriptedUpstream(sock) as engine:
            engine.on("probe", slow)
            probe = connect()
            probe.post(chat("m", "probe", number=0))
            until(lambda: slow.order, what="the probe")
            client.post(chat("m"))
            assert client.read().status == 503, "one is enough"
            probe.sock.close()  # it leaves without having found out
            until(lambda: not inside.in_flight(), what="its end")
            client.post(chat("m"))
            assert client.read().status == 200
            client.post(chat("m"))
            assert client.read().status == 200
            slow.let_go()


def test_an_engine_that_answers_does_not_speak_for_a_dead_one_of_the_same_name(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    with bound() as sock, clients(inside) as connect:
        dead = f"http://127.0.0.1:{sock.getsockname()[1]}"
        models = [f"name: {n}, backend: vllm, backend_url: '{u}'" for n, u in
                  (("m", upstream.url), ("dead", dead))]  # fmt: skip
        inside.use(table(*models))
        inside.pass_time(10)  # a new address may refuse for five seconds
        client = connect()
        inside.run(probe_all(inside.core))
        client.post(chat("m"))
        assert client.read().status == 200
        assert scraped(inside, 'frontier_backend_up{backend="vllm"}') == 0
        with ScriptedUpstream(sock):
            client.post(chat("dead"))
            assert client.read().status == 200
            assert scraped(inside, 'frontier_backend_up{backend="vllm"}') == 1
        inside.use(table(models[0]))
        assert scraped(inside, 'frontier_backend_up{backend="vllm"}') == 1, "the dead one has left"


def test_a_failure_shows_at_once_and_an_engine_that_nobody_asked_is_not_up(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    upstream.on("closes", lambda exchange: exchange.close())
    inside.use(
        table(f"name: m, backend: vllm, backend_url: '{upstream.url}'", "name: n, backend: ollama")
    )
    ups = []
    with clients(inside) as connect:
        for script in ("", "closes", ""):
            ups.append(scraped(inside, 'frontier_backend_up{backend="vllm"}'))
            client = connect()
            client.post(chat("m", script))
            client.read()
    ups.append(scraped(inside, 'frontier_backend_up{backend="vllm"}'))

    assert ups == [0, 1, 0, 1]
    assert scraped(inside, 'frontier_backend_up{backend="ollama"}') == 0


def test_a_silent_engine_counts_as_failing_and_a_wrong_request_does_not(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    inside.use(
        table(f"name: m, backend: vllm, backend_url: '{upstream.url}', timeouts: {{total: 5s}}")
    )
    slow = Slow()
    upstream.on("silent", slow)
    upstream.on("wrong", answer(b"no", "400 Bad Request"))
    with clients(inside) as connect:
        client = connect()
        for script in ["silent"] * 4 + ["wrong"] + ["silent"] * 5:
            count = len(slow.order) + 1
            client.post(chat("m", script, number=0))
            if script == "silent":
                until(lambda: inside.in_flight() and len(slow.order) == count, what="it")  # noqa: B023
                inside.pass_time(5.1)
            assert client.read().status == (400 if script == "wrong" else 504)
        client.post(chat("m", "silent", number=0))
        assert client.read().status == 503
        slow.let_go(9)


@pytest.mark.parametrize("fate", ["dies", "is replaced", "loads"])
def test_a_stream_that_was_opened_to_keep_its_client_is_not_opened_twice(
    inside: InsideGateway, upstream: ScriptedUpstream, fate: str
) -> None:
    """The engine's connection is a used one, whose loss would else be taken for an idle one's."""
    engine = f"name: m, backend: vllm, backend_url: '{upstream.url}', fallbacks: [f]"
    inside.use(table(engine, f"name: f, backend: vllm, backend_url: '{upstream.url}'"))
    free = threading.Event()
    loading = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'

    def silent(exchange: Exchange) -> None:
        free.wait(10)
        if fate == "loads":
            answer(loading, "503 Service Unavailable")(exchange)
        exchange.close()

    name = upstream.on(f"silent, then it {fate}", silent)
    with clients(inside) as connect:
        client = connect()
        client.post(chat("m"))
        assert client.read().status == 200
        client.post(chat("m", name, stream=True))
        upstream.wait_for_request(name)
        inside.pass_time(11)
        assert client.read_head()[0] == 200
        if fate == "is replaced":
            inside.use(table("name: m, backend: vllm, hold: true"))
        free.set()
        if fate == "is replaced":
            until(lambda: len(inside.core.holds), what="the stream, which waits with its head")
            inside.use(table(engine.replace(", fallbacks: [f]", "")))
        body = client._read_chunks()

    events = [e for e in body[0].decode().split("\n\n") if e.startswith("data: ")]
    assert len(events) == 1
    assert "error" in json.loads(events[0].removeprefix("data: "))
    assert len(upstream.requests(name)) == (2 if fate == "is replaced" else 1)


def test_no_place_is_lost_whatever_becomes_of_requests(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    inside.use(one_place(upstream.url, ", timeouts: {total: 5s}"))
    slow = Slow()
    upstream.on("slow", slow)
    upstream.on("error", answer(b"no", "500 Oops"))
    upstream.on("broken", lambda exchange: exchange.send(b"no http\r\n\r\n"))
    upstream.on("closes", lambda exchange: exchange.close())
    pools = inside.core.pools

    def busy() -> int:
        return sum(pool.busy for pool in pools)

    with clients(inside) as connect:
        for script in ["", "error", "broken", "closes", "full", "slow", "left", ""]:
            client, count = connect(), len(slow.order) + 1
            client.post(chat("m", "slow" if script == "left" else script, number=0))
            if script in ("slow", "left"):
                until(lambda: len(slow.order) == count, what="the request")  # noqa: B023
            if script == "left":
                client.sock.close()
            else:
                if script == "slow":
                    inside.pass_time(5.1)
                client.read()
            until(lambda: not busy(), what="the free place")
        slow.let_go(2)
        inside.use(table("name: other, backend: vllm"))
        assert not busy()


@pytest.mark.parametrize(
    ("f", "g", "status", "counts"),
    [("200", "200", 200, (1, 0)), ("503", "200", 200, (0, 1)), ("503", "503", 503, (0, 0)),
     ("429", "200", 429, (0, 0))],
)  # fmt: skip
def test_a_fallback_is_counted_if_it_answers(
    inside: InsideGateway, f: str, g: str, status: int, counts: tuple[int, int]
) -> None:
    with ExitStack() as stack:
        dead = stack.enter_context(bound()).getsockname()[1]
        models = [
            f"name: m, backend: vllm, backend_url: 'http://127.0.0.1:{dead}', fallbacks: [f, g]"
        ]
        for name, said in (("f", f), ("g", g)):
            engine = stack.enter_context(ScriptedUpstream())
            engine.on("", answer(completion("m"), f"{said} So"))
            models.append(f"name: {name}, backend: vllm, backend_url: '{engine.url}'")
        inside.use(table(*models))
        inside.pass_time(10)  # a new address may refuse for five seconds
        client = stack.enter_context(RawClient(inside.port))
        client.post(chat("m"))
        got = client.read()

    assert got.status == status
    found = [scraped(inside, f'frontier_fallbacks_total{{from="m",to="{n}"}}') for n in "fg"]
    assert tuple(found) == counts


def test_a_request_that_comes_back_to_its_own_model_is_no_fallback(
    inside: InsideGateway, upstream: ScriptedUpstream
) -> None:
    """The fallback's engine is replaced while it has the request, and the model's own is back."""
    with ScriptedUpstream() as other, bound() as sock, clients(inside) as connect:
        dead = f"http://127.0.0.1:{sock.getsockname()[1]}"
        free = threading.Event()

        def leaves(exchange: Exchange) -> None:
            free.wait(10)
            exchange.close()

        other.on("leaves", leaves)

        def routes(url: str, fallback: str) -> str:
            return table(
                f"name: m, backend: llamacpp, backend_url: '{url}', fallbacks: [f]",
                f"name: f, backend: vllm, backend_url: '{fallback}'",
            )

        inside.use(routes(dead, other.url))
        inside.pass_time(10)  # a new address may refuse for five seconds
        client = connect()
        client.post(chat("m", "leaves"))
        other.wait_for_request("leaves")
        inside.use(routes(upstream.url, dead))
        free.set()
        got = client.read()

    assert got.status == 200
    assert "x-frontier-model" not in got.headers
    assert scraped(inside, 'frontier_fallbacks_total{from="m",to="f"}') == 0
