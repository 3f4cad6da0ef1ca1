"""Rules, alerts and the files around them, judged by the real promtool and amtool."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from compose_specs import SECRETS, containers, settings, shared, shipped
from frontier.cli.app import app
from frontier.renderers.monitoring import Watch, files
from frontier.settings import Settings
from prometheus_real import run

CASES = Path(__file__).parents[1] / "alerts"
RUNBOOKS = Path(__file__).parents[2] / "docs" / "how-to" / "alerts.md"
PUBLISHED = "https://frontier-llm.readthedocs.io/en/latest/how-to/alerts.html"
WHOLE = Watch(
    gateway="gateway:8080",
    targets="targets.json",
    machine="node-exporter:9100",
    prometheus="127.0.0.1:9090",
    alertmanager="alertmanager:9093",
    redis="redis-exporter:9121",
    tls=True,
    webhook="/run/secrets/webhook",
    deadman="/run/secrets/deadman",
)
BARE = Watch(gateway="gateway:8080", targets="targets.json")
SPECIFIED = """
ServiceDown HighErrorRate AllProvidersDown HighLatency LowCacheHitRate HighMemoryUsage
CircuitBreakerOpen RedisDown HighCPUUsage HighConnectionCount HighDailyCost CostSpike
""".split()


def written(watch: Watch, **changed: Any) -> dict[str, str]:
    """What is written for *watch*; upper-case names are settings."""
    fragments, macros = shared()
    return files(fragments["monitoring"], macros, watch, settings(shipped("llamacpp"), **changed))


def rules(watch: Watch = WHOLE, **changed: Any) -> list[dict[str, Any]]:
    """Every rule that alerts."""
    found = (yaml.safe_load(t) for p, t in written(watch, **changed).items() if "/rules/" in p)
    groups = [group for file in found for group in file["groups"]]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def alerts(watch: Watch = WHOLE, **changed: Any) -> dict[str, dict[str, Any]]:
    """Every alert by name; of two the one that gives an engine its time to load."""
    return {rule["alert"]: rule for rule in rules(watch, **changed)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All files for everything, and the cases beside the rules."""
    root = tmp_path_factory.mktemp("monitoring")
    for path, text in written(WHOLE).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    for case in CASES.glob("*.yml"):
        (root / "prometheus" / case.name).write_text(case.read_text())
    (root / "prometheus" / "targets.json").write_text("[]")
    return root


@pytest.mark.parametrize("watch", [WHOLE, BARE], ids=["whole", "bare"])
def test_promtool_finds_nothing_to_complain_of(watch: Watch, tmp_path: Path) -> None:
    for path, text in written(watch).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "prometheus" / "targets.json").write_text("[]")

    paths = sorted((tmp_path / "prometheus" / "rules").iterdir())
    linted = run("promtool", "check", "rules", "--lint=all", "--lint-fatal", *paths)
    config = run("promtool", "check", "config", tmp_path / "prometheus" / "prometheus.yml")

    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert config.returncode == 0, config.stdout + config.stderr
    assert "WARNING" not in config.stdout + config.stderr


def test_amtool_takes_the_configuration_of_alertmanager(folder: Path) -> None:
    done = run("amtool", "check-config", folder / "alertmanager" / "alertmanager.yml")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "alertmanager/alertmanager.yml" not in written(BARE)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=ServiceDown", "severity=critical"), "webhook"),
        (("alertname=HighLatency", "severity=warning"), "webhook"),
        (("alertname=CostSpike", "severity=info"), "nobody"),
        (("alertname=Watchdog", "severity=none"), "deadman"),
    ],
)
def test_an_alert_goes_where_it_should(
    labels: tuple[str, ...], receiver: str, folder: Path
) -> None:
    config = folder / "alertmanager" / "alertmanager.yml"

    done = run("amtool", "config", "routes", "test", f"--config.file={config}", *labels)

    assert done.stdout.strip() == receiver, done.stderr


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.glob("*.yml")))
def test_every_case_of_the_rules_holds(case: str, folder: Path) -> None:
    done = run("promtool", "test", "rules", folder / "prometheus" / case)

    assert done.returncode == 0, done.stdout + done.stderr


@cache
def seen() -> dict[str, set[bool]]:
    """What the cases show of each alert: that it fires (True), and that it does not."""
    shown: dict[str, set[bool]] = {}
    for name, fires in _checks():
        shown.setdefault(name, set()).add(fires)
    return shown


def _checks() -> Iterator[tuple[str, bool]]:
    for path in CASES.glob("*.yml"):
        for case in yaml.safe_load(path.read_text())["tests"]:
            for check in case.get("alert_rule_test", ()):
                yield check["alertname"], bool(check["exp_alerts"])


@pytest.mark.parametrize("name", alerts())
def test_cases_show_an_alert_that_fires_and_one_that_does_not(name: str) -> None:
    always = name == "Watchdog"

    assert seen()[name] == ({True} if always else {True, False})


def test_no_case_is_about_an_alert_that_is_gone() -> None:
    assert seen().keys() == alerts().keys()
    assert set(SPECIFIED) <= alerts().keys()


