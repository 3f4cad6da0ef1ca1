"""A native stack under a load that has something to show on every dashboard."""

import contextlib
import json
import re
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, cycle
from pathlib import Path

import httpx2
import yaml

from frontier.adapters.files import write_atomic
from frontier.domain.facts import Facts
from frontier_cli import Frontier, free_port
from prometheus_real import Prometheus, configured, node_exporter, prometheus
from scripted_upstream import (
    DONE,
    LAST_CHUNK,
    STREAM_HEAD,
    Exchange,
    Script,
    ScriptedUpstream,
    answer,
    bound,
    chunk,
    delta,
    head,
    scripted,
    usage_event,
)
from waiting import until

MODEL = "smollm2:135m"
METRICS = Path(__file__).parent / "fixtures" / "metrics"
_SHARED = "You are a helpful assistant who answers in few words, and never in many. "
_SHORT = {"num_predict": 4}
_PAUSE_S = 0.2
_SELDOM = (
    "frontier_fallbacks_total",
    "frontier_retries_total",
    "frontier_rate_limited_total",
    "frontier_config_reload_failures_total",
    "frontier_model_load_failures_total",
    'frontier_queue_wait_seconds_count{model="priced"}',
    'frontier_requests_total{code="499"}',
    'frontier_requests_total{route="/api/chat"}',
    'frontier_tokens_total{direction="cached"}',
    "frontier_cost_usd_total",
    "llamacpp:prompt_tokens_cached_total",
)
"""Counters of what has to happen; a busy machine takes longer."""
_MOMENTS = (
    "llamacpp:requests_deferred",
    'frontier_queue_depth{model="priced"}',
    "frontier_held_requests",
)
"""Gauges that have to be above 0 once."""
_ROUTES = """
version: 1
models:
  - name: priced
    backend: llamacpp
    backends: [{{name: paid, upstream_model: "smollm2:135m"}}]
    limits: {{concurrency: 1, queue: 2}}
    price: {{input: 150, output: 600, cached: 15}}
  - {{name: "llama3.1:8b", backend: ollama, backend_url: "{upstream}"}}
  - name: away
    backend: vllm
    backends: [{{name: nowhere, url: "http://127.0.0.1:{dead_port}"}}]
    fallbacks: ["llama3.1:8b"]
  - name: twins
    backend: openai
    backends: [{{name: first, url: "{upstream}"}}, {{name: second, url: "{upstream}"}}]
  - name: coming
    backend: vllm
    backends: [{{name: next, url: "http://127.0.0.1:{dead_port}"}}]
    hold: true
    timeouts: {{hold: 1s}}
"""


@dataclass(frozen=True)
class BusyStack:
    """A stack, and the Prometheus that watches it.

    Attributes:
        begin: When clients began to ask, Unix time.
    """

    frontier: Frontier
    prometheus: Prometheus
    begin: float


@contextlib.contextmanager
def busy_stack(
    folder: Path, weights: Path | None = None, *, at_least_s: float = 8.0
) -> Iterator[BusyStack]:
    """Yield a stack that had a lot to do; everything still runs.

    Args:
        folder: Where all of it lies.
        weights: Of the small real model; downloaded where there are none.
        at_least_s: How long clients ask.
    """
    frontier = Frontier(folder / "stack")
    source = f"file:{weights}" if weights else MODEL
    frontier.ok("models", "pull", source, "--name", MODEL)
    with ScriptedUpstream() as upstream, bound() as dead, _recorded() as recorded:
        try:
            frontier.ok("up")
            dead_port = dead.getsockname()[1]
            _configure(frontier, upstream, dead_port)
            key, poor = _key(frontier, "team"), _key(frontier, "guest", "--rpm", "1")
            with _watched(frontier, folder, recorded, dead_port) as server:
                stack = BusyStack(frontier, server, time.time())
                _load(stack, at_least_s, key, poor)
                yield stack
        finally:
            frontier.run("down")


def _key(frontier: Frontier, name: str, *limits: str) -> str:
    return str(frontier.json("keys", "create", name, *limits)["secret"])


