"""Errors, metrics and the log as bytes."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from frontier.domain.facts import PROOF, Facts
from frontier.gateway.errors import Problem
from frontier.gateway.exposed import Exposed, Now
from frontier.gateway.json_log import AccessLine, JsonLog
from frontier.gateway.metrics import Metrics
from frontier.gateway.route_table import build, load_sources
from frontier.gateway.routes import Table
from frontier.gateway.upstream_errors import translate
from frontier.gateway.wire.checks import normalise

NOW = Now(
    clients=1,
    upstreams=2,
    in_flight={('a"\n\\', "vllm"): 3},
    held={'a"\n\\': 4},
    queued={},
    up={},
    breakers={},
    facts=Facts(),
    loaded={},
    version="0",
)
LINE = AccessLine(time="t", request_id="r", route="/", status=200, duration_ms=1.0, bytes=2)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (404, "invalid_request_error"),
        (408, "timeout_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (504, "server_error"),
    ],
)
def test_problems_have_openais_shape_and_are_ascii(status: int, kind: str) -> None:
    problem = Problem(status, "Snow \N{SNOWMAN}\u2028")

    assert problem.body.isascii()
    error = json.loads(problem.body)["error"]
    assert error == {"message": "Snow \N{SNOWMAN}\u2028", "type": kind, "param": None, "code": None}
    assert problem.event == b"data: " + problem.body + b"\n\n"


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/v1/chat/completions", "messages"),
        ("/v1/completions", "prompt"),
        ("/v1/embeddings", "input"),
    ],
)
def test_an_overflow_names_the_field_with_the_text(path: str, param: str) -> None:
    body = b'{"error":"the input length exceeds the context length"}'

    problem = translate(400, body, retry_after=None, path=path)

    assert (problem.code, problem.param) == ("context_length_exceeded", param)
    assert problem.message.startswith("This model's maximum context length is ")


@pytest.mark.parametrize(
    "body",
    [b"", b"[1]", b"null", b'{"error":null}', b'{"error":{}}', b"\xff" * 3, b"[" * 100_000],
    ids=lambda value: repr(value)[:20],
)
def test_any_error_body_gives_a_message(body: bytes) -> None:
    assert translate(500, body, retry_after=None, path="/v1/embeddings").message


@pytest.mark.parametrize(
    "message",
    [b"input (600 tokens) is too large to process. increase the physical batch size",
     b"Context size has been exceeded."],
)  # fmt: skip
def test_an_overflow_that_an_engine_calls_its_own_fault_is_not_retried(message: bytes) -> None:
    body = b'{"error":{"code":500,"message":"%b","type":"server_error"}}' % message

    problem = translate(500, body, retry_after=None, path="/v1/embeddings")

    assert (problem.status, problem.code) == (400, "context_length_exceeded")


def test_long_engine_messages_are_cut() -> None:
    assert len(translate(500, b"x" * 9999, retry_after=None, path="").message) == 1024


def test_an_engines_own_code_is_kept() -> None:
    body = b'{"error":{"message":"no","code":"model_not_found"}}'

    assert translate(404, body, retry_after=None, path="").code == "model_not_found"


def test_metrics_are_valid_before_and_after_requests(tmp_path: Path) -> None:
    routes = tmp_path / "r.yaml"
    routes.write_text('version: 1\nmodels: [{name: "a\\"\\n\\\\", backend: vllm}]')
    metrics = Metrics()
    metrics.declare(build(load_sources([routes])))
    exposed = Exposed(metrics)
    before = exposed.render(NOW)
    series = metrics.series("/v1/completions", 'a"\n\\', "vllm", stream=True)
    series.codes[418] = 1
    series.durations.observe(2.0)
    series.first_tokens.observe(0.05)
    gone = metrics.series("/v1/completions", "gone since a reload", "x", stream=False)
    gone.codes[200] = 1
    gone.first_tokens.observe(0.1)
    metrics.count_tokens("gone since a reload", "x", "none", (1, 2, 3))
    after = exposed.render(NOW)

    first = {f.name: f for f in text_string_to_metric_families(before)}
    last = {f.name: f for f in text_string_to_metric_families(after)}
    assert first.keys() == last.keys()
    working, held = (last[f"frontier_{k}_requests"].samples for k in ("inflight", "held"))
    assert [s.value for s in working] == [3]
    assert [(s.labels["model"], s.value) for s in held] == [('a"\n\\', 4)]
    counts = [s for s in last["frontier_requests"].samples if s.value]
    assert {s.labels["code"] for s in counts} == {"418", "200"}
    assert {s.labels["model"] for s in counts} == {'a"\n\\', "gone since a reload"}
    bucket = [
        s
        for s in last["frontier_request_duration_seconds"].samples
        if s.labels.get("le") == "2.0" and s.labels["stream"] == "true" and s.value
    ]
    assert len(bucket) == 1, "a bound belongs to its own bucket"
    ttft = last["frontier_time_to_first_token_seconds"].samples
    assert [s.value for s in ttft if s.labels.get("le") == "0.05"] == [1, 0]


def routed(folder: Path, *models: str) -> Table:
    """The table of *models*, each as ``name backend``."""
    found = [m.split() for m in models]
    entries = [{"name": n, "backend": b, "backend_url": "http://127.0.0.1:9"} for n, b in found]
    routes = folder / "routes.yaml"
    routes.write_text(json.dumps({"version": 1, "models": entries}))
    return build(load_sources([routes]))


def values(metrics: Metrics, name: str, **facts: dict[str, bool]) -> dict[tuple[str, ...], float]:
    """What a scrape shows of the family *name*, by its labels; mistral and vllm are routed."""
    up = {"mistral": 0, "vllm": 1}
    now = replace(NOW, facts=Facts(**facts), up=up, breakers={"llamacpp": "open"})
    families = text_string_to_metric_families(Exposed(metrics).render(now))
    samples = [s for f in families for s in f.samples if s.name == name]
    return {tuple(s.labels.values()): s.value for s in samples}


def test_what_an_engine_is_leaves_with_it_and_what_was_counted_stays(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.declare(routed(tmp_path, "m llamacpp", "n vllm"))
    metrics.attempts["llamacpp"]["ok"] = 3
    metrics.declare(routed(tmp_path, "m mistral", "n vllm"))

    gpu = {"gpu_expected": {"llamacpp": True, "mistral": True}}
    assert values(metrics, "frontier_backend_up") == {("mistral",): 0, ("vllm",): 1}
    expected = values(metrics, "frontier_engine_gpu_expected", **gpu)
    assert expected == {("mistral",): 1, ("vllm",): 0}
    known = {"gpu_in_use": {"llamacpp": True, "mistral": False}}
    assert values(metrics, "frontier_engine_gpu_in_use", **known) == {("mistral",): 0}
    states = values(metrics, "frontier_circuit_breaker_state")
    assert {backend for backend, _ in states} == {"mistral", "vllm"}
    assert values(metrics, "frontier_backend_attempts_total")["llamacpp", "ok"] == 3


def test_the_proof_of_an_engine_leaves_no_series(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.declare(routed(tmp_path, "m llamacpp"))
    before = Exposed(metrics).render(NOW)
    metrics.declare(routed(tmp_path, "m llamacpp", f"{PROOF} llamacpp"))
    metrics.series("/v1/chat/completions", PROOF, "llamacpp", stream=True).codes[200] = 1
    metrics.count_tokens(PROOF, "llamacpp", "none", (1, 2, 3))
    metrics.waited(PROOF, 0.5)
    assert PROOF in Exposed(metrics).render(NOW)

    metrics.declare(routed(tmp_path, "m llamacpp"))
    metrics.waited(PROOF, 0.5)

    after = Exposed(metrics).render(NOW)
    assert PROOF not in after
    assert after.count("\n") == before.count("\n")


def test_lines_wait_for_the_flush_and_are_json() -> None:
    read_end, write_end = os.pipe()
    log = JsonLog(write_end)
    log.access(LINE)
    log.event("happened", "now", why="because")
    log.flush()

    lines = [json.loads(line) for line in os.read(read_end, 9999).splitlines()]

    assert lines[0]["request_id"] == "r"
    assert "model" not in lines[0]
    assert lines[1] == {
        "time": "now",
        "level": "info",
        "event": "happened",
        "why": "because",
    }
    os.close(read_end)
    os.close(write_end)


def test_a_reader_that_stalls_costs_lines_but_never_blocks() -> None:
    read_end, write_end = os.pipe()
    log = JsonLog(write_end)
    for _ in range(20_000):
        log.access(LINE)
        log.flush()

    assert log.dropped > 0
    os.close(read_end)
    log.flush()
    log.access(LINE)
    log.flush()
    os.close(write_end)
    log.access(LINE)
    log.flush()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (b"/", "/"),
        (b"//", "/"),
        (b"*", "/*"),
        (b"", "/"),
        (b"/embeddings", "/v1/embeddings"),
        (b"/v1/v1/embeddings", "/v1/embeddings"),
        (b"/models/x/y", "/v1/models/x/y"),
        (b"http://host", "/"),
        (b"http://host/v1/models?x#y", "/v1/models"),
        (b"/v1/models/a%2Fb:c", "/v1/models/a%2Fb:c"),
        (b"/caf\xe9", "/caf\xe9"),
    ],
)
def test_paths(url: bytes, path: str) -> None:
    assert normalise(url) == path
