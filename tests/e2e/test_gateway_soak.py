"""Mixed load for long, while engines are killed and the configuration changes.

    make soak       # ten minutes, with a real llama.cpp among the engines
    FRONTIER_SOAK_S=60 pytest -s tests/e2e/test_gateway_soak.py

Nothing may hang, leak or be answered wrongly, and whatever fails says why in the shape that clients
know. The counts are printed.
"""

import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from frontier.adapters.llama_server import find_engine
from frontier.renderers.native import EngineSpec, server_flags
from gateway_process import Answer, GatewayProcess, RawClient, get
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
    usage_event,
)
from waiting import until

DURATION_S = float(os.environ.get("FRONTIER_SOAK_S", "20"))
IS_LONG = DURATION_S >= 120
KILL_EVERY_S = 20.0 if IS_LONG else 5.0
DOWN_S = 2.0 if IS_LONG else 1.0
CLIENTS = 12
WORDS = 10
MOST_GROWTH_BYTES = 12 * 1024 * 1024
# The engine died or was full, or the gateway could not do more than say so.
TYPED = {
    (429, "rate_limit_exceeded"), (502, "upstream_error"), (503, "overloaded"),
    (503, "model_loading"), (504, "upstream_timeout"),
}  # fmt: skip
MODELS = ("pair", "pair-alias", "sessions", "alone", "dear")
REAL = "smollm2:135m"


def echo(exchange: Exchange) -> None:
    """Script: say what the request says, in one piece or in several."""
    body = exchange.seen.body
    note, model = body["note"], body["model"]
    time.sleep(random.random() * 0.02)  # the engine's work
    if not body.get("stream"):
        answer(completion(model, note))(exchange)
        return
    exchange.send(STREAM_HEAD)
    for i in range(WORDS):
        exchange.send(chunk(delta(model, f"{note}-{i} ")))
        time.sleep(random.random() * 0.01)
    exchange.send(chunk(usage_event(model)) + chunk(DONE) + LAST_CHUNK)


class Engine:
    """A scripted engine that is killed and comes back at the same port."""

    def __init__(self) -> None:
        first = bound()
        self.port: int = first.getsockname()[1]
        self._server = self._serve(first)
        self.url = f"http://127.0.0.1:{self.port}"

    def _serve(self, sock: socket.socket) -> ScriptedUpstream:
        server = ScriptedUpstream(sock)
        server.on("echo", echo)
        return server.__enter__()

    def kill(self) -> None:
        self._server.kill()

    def restart(self) -> None:
        self._server = self._serve(until(self._bound, what="the port"))

    def _bound(self) -> socket.socket | None:
        with suppress(OSError):
            return bound(port=self.port)
        return None


class RealEngine:
    """llama.cpp with a real model."""

    def __init__(self, model: Path) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port: int = sock.getsockname()[1]
        argv = find_engine(sys.executable, path="").argv
        spec = EngineSpec(argv=argv, model=REAL, path=model, context=512, parallel=2, threads=1)
        flags = (word.replace("{port}", str(self.port)) for word in server_flags(spec))
        self._command = [*argv, *flags]
        self.url = f"http://127.0.0.1:{self.port}"
        self.restart()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(self._command, stdout=quiet, stderr=quiet)


def routes(a: str, b: str, real: str, turn: int) -> str:
    """Return the configuration of one second; every fifth is wrong."""
    pair = f"{{name: a, url: '{a}', weight: {1 + turn % 3}}}, {{name: b, url: '{b}', weight: 1}}"
    limits = f"limits: {{concurrency: {2 + turn % 2}, queue: 32}}"
    models = [
        f"name: pair, aliases: [pair-alias], backend: vllm, {limits}, backends: [{pair}]",
        f"name: sessions, backend: vllm, balance: session, {limits}, backends: [{pair}]",
        f"name: alone, backend: vllm, backend_url: '{b}'",
        f"name: dear, backend: llamacpp, backend_url: '{a}', fallbacks: [alone, pair]",
        f"name: extra-{turn % 7}, backend: ollama",
    ]
    if real:
        models.append(f"name: '{REAL}', backend: llamacpp, backend_url: '{real}'")
    lines = "".join(f"  - {{{model}}}\n" for model in models)
    wrong = "  - {name: 7}\n" if turn % 5 == 4 else ""
    return f"version: 1\nmodels:\n{lines}{wrong}"


