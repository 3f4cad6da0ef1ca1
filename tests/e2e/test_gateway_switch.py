"""Engines are exchanged behind a gateway that stays, while requests run all the time."""

import itertools
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

import pytest

from frontier.adapters.gateway_control import HttpGatewayControl
from frontier.domain.errors import ConfigError
from frontier.domain.project import Route
from gateway_process import Answer, GatewayProcess, RawClient, ask, chat, get
from scripted_upstream import (
    DONE,
    LAST_CHUNK,
    STREAM_HEAD,
    Exchange,
    ScriptedUpstream,
    answer,
    bound,
    chunk,
    completion,
    delta,
)
from waiting import until

SWITCHES = 50
CLIENTS = 8
PACE_S = 0.005


def slow_stream(exchange: Exchange) -> None:
    """Script: a stream that takes long enough to be met by a switch."""
    exchange.send(STREAM_HEAD)
    for _ in range(6):
        exchange.send(chunk(delta("m", "x")))
        time.sleep(PACE_S)  # the script's own pace
    exchange.send(chunk(DONE) + LAST_CHUNK)


def slow_answer(exchange: Exchange) -> None:
    time.sleep(3 * PACE_S)  # the script's own pace
    answer(completion("m"))(exchange)


class Rig:
    """A gateway, the engine behind it, and the switch that a command line carries out."""

    def __init__(self, gateway: GatewayProcess, routes: Path, stack: ExitStack) -> None:
        self.gateway = gateway
        self.routes = routes
        self.stack = stack
        self.generation = itertools.count()

    def engine(self, sock: Any = None) -> ScriptedUpstream:
        engine = self.stack.enter_context(ScriptedUpstream(sock))
        engine.on("stream", slow_stream)
        engine.on("plain", slow_answer)
        return engine

    def control(self, url: str) -> HttpGatewayControl:
        routes = (Route(model="m", service="engine", backend="vllm", url=url),)
        return HttpGatewayControl(self.gateway.url, routes=routes)

    def route(self, url: str, *, hold: bool = False, **more: object) -> None:
        """Write the route file and wait until it is in force."""
        backend = ("vllm", "mistral")[next(self.generation) % 2]
        entry = {"name": "m", "aliases": ["n"], "backend": backend, "backend_url": url}
        models = [{**entry, "hold": hold, **more}]
        text = json.dumps({"version": 1, "models": models})
        beside = self.routes.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.routes)
        self.control(url).wait_for(text)

    def held(self) -> int:
        models = get(self.gateway.port, "/admin/routes").json["models"]
        return sum(model["held"] for model in models)

    def wait_held(self, count: int) -> None:
        until(lambda: self.held() == count, what=f"{count} held requests")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    routes = tmp_path / "routes.yaml"
    with GatewayProcess("--config", routes) as gateway, ExitStack() as stack:
        yield Rig(gateway, routes, stack)


def outcome(got: Answer, *, is_stream: bool) -> str:
    if got.status != 200:
        return f"status {got.status}: {got.body[:200]!r}"
    if got.is_cut_short:
        return "cut short"
    if is_stream:
        return "" if got.events[-1] == "[DONE]" else f"ended with {got.events[-1]}"
    return "" if got.json["model"] in ("m", "n") else f"model {got.json['model']}"


