"""An alert on its whole way: a gateway that ends, Prometheus, Alertmanager, and who is told."""

import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from frontier_cli import Frontier, free_port
from gateway_process import GatewayProcess
from prometheus_real import Prometheus, is_ready, process, prometheus
from waiting import until

RECEIVER = Path(__file__).parents[2] / "docs" / "how-to" / "receiver.py"


@dataclass(frozen=True)
class Told:
    """Everything that stands between a gateway and a person, in little.

    Attributes:
        alertmanager: Its address.
        heard: What the webhook of the documentation printed.
        alive: What was posted to the dead man's address.
    """

    gateway: GatewayProcess
    prometheus: Prometheus
    alertmanager: str
    heard: Path
    alive: Path


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """A gateway, and what `frontier stack monitoring` writes, with waits of seconds."""
    root = tmp_path_factory.mktemp("alerting")
    heard, alive = root / "heard", root / "alive"
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(GatewayProcess())
        webhook = stack.enter_context(receiver(heard))
        deadman = stack.enter_context(receiver(alive))
        frontier = Frontier(
            root / "ws",
            env={
                "API_PORT": str(gateway.port),
                "PROMETHEUS_SCRAPE_INTERVAL": "1s",
                "PROMETHEUS_PORT": str(free_port()),
                "ALERTMANAGER_PORT": str(free_port()),
                "ALERT_WEBHOOK_URL": f"http://127.0.0.1:{webhook}/secret-in-the-path",
                "ALERT_DEADMAN_URL": f"http://127.0.0.1:{deadman}/",
            },
        )
        written = frontier.json("stack", "monitoring")
        folder = Path(written["folder"])
        hurry(folder)
        alertmanager = stack.enter_context(start(root, written["commands"][1]))
        config = folder / "prometheus" / "prometheus.yml"
        server = stack.enter_context(prometheus(root, config, int(frontier.env["PROMETHEUS_PORT"])))
        yield Told(gateway, server, alertmanager, heard, alive)


@contextlib.contextmanager
def receiver(output: Path) -> Iterator[int]:
    """The receiver of the documentation; yields its port."""
    port = free_port()
    with output.open("wb") as file:
        child = subprocess.Popen((sys.executable, str(RECEIVER), str(port)), stdout=file)
    try:
        yield port
    finally:
        child.kill()
        child.wait()


@contextlib.contextmanager
def start(root: Path, command: str) -> Iterator[str]:
    """Debian's Alertmanager as the command that Frontier prints starts it; yields its address."""
    program, *flags = command.split()
    assert program == "alertmanager"
    url = "http://" + next(f for f in flags if "listen-address=127" in f).partition("=")[2]
    with process(root, "prometheus-alertmanager", *flags) as log:
        until(lambda: is_ready(url), timeout_s=30, what=f"Alertmanager: {log.read_text()}")
        yield url


def hurry(folder: Path) -> None:
    """Make seconds of the minutes that alerts and messages wait; nothing else is changed."""
    for path in folder.glob("prometheus/rules/*.yml"):
        path.write_text(re.sub(r"^( *for): \d+[smh]$", r"\1: 1s", path.read_text(), flags=re.M))
    path = folder / "alertmanager/alertmanager.yml"
    path.write_text(re.sub(r"(\d+)([smh])$", sixtieth, path.read_text(), flags=re.M))


def sixtieth(duration: re.Match[str]) -> str:
    """A sixtieth of a duration: ``1m`` is ``1000ms``."""
    units_s = {"s": 1, "m": 60, "h": 3600}
    return f"{int(duration[1]) * units_s[duration[2]] * 1000 // 60}ms"


def active(told: Told) -> set[str]:
    return {alert["labels"]["alertname"] for alert in told.prometheus.alerts()}


def test_a_gateway_that_stops_is_told_to_the_webhook(told: Told) -> None:
    down = "firing critical ServiceDown: frontier-gateway is down\n"
    until(lambda: told.prometheus.targets().get("frontier-gateway") == "up", timeout_s=20)
    # until the first scrape it is absent, and here that is longer than a sixtieth of a minute
    until(lambda: "ServiceDown" not in active(told), timeout_s=20)
    before = len(told.heard.read_text())

    told.gateway.signal(signal.SIGTERM)

    until(lambda: down in told.heard.read_text()[before:], timeout_s=60, what="ServiceDown")
    [alert] = [a for a in told.prometheus.alerts() if a["labels"]["alertname"] == "ServiceDown"]
    assert alert["state"] == "firing"
    assert alert["labels"]["job"] == "frontier-gateway"
    assert alert["labels"]["group"] == "availability"
    assert alert["annotations"]["runbook_url"].endswith("/how-to/alerts.html#servicedown")


def test_the_dead_mans_address_is_called_and_nobody_else_hears_of_it(told: Told) -> None:
    until(lambda: "Watchdog" in told.alive.read_text(), timeout_s=30)

    assert "firing none Watchdog: Alerts can reach you\n" in told.alive.read_text()
    assert "Watchdog" not in told.heard.read_text()


def test_the_dead_mans_address_is_called_each_time_it_says(told: Told) -> None:
    def calls() -> int:
        return told.alive.read_text().count("firing none Watchdog")

    until(calls, timeout_s=30)
    before, began = calls(), time.monotonic()

    until(lambda: calls() >= before + 5, timeout_s=30)

    assert time.monotonic() - began < 8, "a minute is a second here, and every second call is gone"


def test_an_alert_of_ones_own_arrives_and_one_that_is_only_shown_does_not(told: Told) -> None:
    def post(name: str, severity: str) -> None:
        labels = {"alertname": name, "severity": severity}
        alert = {"labels": labels, "annotations": {"summary": "hello"}}
        answer = httpx2.post(f"{told.alertmanager}/api/v2/alerts", json=[alert])
        assert answer.status_code == 200

    post("Quiet", "info")
    post("Test", "critical")

    until(lambda: "Test" in told.heard.read_text(), timeout_s=30)
    assert "firing critical Test: hello\n" in told.heard.read_text()
    assert "Quiet" not in told.heard.read_text()


def test_a_warning_is_silent_under_what_is_critical_in_its_group(told: Told) -> None:
    def post(name: str, severity: str) -> None:
        labels = {"alertname": name, "severity": severity, "group": "mine"}
        httpx2.post(f"{told.alertmanager}/api/v2/alerts", json=[{"labels": labels}])

    post("Broken", "critical")
    until(lambda: "Broken" in told.heard.read_text(), timeout_s=30)
    post("Slow", "warning")

    def state() -> str:
        found = httpx2.get(f"{told.alertmanager}/api/v2/alerts").json()
        slow = [a["status"]["state"] for a in found if a["labels"]["alertname"] == "Slow"]
        return slow[0] if slow else "unprocessed"

    until(lambda: state() != "unprocessed", timeout_s=30)
    assert state() == "suppressed"
    assert "Slow" not in told.heard.read_text()


def test_the_address_of_the_webhook_stands_in_no_file_that_is_shared(told: Told) -> None:
    status = httpx2.get(f"{told.alertmanager}/api/v2/status").text

    assert "secret-in-the-path" not in status
    config = told.prometheus.get("status/config")["yaml"]
    assert "secret-in-the-path" not in config