@pytest.mark.parametrize("alert", rules(), ids=lambda alert: alert["alert"])
def test_an_alert_says_what_it_is_and_where_to_read_on(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning", "info", "none")
    assert alert["labels"]["group"] in (
        *("availability", "latency", "resources", "cache", "cost"),
        "watchdog",
    )
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"].endswith(".")
    assert alert["annotations"]["runbook_url"] == f"{PUBLISHED}#{alert['alert'].lower()}"


def test_there_is_a_runbook_for_every_alert_and_for_nothing_else() -> None:
    headings = re.findall(r"^### (\w+)$", RUNBOOKS.read_text(), re.MULTILINE)

    assert sorted(headings) == sorted(alerts())


def test_there_is_no_alert_about_what_is_not_in_the_stack() -> None:
    missing = alerts().keys() - alerts(BARE).keys()

    assert missing == {
        "CertificateExpiring",
        "DiskFilling",
        "HighCPUUsage",
        "RedisDown",
        "Watchdog",
    }


@pytest.mark.parametrize(
    ("setting", "value", "alert", "part"),
    [
        ("ALERT_ERROR_RATIO", 0.05, "HighErrorRate", "ratio_rate5m > 0.05"),
        ("ALERT_SLO", 0.995, "ErrorBudgetBurnFast", "ratio_rate1h > 14.4 * (1 - 0.995)"),
        ("ALERT_SLO", 0.93, "ErrorBudgetBurnFast", "ratio_rate1h > 0.99 "),
        ("MODEL_TIMEOUT", 900, "ModelLoadFailing", "[3600s]"),
        ("MODEL_TIMEOUT", 60, "ModelLoadFailing", "[900s]"),
        ("ALERT_LATENCY_S", 0.5, "HighLatency", ") > 0.5"),
        ("ALERT_TTFT_S", 1.0, "HighTTFT", ") > 1"),
        ("ALERT_QUEUE", 3, "EngineQueueGrowing", ") > 3"),
        ("ALERT_CACHE_HIT_RATIO", 0.3, "LowCacheHitRate", " < 0.3 "),
        ("ALERT_MEMORY_BYTES", 1000, "HighMemoryUsage", " > 1000"),
        ("ALERT_CPU_RATIO", 0.95, "HighCPUUsage", " > 0.95"),
        ("ALERT_CONNECTIONS", 50, "HighConnectionCount", " > 50"),
        ("ALERT_DAILY_COST_USD", 7.5, "HighDailyCost", " > 7.5"),
        ("ALERT_COST_SPIKE", 3.0, "CostSpike", " > 3 * "),
        ("ALERT_CERTIFICATE_DAYS", 30.0, "CertificateExpiring", " < 30 * 86400"),
    ],
)
def test_a_threshold_is_a_setting(setting: str, value: object, alert: str, part: str) -> None:
    changed: dict[str, Any] = {setting: value}
    expression = " ".join(alerts(WHOLE, **changed)[alert]["expr"].split())

    assert part in f"{expression} "
    assert part not in f"{' '.join(alerts()[alert]['expr'].split())} "


@pytest.mark.parametrize(("timeout_s", "patience"), [(900, "1800s"), (10, "60s")])
def test_an_engine_may_take_its_time_to_load_a_model(timeout_s: int, patience: str) -> None:
    found = alerts(MODEL_TIMEOUT=timeout_s)

    assert found["ServiceDown"]["for"] == patience
    assert found["AllProvidersDown"]["for"] == patience


@pytest.mark.parametrize(
    ("watch", "told"),
    [
        (replace(WHOLE, webhook=""), {"nobody", "deadman"}),
        (replace(WHOLE, deadman=""), {"nobody", "webhook"}),
    ],
    ids=["deadman", "webhook"],
)
def test_one_address_is_enough_for_alertmanager(
    watch: Watch, told: set[str], tmp_path: Path
) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(written(watch)["alertmanager/alertmanager.yml"])

    assert run("amtool", "check-config", path).returncode == 0
    assert {each["name"] for each in yaml.safe_load(path.read_text())["receivers"]} == told


def test_the_gateway_in_a_container_has_no_more_memory_than_its_container() -> None:
    texts = containers(monitoring=True).files
    file = yaml.safe_load(texts["config/monitoring/prometheus/rules/resources.yml"])
    expressions = {rule["alert"]: rule["expr"] for rule in file["groups"][0]["rules"]}

    assert containers().services["gateway"]["mem_limit"] == "512m"
    assert expressions["HighMemoryUsage"].endswith(f" > {512 * 2**20 * 9 // 10}")


@pytest.mark.parametrize("kind", ["alert-webhook-url", "alert-deadman-url"])
def test_alertmanager_runs_where_alerts_have_somewhere_to_go(kind: str) -> None:
    without = containers(monitoring=True)
    kinds = {kind: f"{kind}-0"}
    found = containers(monitoring=True, secrets={**SECRETS, **kinds})
    config = yaml.safe_load(found.files["config/monitoring/prometheus/prometheus.yml"])

    assert "alertmanager" not in without.services
    assert "alerting" not in yaml.safe_load(
        without.files["config/monitoring/prometheus/prometheus.yml"]
    )
    service = found.services["alertmanager"]
    assert service["secrets"] == [kind]
    assert service["ports"] == ["127.0.0.1:9093:9093"]
    assert config["alerting"]["alertmanagers"] == [
        {"static_configs": [{"targets": ["alertmanager:9093"]}]}
    ]
    assert "frontier-alertmanager" in {job["job_name"] for job in config["scrape_configs"]}


def typed() -> list[str]:
    """Every command of Frontier that a runbook says to type, once."""
    lines = re.findall(r"^\$ frontier (.*?)(?:\s+[#>].*)?$", RUNBOOKS.read_text(), re.MULTILINE)
    return sorted(set(lines))


@pytest.mark.parametrize("line", typed())
def test_what_a_runbook_says_can_be_typed(line: str) -> None:
    command: Any = get_command(app)
    words = shlex.split(line)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]

    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known
    if command.name in ("get", "set") and words[0].isupper():
        assert words[0].lower() in Settings.model_fields