class Crowd:
    """Clients that ask all the time, streaming and not, on connections that they keep."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.outcomes: Counter[str] = Counter()
        self.is_over = threading.Event()

    def __enter__(self) -> "Crowd":
        self._pool = ThreadPoolExecutor(CLIENTS)
        self._work = [self._pool.submit(self._ask, i) for i in range(CLIENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self._pool.shutdown()
        for work in self._work:
            work.result()

    def _ask(self, number: int) -> None:
        is_stream, name = number % 2 == 0, ("m", "n")[number % 4 // 2]
        body = chat(name, "stream" if is_stream else "plain", stream=is_stream)
        with RawClient(self.port, timeout_s=60) as client:
            while not self.is_over.is_set():
                client.post(body)
                self.outcomes[outcome(client.read(), is_stream=is_stream)] += 1


def wait_seen(engine: ScriptedUpstream, count: int) -> None:
    until(lambda: len(engine.seen) >= count, what=f"{count} requests at the engine")


# The whole switch


def test_fifty_switches_under_load_cost_no_request(rig: Rig) -> None:
    engine = rig.engine()
    rig.route(engine.url)
    served = []
    with Crowd(rig.gateway.port) as crowd:
        for _ in range(SWITCHES):
            wait_seen(engine, CLIENTS)
            rig.route(engine.url, hold=True)
            assert rig.control(engine.url).drain(["engine"], timeout_s=20) == 0
            served.append(len(engine.seen))
            rig.wait_held(CLIENTS)
            assert len(engine.seen) == served[-1]
            engine.kill()
            engine = rig.engine()
            rig.route(engine.url)

    assert set(crowd.outcomes) == {""}
    assert crowd.outcomes.total() >= sum(served)
    held = lambda: [x for x in rig.gateway.lines if x.get("held_ms")]  # noqa: E731
    until(lambda: len(held()) == SWITCHES * CLIENTS, what="the log lines of all who waited")
    assert all(x["held_ms"] <= x["duration_ms"] for x in held())


def test_without_a_drain_only_answers_that_had_begun_fail_and_say_so(rig: Rig) -> None:
    begun = threading.Event()

    def half(exchange: Exchange) -> None:
        exchange.send(STREAM_HEAD + chunk(delta("m", "half")))
        begun.set()
        exchange.wait_until_gone()

    old = rig.engine()
    old.on("half", half)
    old.on("silent", lambda exchange: exchange.wait_until_gone())
    rig.route(old.url)
    with (
        Crowd(rig.gateway.port) as crowd,
        RawClient(rig.gateway.port) as stream,
        RawClient(rig.gateway.port) as plain,
    ):
        stream.post(chat("m", "half", stream=True))
        plain.post(chat("m", "silent"))
        assert begun.wait(10)
        old.wait_for_request("silent")
        until(lambda: crowd.outcomes[""] > CLIENTS, what="the crowd")
        rig.route(old.url, hold=True)
        assert rig.control(old.url).drain(["engine"], timeout_s=0.5) == 2
        old.kill()
        broken = stream.read()
        new = rig.engine()
        new.on("silent", answer(completion("m", "from the new one")))
        rig.route(new.url)
        moved = plain.read()
        wait_seen(new, 2 * CLIENTS)

    assert set(crowd.outcomes) == {""}
    assert not broken.is_cut_short
    assert json.loads(broken.events[-1])["error"]["code"] == "upstream_error"
    assert moved.json["choices"][0]["message"]["content"] == "from the new one"


def test_a_killed_engine_fails_what_it_worked_on_and_nothing_after_the_switch(rig: Rig) -> None:
    """Without hold and drain: what is in flight at the kill may fail, each with a clean error."""
    old, new = rig.engine(), rig.engine()
    rig.route(old.url)
    with Crowd(rig.gateway.port) as crowd:
        until(lambda: crowd.outcomes[""] > CLIENTS, what="the crowd")
        rig.route(new.url)
        old.kill()
        wait_seen(new, 5 * CLIENTS)

    failed = {why: n for why, n in crowd.outcomes.items() if why}
    assert sum(failed.values()) <= CLIENTS
    assert all("error" in why for why in failed), failed


# Waiting


def test_a_held_request_goes_to_the_engine_and_the_name_of_the_new_route(rig: Rig) -> None:
    old, new = rig.engine(), rig.engine()
    rig.route(old.url)
    assert ask(rig.gateway.port, chat("n")).status == 200
    rig.route(old.url, hold=True)
    with RawClient(rig.gateway.port) as client:
        client.post(chat("n", note="kept"), X_Request_Id="waited")
        rig.wait_held(1)
        assert b'frontier_held_requests{model="m"} 1' in get(rig.gateway.port, "/metrics").body
        rig.route(new.url, upstream_model="org/other")
        got = client.read()

    assert got.json["model"] == "n"
    assert [(s.body["model"], s.body["note"]) for s in new.seen] == [("org/other", "kept")]
    assert len(old.seen) == 1
    line = rig.gateway.access_line("waited")
    assert 0 < line["held_ms"] < line["ttft_ms"] <= line["duration_ms"]


def test_a_held_model_needs_no_address_and_may_be_gone_afterwards(rig: Rig) -> None:
    write = rig.routes.write_text
    write("version: 1\nmodels: [{name: m, backend: vllm, hold: true}]")
    until(lambda: rig.gateway.events("config_loaded"), what="the hold")
    with RawClient(rig.gateway.port) as client:
        client.post(chat("m"), X_Request_Id="gone")
        rig.wait_held(1)
        write("version: 1\nmodels: [{name: other, backend: vllm}]")
        got = client.read()

    assert (got.status, got.error["code"]) == (404, "model_not_found")
    assert "model" not in rig.gateway.access_line("gone")


def test_readiness_says_that_requests_wait(rig: Rig) -> None:
    engine = rig.engine()
    rig.route(engine.url, hold=True)

    backends = get(rig.gateway.port, "/readyz").json["backends"]

    assert list(backends.values()) == [
        f"requests wait: the {next(iter(backends))} engine is being replaced"
    ]


def test_connections_to_an_engine_that_is_replaced_are_not_used_again(rig: Rig) -> None:
    """The same address before and after, as in a Docker network."""
    finish = threading.Event()

    def waits(exchange: Exchange) -> None:
        finish.wait(10)
        answer(completion("m"))(exchange)

    def upstream_connections() -> bytes:
        lines = get(rig.gateway.port, "/metrics").body.splitlines()
        return next(x for x in lines if b'kind="upstream"' in x).rpartition(b" ")[2]

    engine = rig.engine()
    engine.on("waits", waits)
    rig.route(engine.url)
    with RawClient(rig.gateway.port) as idle, RawClient(rig.gateway.port) as busy:
        busy.post(chat("m", "waits"))
        engine.wait_for_request("waits")
        idle.post(chat("m"))
        idle.read()
        assert upstream_connections() == b"2"
        rig.route(engine.url, hold=True)
        assert upstream_connections() == b"1"
        assert rig.control(engine.url).in_flight(["engine"]) == 1
        finish.set()
        assert busy.read().status == 200
        assert rig.control(engine.url).in_flight(["engine"]) == 0
        until(lambda: upstream_connections() == b"0", what="the close")
        rig.route(engine.url)
        busy.post(chat("m"))
        assert busy.read().status == 200

    assert [s.connection for s in engine.seen] == [1, 2, 3]


def test_an_engine_that_refuses_right_after_the_switch_is_asked_again(rig: Rig) -> None:
    old, sock = rig.engine(), bound()
    rig.route(old.url)
    rig.route(f"http://127.0.0.1:{sock.getsockname()[1]}")
    with RawClient(rig.gateway.port) as client:
        client.post(chat("m"))
        asked = lambda: get(rig.gateway.port, "/admin/routes").json["in_flight"]  # noqa: E731
        until(asked, what="the attempt")
        rig.engine(sock)

        assert client.read().status == 200


def test_a_stop_answers_those_that_wait_and_ends_at_once(rig: Rig) -> None:
    engine = rig.engine()
    rig.route(engine.url, hold=True)
    with RawClient(rig.gateway.port) as client:
        client.post(chat("m"))
        rig.wait_held(1)
        rig.gateway.signal(signal.SIGTERM)
        got = client.read()
        assert rig.gateway.wait(5) == 0

    assert (got.status, got.error["code"]) == (503, "overloaded")
    assert rig.gateway.events("draining")[0]["held"] == 1


def test_the_number_of_those_that_wait_can_be_set(tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text("version: 1\nmodels: [{name: m, backend: vllm, hold: true}]")
    with GatewayProcess("--config", routes, "--max-held-requests", "0") as gateway:
        got = ask(gateway.port, chat("m"))

    assert (got.status, got.error["code"]) == (503, "overloaded")


def test_a_broken_file_of_the_user_does_not_stand_in_the_way_of_a_switch(tmp_path: Path) -> None:
    routes, users = tmp_path / "routes.yaml", tmp_path / "models.yaml"
    users.write_text("version: 1\nmodels: [{name: mine, aliases: [my], backend: vllm}]")
    with GatewayProcess("--config", routes, "--config", users) as gateway, ExitStack() as stack:
        rig = Rig(gateway, routes, stack)
        old, new = rig.engine(), rig.engine()
        rig.route(old.url, backend="vllm")
        users.write_text("version: 1\nmodels: [{name: mine, ]")
        until(lambda: gateway.events("config_rejected"), what="the complaint")
        rig.route(old.url, backend="vllm", hold=True)
        with RawClient(gateway.port) as client:
            client.post(chat("my"))
            rig.wait_held(1)
            rig.route(new.url, backend="vllm")
            assert client.read().status == 200
        assert get(gateway.port, "/readyz").json["config_error"].startswith(f"{users}:2: not YAML")
        with pytest.raises(ConfigError, match=r"models\.yaml:2: not YAML"):
            rig.control(new.url).wait_for(users.read_text())

    assert len(new.seen) == 1


def test_reload_takes_a_tenth_of_a_second(rig: Rig) -> None:
    engine = rig.engine()
    took = []
    for _ in range(10):
        began = time.perf_counter()
        rig.route(engine.url)
        took.append(time.perf_counter() - began)

    assert min(took) < 0.2  # with the polling of the waiting side, on any machine