def _configure(frontier: Frontier, upstream: ScriptedUpstream, dead_port: int) -> None:
    """Add models with a price, of an Ollama, with a dead engine, and one that is held."""
    ollama = Path(__file__).parent / "fixtures" / "compute" / "ollama-ps-gpu.json"
    upstream.tell("/api/ps", json.loads(ollama.read_text()))
    upstream.on("slowly", _slowly)
    upstream.on("sometimes", _sometimes())
    upstream.on("ollama", _as_ollama)
    upstream.on("broken", answer({"error": {"message": "broken"}}, "500 Internal Server Error"))
    config = frontier.workspace / "config"
    config.mkdir(exist_ok=True)
    routes = _ROUTES.format(upstream=upstream.url, dead_port=dead_port)
    (config / "models.yaml").write_text(routes)


def _sometimes() -> Script:
    """Return a script that hangs up every other time, and else answers."""
    turns = count()

    def run(exchange: Exchange) -> None:
        if next(turns) % 2:
            _slowly(exchange)
        else:
            exchange.reset()

    return run


def _as_ollama(exchange: Exchange) -> None:
    """Stream as Ollama does."""
    exchange.send(head(Content_Type="application/x-ndjson", Transfer_Encoding="chunked"))
    word = {"model": "llama3.1:8b", "message": {"role": "assistant", "content": "Hm "}}
    for _ in range(4):
        time.sleep(0.04)
        exchange.send(_line({**word, "done": False}))
    counts = {"prompt_eval_count": 30, "eval_count": 4, "done_reason": "stop"}
    exchange.send(_line({**word, **counts, "done": True}) + LAST_CHUNK)


def _line(value: object) -> bytes:
    return chunk(json.dumps(value).encode() + b"\n")


def _slowly(exchange: Exchange) -> None:
    """Stream as a model of another machine does."""
    model = str(exchange.seen.body["model"])
    exchange.send(STREAM_HEAD)
    for word in ("One", " two", " three", " four"):
        time.sleep(0.03)
        exchange.send(chunk(delta(model, word)))
    exchange.send(chunk(usage_event(model, 12, 4)) + chunk(DONE) + chunk(b""))


@contextlib.contextmanager
def _recorded() -> Generator[int]:
    """Serve the fixtures, ``/vllm`` and so on, on a port; their counters grow."""
    texts = {f"/{path.stem}": path.read_text() for path in METRICS.glob("*.prom")}
    begun = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = _grown(texts[self.path], 1 + (time.monotonic() - begun) / 60).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _grown(text: str, factor: float) -> str:
    """Return an exposition with its counters and histograms times *factor*."""
    return re.sub(
        r"(?m)^(\S+_(?:total|bucket|sum|count)(?:\{.*\})?) (\S+)$",
        lambda found: f"{found[1]} {float(found[2]) * factor:.9g}",
        text,
    )


@contextlib.contextmanager
def _watched(
    frontier: Frontier, folder: Path, recorded: int, dead_port: int
) -> Generator[Prometheus]:
    """Run a Prometheus as Frontier configures it, and let it scrape what is recorded as well."""
    with node_exporter(folder) as exporter:
        port = free_port()
        written = configured(frontier, port=port, exporter=exporter)
        config = yaml.safe_load(written.read_text())
        config["scrape_configs"] += list(_recorded_jobs(recorded))
        gone = {"targets": [f"127.0.0.1:{dead_port}"]}
        config["scrape_configs"] += [{"job_name": "frontier-gone", "static_configs": [gone]}]
        file = written.with_name("with_recorded.yml")
        file.write_text(yaml.safe_dump(config))
        with prometheus(folder, file, port) as server:
            seen = "count(up == 1) > 6 and on () frontier_build_info"
            until(partial(server.query, seen), timeout_s=30, what="the first scrapes")
            yield server


def _recorded_jobs(port: int) -> Iterator[dict[str, object]]:
    """Yield what scrapes the recorded engines and GPU."""
    for name, job in (("vllm", "engine"), ("mistral", "engine"), ("dcgm", "gpu")):
        labels = {"job": f"frontier-{job}", "instance": name}
        target = {"targets": [f"127.0.0.1:{port}"], "labels": labels}
        yield {"job_name": name, "metrics_path": f"/{name}", "static_configs": [target]}


