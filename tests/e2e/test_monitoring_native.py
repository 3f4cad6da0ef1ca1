"""A native stack under the eyes of a real Prometheus."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest

from frontier_cli import Frontier
from prometheus_real import Prometheus, monitored
from waiting import until

ENGINE = '{backend="llamacpp"}'
PRICED = """
version: 1
models:
  - name: dear
    backend: openai
    backend_url: http://127.0.0.1:9
    price: {input: 1, output: 2}
"""


@pytest.fixture(scope="module")
def frontier(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Frontier]:
    """A workspace whose stack is up."""
    cli = Frontier(tmp_path_factory.mktemp("ws") / "stack")
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    models = cli.workspace / "config" / "models.yaml"
    models.parent.mkdir(parents=True, exist_ok=True)
    models.write_text(PRICED)
    cli.ok("up")
    yield cli
    cli.run("down")


@pytest.fixture(scope="module")
def prometheus(
    frontier: Frontier, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    with monitored(frontier, tmp_path_factory.mktemp("prometheus")) as server:
        yield server


def test_prometheus_sees_the_gateway_the_engine_and_the_machine(prometheus: Prometheus) -> None:
    assert prometheus.value('up{job="frontier-gateway"}') == 1
    assert prometheus.value("llamacpp:n_decode_total") > 0
    assert prometheus.value("sum(node_memory_MemTotal_bytes)") > 0


def test_a_real_prometheus_evaluates_every_rule(prometheus: Prometheus) -> None:
    rules = {rule["name"]: rule for rule in prometheus.rules()}

    for rule in rules.values():
        prometheus.query(rule["query"])  # refused where it makes no sense
        assert not rule.get("lastError"), rule

    assert {"ServiceDown", "HighCPUUsage", "frontier:request_errors:ratio_rate3d"} <= rules.keys()
    assert {"RedisDown", "CertificateExpiring", "Watchdog"}.isdisjoint(rules), "not in this stack"


def test_what_rules_ask_for_is_there(prometheus: Prometheus) -> None:
    """A rule about a metric or a label that nobody exports never fires, and nobody notices."""
    asked = {s for rule in prometheus.rules() for s in selectors(rule["query"])}
    # a container has no disk of its own
    asked = {selector for selector in asked if not selector.startswith("node_filesystem")}

    def missing() -> set[str]:
        return {selector for selector in asked if not prometheus.query(selector)}

    until(lambda: not missing(), timeout_s=20, what=f"{missing()}")
    assert 'frontier_requests_total{code=~"5.."}' in asked
    assert len(asked) > 30


def test_a_stack_in_order_alarms_nobody(prometheus: Prometheus) -> None:
    expected = {"HighCPUUsage"}  # the machine runs tests

    def active() -> set[str]:
        return {alert["labels"]["alertname"] for alert in prometheus.alerts()}

    # the gateway is absent until the first scrape, and the next evaluation knows better
    until(lambda: active() <= expected, timeout_s=20, what=f"no alert: {active()}")


def test_a_token_from_a_real_engine_moves_every_metric_of_answers(prometheus: Prometheus) -> None:
    chat = '{gen_ai_operation_name="chat",gen_ai_provider_name="llama.cpp"}'

    for name in (
        "server_request_duration_seconds",
        "server_time_to_first_token_seconds",
        "server_time_per_output_token_seconds",
        "client_operation_duration_seconds",
        "client_token_usage",
    ):
        assert prometheus.value(f"sum(gen_ai_{name}_count{chat})") > 0, name
        assert prometheus.value(f"sum(gen_ai_{name}_sum{chat})") > 0, name
    assert prometheus.value(f"frontier_engine_gpu_expected{ENGINE}") == 0
    assert prometheus.value(f"frontier_engine_gpu_in_use{ENGINE}") == 0
    assert prometheus.value(f"frontier_model_load_failures_total{ENGINE}") == 0
    assert prometheus.value(f"frontier_model_load_seconds_count{ENGINE}") == 1


def test_an_engine_that_cannot_load_its_model_any_more_is_counted_until_it_can(
    frontier: Frontier, prometheus: Prometheus
) -> None:
    [blob] = (frontier.workspace / "data" / "models" / "blobs").iterdir()
    away = blob.rename(blob.with_name("away"))
    engine = next(s for s in frontier.json("status")["services"] if s["name"] == "llamacpp")
    os.kill(engine["pid"], signal.SIGKILL)

    failures = lambda: prometheus.value(f"frontier_model_load_failures_total{ENGINE}")  # noqa: E731
    until(lambda: failures() >= 1, timeout_s=60, what="a failure to load")
    away.rename(blob)

    loads = lambda: prometheus.value(f"frontier_model_load_seconds_count{ENGINE}")  # noqa: E731
    until(lambda: loads() == 2, timeout_s=60, what="the model that is loaded again")


def selectors(expression: str) -> set[str]:
    """Every selection of series in *expression*, as text."""
    found: set[str] = set()

    def visit(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.MatrixSelector):
            part = part.vector_selector
        if isinstance(part, promql_parser.VectorSelector):
            found.add(promql_parser.parse(f"{part.name or ''}{part.matchers}").prettify())

    promql_parser.walk(promql_parser.parse(expression), visit)
    return found
