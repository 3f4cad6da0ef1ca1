"""Traces: the client's context reaches the engine, and spans a real OTLP collector."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_process import GatewayProcess, ask, chat
from otlp_collector import OtlpCollector
from scripted_upstream import DONE, ScriptedUpstream, answer, completion, delta, stream, usage_event
from waiting import until

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CONTEXT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def routes(upstream: ScriptedUpstream, tmp_path: Path) -> Path:
    path = tmp_path / "routes.yaml"
    model = f"{{name: m, backend: openai, backend_url: '{upstream.url}'}}"
    path.write_text(f"version: 1\nmodels: [{model}]\n")
    return path


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    with OtlpCollector() as it:
        yield it


@pytest.fixture
def traced(routes: Path, collector: OtlpCollector) -> Iterator[GatewayProcess]:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    with GatewayProcess("--config", routes, env=env) as gateway:
        yield gateway


def test_without_a_collector_the_context_passes_on_as_it_came(
    upstream: ScriptedUpstream, routes: Path
) -> None:
    upstream.on("passed", answer(completion("m")))
    with GatewayProcess("--config", routes) as gateway:
        ask(gateway.port, chat("m", "passed"), traceparent=CONTEXT, tracestate="a=1")
        ask(gateway.port, chat("m", "passed"), traceparent="00-nonsense", tracestate="a=1")
        ask(gateway.port, chat("m", "passed"))

    first, second, third = (seen.headers for seen in upstream.requests("passed"))
    assert (first["traceparent"], first["tracestate"]) == (CONTEXT, "a=1")
    assert not {"traceparent", "tracestate"} & {*second, *third}


def test_a_request_and_its_attempt_are_spans_of_the_clients_trace(
    upstream: ScriptedUpstream, traced: GatewayProcess, collector: OtlpCollector
) -> None:
    upstream.on("span", answer(completion("m")))

    got = ask(traced.port, chat("m", "span"), traceparent=CONTEXT)

    attempt = until(lambda: collector.named("chat m"), timeout_s=10)[0]
    request = collector.named("POST /v1/chat/completions")[0]
    engine_saw = upstream.requests("span")[0].headers["traceparent"]
    assert (request.trace_id, request.parent_id, request.kind) == (TRACE, PARENT, 2)
    assert (attempt.trace_id, attempt.parent_id, attempt.kind) == (TRACE, request.span_id, 3)
    assert engine_saw == f"00-{TRACE}-{attempt.span_id}-01"
    assert request.attributes["frontier.request_id"] == got.headers["x-request-id"]
    assert request.attributes["http.response.status_code"] == 200
    assert attempt.attributes["gen_ai.usage.input_tokens"] == 7
    assert attempt.attributes["gen_ai.usage.output_tokens"] == 3
    assert request.service == "frontier-gateway"


def test_a_streams_span_ends_with_the_stream(
    upstream: ScriptedUpstream, traced: GatewayProcess, collector: OtlpCollector
) -> None:
    upstream.on("long", stream(delta("m", "a"), delta("m", "b"), usage_event("m"), DONE))

    ask(traced.port, chat("m", "long", stream=True))

    attempt = until(lambda: collector.named("chat m"), timeout_s=10)[0]
    first_s = attempt.attributes["gen_ai.response.time_to_first_chunk"]
    assert 0 < first_s <= attempt.duration_s + 0.01


def test_no_prompt_no_answer_and_no_key_is_in_a_span(
    upstream: ScriptedUpstream, routes: Path, collector: OtlpCollector, tmp_path: Path
) -> None:
    upstream.on("secret", answer(completion("m", "classified-answer")))
    (tmp_path / "key").write_text("classified-key")
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    arguments = ("--config", routes, "--api-key-file", tmp_path / "key")
    body = chat("m", "secret") | {"messages": [{"role": "user", "content": "classified-prompt"}]}
    with GatewayProcess(*arguments, env=env) as gateway:
        ask(gateway.port, body, authorization="Bearer classified-key")

    assert collector.named("chat m")
    assert "classified" not in repr(collector.spans)


def test_a_failure_is_told_and_spans_are_sent_before_the_gateway_ends(
    upstream: ScriptedUpstream, routes: Path, collector: OtlpCollector
) -> None:
    upstream.on("broken", answer({"error": {"message": "no"}}, "500 Internal Server Error"))
    with GatewayProcess(
        "--config", routes, env={"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
    ) as gateway:
        ask(gateway.port, chat("m", "broken"))

    assert collector.named("POST /v1/chat/completions")[0].attributes["error.type"] == "500"


def test_a_collector_that_is_gone_costs_no_request_and_no_end(
    upstream: ScriptedUpstream, routes: Path
) -> None:
    upstream.on("gone", answer(completion("m")))
    with GatewayProcess(
        "--config", routes, env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    ) as gateway:
        statuses = [ask(gateway.port, chat("m", "gone")).status for _ in range(20)]

    assert statuses == [200] * 20


def test_another_protocol_is_refused_at_the_start(routes: Path) -> None:
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4317",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    }
    done = subprocess.run(
        (sys.executable, "-m", "frontier.gateway", "--config", routes),
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert done.returncode == 1
    assert "not by grpc" in done.stderr
    assert "4318" in done.stderr