class Load:
    """Clients that ask, listen, leave and check; what they saw is counted by kind."""

    def __init__(self, gateway: GatewayProcess, models: tuple[str, ...]) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._gateway = gateway
        self._models = models
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(150)  # a request may wait for two minutes
            assert not thread.is_alive(), "a client hangs"

    def _count(self, kind: str) -> None:
        with self._lock:
            self.counts[kind] += 1

    def _fail(self, what: str) -> None:
        with self._lock:
            self.counts["WRONG"] += 1
            self.wrong.append(what[:500])

    def _run(self, seed: int) -> None:
        dice = random.Random(seed)
        asks: tuple[Callable[[RawClient, random.Random], bool], ...] = (
            self._plain, self._plain, self._streamed, self._streamed, self._leaving,
            self._refused, self._control,
        )  # fmt: skip
        while not self._is_over.is_set():
            with suppress(ConnectionRefusedError), RawClient(self._gateway.port, 140) as client:
                for _ in range(dice.randrange(1, 20)):
                    try:
                        goes_on = dice.choice(asks)(client, dice)
                    except TimeoutError:
                        self._fail("a client waited for 140 s")
                        break
                    except (AssertionError, ValueError, KeyError, OSError) as error:
                        self._fail(f"{type(error).__name__}: {error}")
                        break
                    if not goes_on or self._is_over.is_set():
                        break

    def _body(self, dice: random.Random, **fields: object) -> tuple[dict[str, Any], str]:
        note, model = f"n{next(self._numbers)}", dice.choice(self._models)
        messages = [{"role": "user", "content": "Say yes."}]
        body = {"model": model, "messages": messages, "script": "echo", "note": note}
        return {**body, "user": f"u{dice.randrange(9)}", "max_tokens": 6, **fields}, note

    def _plain(self, client: RawClient, dice: random.Random) -> bool:
        body, note = self._body(dice)
        path, text = "/v1/chat/completions", json.dumps(note)
        if dice.random() < 0.2 and body["model"] != REAL:
            path, body["prompt"] = "/v1/completions", "x"
        client.post(body, path)
        got = client.read()
        if got.is_cut_short:
            self._count("answer that broke off with its engine")
            return False
        if got.status != 200:
            return self._typed(got)
        if got.json["model"] != body["model"]:
            self._fail(f"asked {body['model']}, got {got.body!r}")
        if body["model"] != REAL and text.encode() not in got.body:
            self._fail(f"asked {note}, got {got.body!r}")
        self._count("answer from a fallback" if "x-frontier-model" in got.headers else "answer")
        return True

    def _streamed(self, client: RawClient, dice: random.Random) -> bool:
        body, note = self._body(dice, stream=True)
        client.post(body)
        got = client.read()
        if got.status != 200:
            return self._typed(got)
        events = [json.loads(e) for e in got.events if e.startswith("{")]
        if any("error" in e for e in events):
            kinds = {(e["error"]["type"]) for e in events if "error" in e}
            self._count(f"stream that ended with {', '.join(sorted(kinds))}")
            return not got.is_cut_short
        if got.is_cut_short:
            self._count("stream that broke off with its engine")
            return False
        if got.events[-1] != "[DONE]":
            self._fail(f"a stream without an end: {got.body[-200:]!r}")
        if {e["model"] for e in events} != {body["model"]}:
            self._fail(f"asked {body['model']}, got {got.body[:300]!r}")
        said = "".join(c["delta"].get("content") or "" for e in events for c in e["choices"])
        if body["model"] != REAL and said != "".join(f"{note}-{i} " for i in range(WORDS)):
            self._fail(f"asked {note}, got {said!r}")
        self._count("stream")
        return True

    def _leaving(self, client: RawClient, dice: random.Random) -> bool:
        body, _ = self._body(dice, stream=dice.random() < 0.7)
        client.post(body)
        if dice.random() < 0.5:
            client.sock.settimeout(0.02)
            with suppress(TimeoutError, AssertionError):
                client.read_head()
        self._count("client that left")
        return False

    def _refused(self, client: RawClient, dice: random.Random) -> bool:
        body, _ = self._body(dice)
        if dice.random() < 0.5:
            client.post({**body, "model": "unknown"})
            expected = 404
        else:
            client.post(b'{"model": "pair", "messages": [')
            expected = 400
        got = client.read()
        if got.status != expected or not got.error["message"]:
            self._fail(f"expected {expected}, got {got.status} {got.body!r}")
        self._count(f"refusal {expected}")
        return True

    def _control(self, client: RawClient, dice: random.Random) -> bool:
        path = dice.choice(("/healthz", "/v1/models", "/metrics", "/admin/routes"))
        client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got = client.read()
        if got.status != 200:
            self._fail(f"{path}: {got.status}")
        self._count("control")
        return True

    def _typed(self, got: Answer) -> bool:
        kind = got.status, str(got.error["code"])
        if kind not in TYPED or not got.error["message"]:
            self._fail(f"{got.status} {got.body!r}")
        if got.status in (429, 503) and "retry-after" not in got.headers:
            self._fail(f"no Retry-After: {got.body!r}")
        self._count(f"error {kind[0]} {kind[1]}")
        return got.headers.get("connection") != "close"


