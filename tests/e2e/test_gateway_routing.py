"""Several engines behind one name: who takes a request, who waits, who is not asked any more."""

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai
import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway_process import Answer, GatewayProcess, RawClient, ask, chat, get
from scripted_upstream import (
    DONE,
    Exchange,
    ScriptedUpstream,
    answer,
    bound,
    chunk,
    completion,
    delta,
    head,
    stream,
)
from waiting import until

LOADING = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
BUSY = "503 Service Unavailable"


class Setup:
    """A gateway in front of two scripted engines, with a route file of the test's own."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack = stack
        self._routes = folder / "routes.yaml"
        self.a = stack.enter_context(ScriptedUpstream())
        self.b = stack.enter_context(ScriptedUpstream())
        self.gone = bound()
        stack.callback(self.gone.close)

    @property
    def dead(self) -> str:
        """A URL where connecting is refused."""
        return f"http://127.0.0.1:{self.gone.getsockname()[1]}"

    def start(self, *models: str, arguments: tuple[str, ...] = ()) -> GatewayProcess:
        self.write(*models)
        return self._stack.enter_context(GatewayProcess("--config", str(self._routes), *arguments))

    def write(self, *models: str) -> None:
        lines = [f"  - {{{model}}}\n" for model in models]
        self._routes.write_text("version: 1\nmodels:\n" + "".join(lines))

    def two(self, name: str = "m", more: str = "", a: str = "", b: str = "") -> str:
        """Return a model with both engines."""
        engines = f"{{name: a, url: '{self.a.url}'{a}}}, {{name: b, url: '{self.b.url}'{b}}}"
        return f"name: {name}, backend: vllm, backends: [{engines}]{more}"


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    with ExitStack() as stack:
        yield Setup(stack, tmp_path)


class Gate:
    """A script whose answers wait until they are let go; it counts how many run at once."""

    def __init__(self, then: Any = None) -> None:
        self._then = then
        self._free = threading.Semaphore(0)
        self._lock = threading.Lock()
        self.running = self.most = self.total = 0

    def __call__(self, exchange: Exchange) -> None:
        with self._lock:
            self.running += 1
            self.total += 1
            self.most = max(self.most, self.running)
        self._free.acquire()
        with self._lock:
            self.running -= 1
        (self._then or answer(completion(exchange.seen.body["model"])))(exchange)

    def let_go(self, count: int = 1) -> None:
        self._free.release(count)


def metrics(gateway: GatewayProcess) -> dict[tuple[str, ...], float]:
    """Return the samples that are not zero, by name and label values."""
    text = get(gateway.port, "/metrics").body.decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.value
    }


def backends_of(answers: list[Answer]) -> Counter[str]:
    return Counter(a.headers["x-frontier-backend"] for a in answers)


def refused(got: Answer) -> tuple[int, str]:
    return got.status, got.error["code"]


# Choice


def test_weights_share_requests_exactly_and_the_answer_names_its_arm(setup: Setup) -> None:
    gateway = setup.start(setup.two(a=", weight: 3, upstream_model: big", b=", weight: 1"))

    answers = [ask(gateway.port, chat("m", note="x")) for _ in range(40)]

    assert backends_of(answers) == {"a": 30, "b": 10}
    assert {a.json["model"] for a in answers} == {"m"}
    assert {s.body["model"] for s in setup.a.seen} == {"big"}
    assert {s.body["model"] for s in setup.b.seen} == {"m"}
    found = metrics(gateway)
    requests = {k: v for k, v in found.items() if k[0] == "frontier_requests_total"}
    assert {k[3]: v for k, v in requests.items()} == {"a": 30, "b": 10}
    assert found["frontier_backend_attempts_total", "a", "ok"] == 30
    listed = get(gateway.port, "/admin/routes").json["models"][0]["backends"]
    assert [(e["name"], e["weight"], e["breaker"]) for e in listed] == [
        ("a", 3, "closed"), ("b", 1, "closed"),
    ]  # fmt: skip


def test_an_engine_without_weight_takes_nothing(setup: Setup) -> None:
    gateway = setup.start(setup.two(a=", weight: 0"))

    assert backends_of([ask(gateway.port, chat("m")) for _ in range(6)]) == {"b": 6}


def test_the_least_busy_takes_it(setup: Setup) -> None:
    gateway = setup.start(setup.two(more=", balance: least_busy"))
    gate = Gate()
    setup.a.on("hang", gate)
    setup.b.on("hang", gate)
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(ask, gateway.port, chat("m", "hang"))
        until(lambda: gate.running, what="the first request")
        quick = backends_of([ask(gateway.port, chat("m")) for _ in range(5)])
        gate.let_go()
        first = hanging.result().headers["x-frontier-backend"]

    assert quick == {"b" if first == "a" else "a": 5}


@pytest.mark.parametrize("by", ["header", "prompt_cache_key", "user"])
def test_a_session_stays_with_its_engine_and_sessions_spread(setup: Setup, by: str) -> None:
    gateway = setup.start(setup.two(more=", balance: session"))

    def one(session: str) -> Answer:
        if by == "header":
            return ask(gateway.port, chat("m"), X_Frontier_Session=session)
        return ask(gateway.port, chat("m", **{by: session}))

    homes = {n: backends_of([one(f"session-{n}") for _ in range(3)]) for n in range(24)}

    assert all(len(found) == 1 for found in homes.values())
    assert {next(iter(found)) for found in homes.values()} == {"a", "b"}


def test_a_session_moves_when_its_engine_is_full_and_comes_back(setup: Setup) -> None:
    gateway = setup.start(setup.two(more=", balance: session, limits: {concurrency: 1}"))
    gate = Gate()
    for engine in (setup.a, setup.b):
        engine.on("hang", gate)
    home = ask(gateway.port, chat("m", user="u")).headers["x-frontier-backend"]
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(ask, gateway.port, chat("m", "hang", user="u"))
        until(lambda: gate.running, what="the first request")
        other = ask(gateway.port, chat("m", user="u")).headers["x-frontier-backend"]
        gate.let_go()
        assert hanging.result().headers["x-frontier-backend"] == home

    assert other != home
    assert ask(gateway.port, chat("m", user="u")).headers["x-frontier-backend"] == home


# Failures before the first byte


def test_conformance_118_what_cannot_be_reached_is_asked_elsewhere(setup: Setup) -> None:
    engines = f"{{name: a, url: '{setup.dead}'}}, {{name: b, url: '{setup.b.url}'}}"
    gateway = setup.start(f"name: m, backend: vllm, backends: [{engines}]")

    answers = [ask(gateway.port, chat("m")) for _ in range(12)]

    assert backends_of(answers) == {"b": 12}
    found = metrics(gateway)
    assert found["frontier_retries_total", "a"] == 5, "then its breaker is open"
    assert found["frontier_backend_attempts_total", "a", "error"] == 5
    assert found["frontier_circuit_breaker_state", "a", "open"] == 1
    assert found["frontier_circuit_breaker_state", "b", "closed"] == 1
    assert ("frontier_backend_up", "a") not in found
    assert get(gateway.port, "/readyz").status == 200, "the model has an engine"


def test_an_engine_that_refuses_for_now_is_passed_over(setup: Setup) -> None:
    gateway = setup.start(setup.two())
    setup.a.on("full", answer(b'{"error":"server busy"}', BUSY))
    setup.b.on("full", answer(completion("m")))

    answers = [ask(gateway.port, chat("m", "full")) for _ in range(4)]

    assert backends_of(answers) == {"b": 4}
    assert metrics(gateway)["frontier_backend_attempts_total", "a", "rejected"] == 2


@pytest.mark.parametrize("fault", ["closes", "500", "dies"])
def test_conformance_118_what_may_have_begun_is_never_asked_twice(setup: Setup, fault: str) -> None:
    gateway = setup.start(
        setup.two(more=", fallbacks: [f]"), f"name: f, backend: vllm, backend_url: '{setup.b.url}'"
    )

    def script(exchange: Exchange) -> None:
        if fault == "500":
            answer(b"oops", "500 Internal Server Error")(exchange)
        if fault == "dies":
            exchange.send(head(Content_Type="application/json", Content_Length="100") + b'{"a"')
        exchange.close()

    setup.a.on(fault, script)
    setup.b.on(fault, script)

    with RawClient(gateway.port) as client:
        client.post(chat("m", fault))
        got = client.read()

    assert got.is_cut_short or got.status in (500, 502)
    assert len(setup.a.requests(fault)) + len(setup.b.requests(fault)) == 1


def test_another_model_answers_under_the_asked_name(setup: Setup) -> None:
    gateway = setup.start(
        f"name: m, aliases: [n], fallbacks: [gone, f], backend: vllm, backend_url: '{setup.dead}'",
        f"name: f, backend: vllm, backend_url: '{setup.b.url}', upstream_model: f-8b",
    )
    setup.b.on("words", stream(delta("f-8b", "Hi"), DONE))

    plain = ask(gateway.port, chat("n"), X_Request_Id="fell back")
    streamed = ask(gateway.port, chat("n", "words", stream=True))

    assert plain.status == 200
    assert plain.json["model"] == "n"
    assert {json.loads(e)["model"] for e in streamed.events[:-1]} == {"n"}
    assert {a.headers["x-frontier-model"] for a in (plain, streamed)} == {"f"}
    assert {s.body["model"] for s in setup.b.seen} == {"f-8b"}
    line = gateway.access_line("fell back")
    assert (line["model"], line["fallback_from"]) == ("f", "m")
    found = metrics(gateway)
    assert found["frontier_fallbacks_total", "m", "f"] == 2
    assert found["frontier_retries_total", "vllm"] == 2


def test_a_model_that_is_well_does_not_fall_back(setup: Setup) -> None:
    gateway = setup.start(
        f"name: m, backend: vllm, backend_url: '{setup.a.url}', fallbacks: [f]",
        f"name: f, backend: vllm, backend_url: '{setup.b.url}'",
    )

    got = ask(gateway.port, chat("m"))

    assert "x-frontier-model" not in got.headers
    assert not setup.b.seen
    assert not any(k[0] == "frontier_fallbacks_total" for k in metrics(gateway))


def test_a_model_that_loads_falls_back_at_once(setup: Setup) -> None:
    gateway = setup.start(
        f"name: m, backend: vllm, backend_url: '{setup.a.url}', fallbacks: [f]",
        f"name: f, backend: vllm, backend_url: '{setup.b.url}'",
    )
    setup.a.on("load", answer(LOADING, BUSY))

    began = time.monotonic()
    got = ask(gateway.port, chat("m", "load"))

    assert (got.status, got.headers["x-frontier-model"]) == (200, "f")
    assert time.monotonic() - began < 1


# The circuit breaker


def test_an_engine_that_keeps_failing_is_left_alone_until_a_health_check_gets_through(
    setup: Setup,
) -> None:
    gateway = setup.start(f"name: m, backend: vllm, backend_url: '{setup.dead}'")

    first = [ask(gateway.port, chat("m")) for _ in range(5)]
    rest = ask(gateway.port, chat("m"))

    assert {refused(a) for a in first} == {(502, "upstream_error")}
    assert refused(rest) == (503, "overloaded")
    assert 1 <= int(rest.headers["retry-after"]) <= 10
    assert metrics(gateway)["frontier_circuit_breaker_state", "vllm", "open"] == 1
    with ScriptedUpstream(setup.gone):
        until(lambda: ask(gateway.port, chat("m")).status == 200, timeout_s=5, what="the recovery")
        assert metrics(gateway)["frontier_circuit_breaker_state", "vllm", "closed"] == 1


def test_errors_of_requests_do_not_open_it(setup: Setup) -> None:
    gateway = setup.start(f"name: m, backend: vllm, backend_url: '{setup.a.url}'")
    setup.a.on("bad", answer(b"oops", "500 Internal Server Error"))
    setup.a.on("full", answer(b"busy", BUSY))

    for script in ["bad"] * 6 + ["full"] * 6:
        ask(gateway.port, chat("m", script))

    assert ask(gateway.port, chat("m")).status == 200


# The queue


def one_at_a_time(setup: Setup, more: str = "") -> str:
    limits = f"limits: {{concurrency: 1{more}}}"
    return f"name: m, backend: vllm, backend_url: '{setup.a.url}', {limits}"


def wait_queued(gateway: GatewayProcess, count: int) -> None:
    depth = ("frontier_queue_depth", "m", "normal")
    until(lambda: metrics(gateway).get(depth, 0) == count, what=f"{count} in the queue")


def test_no_engine_gets_more_than_it_may_and_nobody_is_lost(setup: Setup) -> None:
    gateway = setup.start(setup.two(more=", limits: {concurrency: 2}"))
    gates = [Gate(), Gate()]
    setup.a.on("slow", gates[0])
    setup.b.on("slow", gates[1])
    with ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(ask, gateway.port, chat("m", "slow")) for _ in range(24)]
        wait_queued(gateway, 20)
        for gate in gates:
            gate.let_go(24)
        answers = [one.result() for one in asked]

    assert {a.status for a in answers} == {200}
    assert [gate.most for gate in gates] == [2, 2]
    assert gates[0].total + gates[1].total == 24
    places = sorted(int(a.headers.get("x-frontier-queue-position", 0)) for a in answers)
    assert places == [0, 0, 0, 0, *range(1, 21)]
    found = metrics(gateway)
    assert found["frontier_queue_wait_seconds_count", "m", "normal"] == 20


def test_a_full_queue_says_when_to_come_back(setup: Setup) -> None:
    gateway = setup.start(one_at_a_time(setup, ", queue: 1"))
    gate = Gate()
    setup.a.on("slow", gate)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(ask, gateway.port, chat("m", "slow")) for _ in range(2)]
        wait_queued(gateway, 1)
        got = ask(gateway.port, chat("m"), X_Request_Id="too many")
        gate.let_go(2)
        assert {one.result().status for one in asked} == {200}

    assert refused(got) == (429, "rate_limit_exceeded")
    assert got.error["type"] == "rate_limit_error"
    assert got.headers["retry-after"] == "1"
    assert got.headers["x-frontier-queue-position"] == "2"
    assert gateway.access_line("too many")["status"] == 429


def test_a_full_queue_falls_back(setup: Setup) -> None:
    gateway = setup.start(
        one_at_a_time(setup, ", queue: 0") + ", fallbacks: [f]",
        f"name: f, backend: vllm, backend_url: '{setup.b.url}'",
    )
    gate = Gate()
    setup.a.on("slow", gate)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, gateway.port, chat("m", "slow"))
        until(lambda: gate.running, what="the first request")
        got = ask(gateway.port, chat("m"))
        gate.let_go()
        first.result()

    assert (got.status, got.headers["x-frontier-model"]) == (200, "f")


def test_conformance_102_who_leaves_the_queue_never_reaches_the_engine(setup: Setup) -> None:
    gateway = setup.start(one_at_a_time(setup))
    gate = Gate()
    setup.a.on("slow", gate)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, gateway.port, chat("m", "slow"))
        until(lambda: gate.running, what="the first request")
        with RawClient(gateway.port) as leaver:
            leaver.post(chat("m", "left"), X_Request_Id="left")
            wait_queued(gateway, 1)
            last = pool.submit(ask, gateway.port, chat("m", "last"))
            wait_queued(gateway, 2)
        wait_queued(gateway, 1)
        gate.let_go()
        assert {first.result().status, last.result().status} == {200}

    assert not setup.a.requests("left")
    assert gateway.access_line("left")["status"] == 499


def test_a_client_that_leaves_a_stream_frees_its_place(setup: Setup) -> None:
    gateway = setup.start(one_at_a_time(setup))

    def endless(exchange: Exchange) -> None:
        exchange.send(head(Content_Type="text/event-stream", Transfer_Encoding="chunked"))
        exchange.send(chunk(delta("m", "x")))
        exchange.wait_until_gone()

    setup.a.on("endless", endless)
    with ThreadPoolExecutor(1) as pool:
        with RawClient(gateway.port) as client:
            client.post(chat("m", "endless", stream=True))
            client.read_head()
            waiting = pool.submit(ask, gateway.port, chat("m"))
            wait_queued(gateway, 1)
        assert waiting.result().status == 200


def test_who_has_waited_too_long_is_told_so(setup: Setup) -> None:
    gateway = setup.start(one_at_a_time(setup) + ", timeouts: {hold: 300ms}")
    gate = Gate()
    setup.a.on("slow", gate)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, gateway.port, chat("m", "slow"))
        until(lambda: gate.running, what="the first request")
        got = ask(gateway.port, chat("m", "never"))
        gate.let_go()
        first.result()

    assert refused(got) == (503, "overloaded")
    assert "retry-after" in got.headers
    assert not setup.a.requests("never")


def test_a_reload_keeps_count_and_places(setup: Setup) -> None:
    gateway = setup.start(one_at_a_time(setup))
    gate = Gate()
    setup.a.on("slow", gate)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask, gateway.port, chat("m", "slow")) for _ in range(4)]
        wait_queued(gateway, 3)
        for extra in ("x", "y", "z"):
            setup.write(one_at_a_time(setup), f"name: {extra}, backend: ollama")
            loaded = lambda: get(gateway.port, f"/v1/models/{extra}").status == 200  # noqa: B023, E731
            until(loaded, what="the reload")
        wait_queued(gateway, 3)
        assert gate.running == 1
        setup.write(one_at_a_time(setup).replace("concurrency: 1", "concurrency: 3"))
        until(lambda: gate.running == 3, what="the two more that may")
        gate.let_go(4)
        assert {one.result().status for one in asked} == {200}
    assert gate.most == 3


# An engine that loads its model


class Loader:
    """A script that says that the model loads until it is told that it is there."""

    def __init__(self) -> None:
        self.is_ready = False
        self.refused = 0

    def __call__(self, exchange: Exchange) -> None:
        if self.is_ready:
            answer(completion(exchange.seen.body["model"]))(exchange)
        else:
            self.refused += 1
            answer(LOADING, BUSY)(exchange)


def test_conformance_055_requests_wait_for_a_model_that_loads(setup: Setup) -> None:
    gateway = setup.start(f"name: m, backend: vllm, backend_url: '{setup.a.url}'")
    loader = Loader()
    setup.a.on("", loader)
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="x", max_retries=0)

    def one(_: int) -> str | None:
        messages: Any = [{"role": "user", "content": "Hi"}]
        got = client.chat.completions.create(model="m", messages=messages)
        return got.choices[0].message.content

    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(one, n) for n in range(20)]
        held = ("frontier_held_requests", "m")
        until(lambda: metrics(gateway).get(held, 0) >= 19, what="those that wait")
        before = loader.refused
        time.sleep(1.2)
        loader.is_ready = True
        assert {one.result() for one in asked} == {"Hi"}
    client.close()

    assert loader.refused - before <= 4, "one at a time asks, twice a second"


def test_conformance_055_who_has_waited_too_long_for_it_is_told_so(setup: Setup) -> None:
    model = f"name: m, backend: vllm, backend_url: '{setup.a.url}', timeouts: {{hold: 1s}}"
    gateway = setup.start(model)
    setup.a.on("", Loader())

    got = ask(gateway.port, chat("m"))

    assert refused(got) == (503, "model_loading")
    assert "retry-after" in got.headers
    assert len(setup.a.seen) in (2, 3)


def test_conformance_102_who_leaves_while_the_model_loads_is_not_asked_for(setup: Setup) -> None:
    gateway = setup.start(f"name: m, backend: vllm, backend_url: '{setup.a.url}'")
    loader = Loader()
    setup.a.on("", loader)
    with RawClient(gateway.port) as client:
        client.post(chat("m"))
        until(lambda: loader.refused, what="the first attempt")
    until(lambda: not metrics(gateway).get(("frontier_held_requests", "m")), what="its leaving")
    before = loader.refused
    time.sleep(1.2)

    assert loader.refused == before


# The end


def test_a_stop_finishes_those_that_wait_if_time_allows(setup: Setup) -> None:
    gateway = setup.start(one_at_a_time(setup))
    gate = Gate()
    setup.a.on("slow", gate)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(ask, gateway.port, chat("m", "slow")) for _ in range(3)]
        wait_queued(gateway, 2)
        gateway.signal(signal.SIGTERM)
        until(lambda: gateway.events("draining"), what="the drain")
        gate.let_go(3)
        assert {one.result().status for one in asked} == {200}
    assert gateway.wait() == 0


def test_a_stop_tells_those_that_still_wait_at_its_limit(setup: Setup) -> None:
    gateway = setup.start(one_at_a_time(setup), arguments=("--drain-s", "0.5"))
    gate = Gate()
    setup.a.on("slow", gate)
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(ask, gateway.port, chat("m", "slow")) for _ in range(2)]
        wait_queued(gateway, 1)
        gateway.signal(signal.SIGTERM)
        answers = [one.result() for one in asked]
        gate.let_go(2)
    assert gateway.wait() == 0

    assert {refused(a) for a in answers} == {(503, "overloaded")}
    assert all("retry-after" in a.headers for a in answers)


# Context


def test_the_engines_own_context_is_published_and_follows_a_switch(setup: Setup) -> None:
    setup.a.tell("/v1/models", {"data": [{"id": "m", "max_model_len": 2048}]})
    setup.b.tell("/v1/models", {"data": [{"id": "m", "max_model_len": 1024}]})
    gateway = setup.start(f"name: m, aliases: [n], backend: vllm, backend_url: '{setup.a.url}'")

    def published(name: str) -> Any:
        found = get(gateway.port, f"/v1/models/{name}").json
        return found.get("max_model_len"), found.get("meta")

    until(lambda: published("n") == (2048, {"n_ctx": 2048}), what="the context")
    listed = get(gateway.port, "/v1/models").json["data"]
    assert [m["max_model_len"] for m in listed] == [2048]

    setup.write(f"name: m, backend: vllm, backend_url: '{setup.b.url}'")
    until(lambda: published("m")[0] == 1024, what="the new engine's context")

    setup.write(setup.two(a=", limits: {context: 512}"))
    until(lambda: published("m")[0] == 512, what="the guarantee of both engines")


def test_conformance_051_what_cannot_fit_is_refused_before_it_is_sent(setup: Setup) -> None:
    setup.a.tell("/v1/models", {"data": [{"id": "m", "max_model_len": 1024}]})
    gateway = setup.start(f"name: m, backend: vllm, backend_url: '{setup.a.url}'")
    until(lambda: "max_model_len" in get(gateway.port, "/v1/models/m").json, what="the context")
    body = chat("m") | {"messages": [{"role": "user", "content": "word " * 200_000}]}

    got = ask(gateway.port, body)

    assert refused(got) == (400, "context_length_exceeded")
    assert "This model's maximum context length is 1024 tokens" in got.error["message"]
    assert not setup.a.seen


# Metrics and mistakes


def test_every_label_set_is_there_from_the_start(setup: Setup) -> None:
    gateway = setup.start(
        setup.two(more=", fallbacks: [f]"), f"name: f, backend: vllm, backend_url: '{setup.b.url}'"
    )
    text = get(gateway.port, "/metrics").body.decode()
    samples = {
        (s.name, *s.labels.values())
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }

    for backend in ("a", "b", "vllm"):
        for outcome in ("ok", "error", "timeout", "rejected"):
            assert ("frontier_backend_attempts_total", backend, outcome) in samples
        for state in ("closed", "half_open", "open"):
            assert ("frontier_circuit_breaker_state", backend, state) in samples
        assert ("frontier_retries_total", backend) in samples
    assert ("frontier_fallbacks_total", "m", "f") in samples
    for model in ("m", "f"):
        assert ("frontier_queue_depth", model, "normal") in samples
        assert ("frontier_queue_wait_seconds_bucket", model, "normal", "0.05") in samples
    for backend in ("a", "b", "none"):
        labels = ("chat", "m", backend, "/v1/chat/completions", "429", "true")
        assert ("frontier_requests_total", *labels) in samples