@dataclass(frozen=True)
class _Clients:
    """All kinds of clients.

    Attributes:
        key: Of somebody without limits.
        poor: Of somebody with a limit.
    """

    url: str
    key: str
    poor: str
    over: threading.Event

    def ask(self, path: str, key: str = "", **body: object) -> None:
        """Ask, and read the answer to its end unless the load ends before."""
        with self._answer(path, key, body) as answer:
            for _ in answer.iter_bytes():
                if self.over.is_set():
                    return

    @contextlib.contextmanager
    def _answer(self, path: str, key: str, body: object) -> Iterator[httpx2.Response]:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        with (
            httpx2.Client(headers=headers, timeout=30, verify=False) as client,  # plain HTTP
            client.stream("POST", f"{self.url}{path}", json=body) as answer,
        ):
            yield answer

    def chat(self, model: str, words: str = "Hi", key: str = "", **body: object) -> None:
        messages = [{"role": "system", "content": _SHARED}, {"role": "user", "content": words}]
        usage = {"stream_options": {"include_usage": True}} if body.get("stream") else {}
        self.ask(
            "/v1/chat/completions",
            key,
            **{"model": model, "messages": messages, "max_tokens": 6, **usage, **body},
        )

    def leave(self) -> None:
        """Ask for a long answer and hang up after its first piece."""
        body = {"model": MODEL, "stream": True, "max_tokens": 400, "prompt": "Once upon a time"}
        with self._answer("/v1/completions", "", body) as answer:
            next(answer.iter_bytes(), None)

    def kinds(self) -> list[tuple[Callable[[], None], ...]]:
        """Return what each client does, in turn, again and again."""
        hi = [{"role": "user", "content": "Hi"}]
        paid = (lambda: self.chat("priced", "Name a city.", stream=True),)
        return [
            (
                lambda: self.chat(MODEL, "Name a colour.", stream=True),
                lambda: self.ask("/v1/embeddings", model=MODEL, input="A sentence."),
                lambda: self.ask("/v1/messages", model=MODEL, max_tokens=4, messages=hi),
                lambda: self.ask("/api/chat", model=MODEL, messages=hi, options=_SHORT),
                self.leave,
            ),
            (lambda: self.chat(MODEL, "Name a tree."),),
            *(paid, paid, paid, paid),
            (lambda: self.chat("llama3.1:8b", scripted("ollama"), stream=True),),
            (lambda: self.chat("away", scripted("ollama")),),
            (lambda: self.chat("twins", script="sometimes", stream=True),),
            (lambda: self.chat("twins", script="broken"),),
            (lambda: self.chat("coming"),),
            (
                lambda: self.chat("twins", script="slowly", key=self.poor, stream=True),
                lambda: self.chat(MODEL, key="sk-frontier-wrong"),
                lambda: self.chat("nobody-has-this"),
            ),
        ]


def _load(stack: BusyStack, at_least_s: float, key: str, poor: str) -> None:
    """Let clients of all kinds ask until Prometheus has seen all that seldom happens."""
    over = threading.Event()
    clients = _Clients(stack.frontier.url, key, poor, over).kinds()

    def again(asks: Iterable[Callable[[], None]]) -> None:
        for ask in cycle(asks):
            if over.wait(_PAUSE_S):
                return
            ask()

    with ThreadPoolExecutor(len(clients)) as pool:
        working = [pool.submit(again, client) for client in clients]
        try:
            over.wait(at_least_s / 2)
            _trouble(stack.frontier)
            over.wait(at_least_s / 2)
            counted = (f"sum(increase({event}[5m])) > 0" for event in _SELDOM)
            seen = (f"max_over_time({gauge}[5m]) > 0" for gauge in _MOMENTS)
            for event in (*counted, *seen):
                until(partial(stack.prometheus.query, event), timeout_s=90, what=event)
        finally:
            over.set()
        for one in working:
            one.result()


def _trouble(frontier: Frontier) -> None:
    """Note what `frontier` would of an engine that fails, and make a mistake in the routes."""
    path = frontier.workspace / "data/gateway/facts.json"
    facts = Facts.from_json(path.read_bytes())
    for engine, loads in facts.loads.items():
        facts = facts.counted(engine, loads.failed())
    facts = facts.computing("nowhere", expected=True, in_use=False)
    ends = {"nginx": time.time() + 90 * 86_400}
    write_atomic(path, replace(facts, not_after=ends).to_json())
    routes = frontier.workspace / "config/models.yaml"
    right = routes.read_text()
    write_atomic(routes, "version: 1\nmodels: none\n")
    time.sleep(0.5)  # several times the gateway's look at its files
    write_atomic(routes, right)