def samples(gateway: GatewayProcess) -> Iterator[tuple[str, dict[str, str], float]]:
    text = get(gateway.port, "/metrics").body.decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


def under_way(gateway: GatewayProcess) -> float:
    """Return how many requests the gateway believes to be somewhere on their way."""
    names = ("inflight_requests", "held_requests", "queue_depth")
    wanted = {f"frontier_{name}" for name in names}
    busy = sum(
        engine["busy"]
        for model in get(gateway.port, "/admin/routes").json["models"]
        for engine in model["backends"]
    )
    return busy + sum(value for name, _, value in samples(gateway) if name in wanted)


def open_files(gateway: GatewayProcess) -> int:
    return len(list(Path(f"/proc/{gateway.pid}/fd").iterdir()))


def disturb(
    gateway: GatewayProcess, engines: list[Engine | RealEngine], write: Callable[[int], None]
) -> Counter[str]:
    """Kill engines in turn and change the configuration every second, until the time is over."""
    counts: Counter[str] = Counter()
    began = time.monotonic()
    turns = itertools.cycle(engines)
    victim, kill_at, back_at = next(turns), began + KILL_EVERY_S / 2, None
    for second in itertools.count():
        now = time.monotonic()
        if now - began >= DURATION_S:
            break
        write(second)
        counts["configurations"] += 1
        if back_at is not None and now >= back_at:
            victim.restart()
            victim, back_at = next(turns), None
        elif back_at is None and now >= kill_at and now - began < DURATION_S - DOWN_S - 3:
            victim.kill()
            counts[f"kills of {type(victim).__name__}"] += 1
            kill_at, back_at = now + KILL_EVERY_S, now + DOWN_S
        time.sleep(1 - (time.monotonic() - now) % 1)  # once per second is the point
    if back_at is not None:
        victim.restart()
    counts["configurations refused"] = len(gateway.events("config_rejected"))
    return counts


@pytest.mark.timeout(DURATION_S + 300)
def test_soak(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    with ExitStack() as stack:
        engines: list[Engine | RealEngine] = [Engine(), Engine()]
        a, b, real = engines[0].url, engines[1].url, ""
        if IS_LONG:
            engines.append(RealEngine(request.getfixturevalue("smollm2")))
            real = engines[2].url
        for engine in engines:
            stack.callback(engine.kill)
        path = tmp_path / "routes.yaml"

        def write(turn: int) -> None:
            beside = path.with_suffix(".new")
            beside.write_text(routes(a, b, real, turn))
            beside.rename(path)

        write(0)
        gateway = stack.enter_context(GatewayProcess("--config", path))
        with Load(gateway, MODELS):  # what is allocated once is allocated now
            time.sleep(min(5.0, DURATION_S / 4))
        until(lambda: under_way(gateway) == 0, timeout_s=30, what="an idle gateway")
        rss, fds = gateway.rss_bytes(), open_files(gateway)

        with Load(gateway, (*MODELS, REAL) if real else MODELS) as load:
            disturbed = disturb(gateway, engines, write)

        until(lambda: under_way(gateway) == 0, timeout_s=30, what="nothing left under way")
        until(lambda: open_files(gateway) <= fds + 2, timeout_s=60, what="as few open files")
        growth = gateway.rss_bytes() - rss
        attempts = {
            f"{labels['backend']} {labels['outcome']}": int(value)
            for name, labels, value in samples(gateway)
            if name == "frontier_backend_attempts_total"
        }
        gateway.signal(signal.SIGTERM)
        assert gateway.wait() == 0
        tasks = until(lambda: gateway.events("stopped"), what="the end")[0]["tasks"]
        bugs = gateway.events("bug")

        _report(load, disturbed, attempts, growth, tasks)
        assert not load.wrong
        assert not bugs
        assert growth < MOST_GROWTH_BYTES
        assert tasks <= 2, "the server itself, and the watcher that it cancels"
        assert load.counts["answer"] > 10 * DURATION_S
        assert disturbed["kills of Engine"] >= 1


def _report(
    load: Load, disturbed: Counter[str], attempts: dict[str, int], growth: int, tasks: int
) -> None:
    print(f"\n{DURATION_S:g} s, {CLIENTS} clients")  # noqa: T201 - the counts are asked for
    for title, counts in (("", load.counts), ("", disturbed), ("attempt: ", attempts)):
        for kind, count in sorted(counts.items()):
            print(f"{count:9}  {title}{kind}")  # noqa: T201
    print(f"{growth / 1024:9.0f}  KiB of growth\n{tasks:9}  tasks at the end")  # noqa: T201
    for what in load.wrong[:20]:
        print(f"WRONG: {what}")  # noqa: T201
