"""Debian's Prometheus, Alertmanager and exporters as plain processes, and what to ask of them.

They are Linux programs: elsewhere, whoever imports this is skipped.
"""

import contextlib
import hashlib
import platform
import subprocess
import sys
import tarfile
from collections.abc import Generator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest

from debian_packages import Root, write_root
from downloads import downloads
from frontier.adapters.files import locked
from frontier_cli import Frontier, free_port
from waiting import until

if sys.platform != "linux":
    pytest.skip("Debian's Prometheus runs on Linux", allow_module_level=True)

ROOT = Root(
    suite="trixie",
    packages=("prometheus", "prometheus-alertmanager", "prometheus-node-exporter"),
)
# Debian's Alertmanager wants its templates installed; `process` runs it where they are instead.
TEMPLATES, RELATIVE = b"/usr/share/prometheus/", b"usr//share/prometheus/"
_PATIENCE_S = 900


@cache
def programs() -> Path:
    """Return the folder with the root file system of `ROOT`, made once per machine."""
    folder = (
        downloads()
        / f"monitoring-{hashlib.sha256(repr((ROOT, RELATIVE)).encode()).hexdigest()[:12]}"
    )
    with locked(downloads() / "monitoring.lock", doing="unpack programs", wait_s=_PATIENCE_S):
        if not folder.exists():
            _unpack(folder)
    return folder


def _unpack(folder: Path) -> None:
    packages, beside = downloads() / "debian", folder.with_suffix(".part")
    packages.mkdir(parents=True, exist_ok=True)
    archive = folder.with_suffix(".tar")
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    write_root(ROOT, architecture, cache=packages, target=archive)
    with tarfile.open(archive) as tar:
        tar.extractall(beside, filter="tar")
    archive.unlink()
    alertmanager = beside / "usr" / "bin" / "prometheus-alertmanager"
    alertmanager.write_bytes(alertmanager.read_bytes().replace(TEMPLATES, RELATIVE))
    beside.rename(folder)


def argv(program: str, *arguments: str | Path) -> list[str]:
    """Return the command line of one of Debian's programs, which brings its own libc."""
    root = programs()
    [loader] = (root / "usr" / "lib").rglob("ld-linux-*.so.*")
    libraries = str(loader.parent)
    binary = root / "usr" / "bin" / program
    return [str(loader), "--library-path", libraries, str(binary), *map(str, arguments)]


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run ``promtool`` or ``amtool``; its exit code is the caller's to judge."""
    return subprocess.run(
        argv(program, *arguments), capture_output=True, text=True, timeout=120, check=False
    )


@contextlib.contextmanager
def process(folder: Path, program: str, *arguments: str | Path) -> Generator[Path]:
    """Run one of Debian's programs until the block ends; yield its log."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{program}.log"
    with log.open("wb") as file:
        child = subprocess.Popen(
            argv(program, *arguments), cwd=programs(), stdout=file, stderr=subprocess.STDOUT
        )
    try:
        yield log
    finally:
        child.terminate()
        child.wait(timeout=30)


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus.

    Attributes:
        log: What it writes.
    """

    url: str
    log: Path

    def get(self, path: str, **parameters: str) -> Any:
        """Return the ``data`` of one answer of its API.

        Raises:
            AssertionError: it refuses, for instance an expression; the text is its reason.
        """
        url = f"{self.url}/api/v1/{path}"
        # plain HTTP: reading the certificates of the world would take ten times as long
        answer = httpx2.get(url, params=parameters, verify=False).json()
        assert answer["status"] == "success", answer.get("error")
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of *expression* now: ``metric`` has labels, ``value`` time and text.

        A scalar is one sample without labels.
        """
        data = self.get("query", query=expression)
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        return list(data["result"])

    def query_range(
        self, expression: str, start: float, end: float, step_s: float
    ) -> list[dict[str, Any]]:
        """Return the series of *expression* from *start* to *end*, Unix times: ``values``."""
        times = {"start": str(start), "end": str(end), "step": str(step_s)}
        return list(self.get("query_range", query=expression, **times)["result"])

    def value(self, expression: str) -> float:
        """Return the one number that *expression* is now."""
        [sample] = self.query(expression)
        return float(sample["value"][1])

    def targets(self) -> dict[str, str]:
        """Map each job to ``up``, ``down`` or ``unknown``; the worst of its targets."""
        found = sorted(
            (t["labels"]["job"], t["health"]) for t in self.get("targets")["activeTargets"]
        )
        return dict(sorted(found, key=lambda pair: pair[1] == "down"))

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules: ``name``, ``query``, ``health``, ``lastError``."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that are pending or firing: ``labels``, ``annotations``, ``state``."""
        return list(self.get("alerts")["alerts"])


@contextlib.contextmanager
def prometheus(folder: Path, config: Path, port: int = 0) -> Generator[Prometheus]:
    """Run Prometheus with the file *config*; its data and log lie in *folder*."""
    port = port or free_port()
    with process(
        folder,
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--rules.alert.resend-delay=1s",  # not a minute, where Alertmanager was not known yet
    ) as log:
        found = Prometheus(f"http://127.0.0.1:{port}", log)
        until(lambda: is_ready(found.url), timeout_s=60, what=f"Prometheus: {log.read_text()}")
        yield found


def is_ready(url: str) -> bool:
    """Tell whether a Prometheus or an Alertmanager works."""
    with contextlib.suppress(httpx2.TransportError):
        return httpx2.get(f"{url}/-/ready", verify=False).status_code == 200
    return False


@contextlib.contextmanager
def node_exporter(folder: Path) -> Generator[int]:
    """Run the exporter of the machine's own numbers; yield its port."""
    port = free_port()
    with process(folder, "prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{port}"):
        yield port


def configured(frontier: Frontier, *, port: int, exporter: int, **settings: str) -> Path:
    """Return the configuration that `frontier stack monitoring` writes: a scrape every second."""
    frontier.env |= {
        "PROMETHEUS_SCRAPE_INTERVAL": "1s",
        "PROMETHEUS_PORT": str(port),
        "NODE_EXPORTER_PORT": str(exporter),
        **settings,
    }
    written = frontier.json("stack", "monitoring")
    return Path(written["folder"]) / "prometheus" / "prometheus.yml"


@contextlib.contextmanager
def monitored(frontier: Frontier, folder: Path, **settings: str) -> Generator[Prometheus]:
    """Yield a Prometheus that scrapes the native stack of *frontier* and its machine every second.

    It runs with the configuration that `frontier stack monitoring` writes for the stack, which
    must be up, and *settings*. What Prometheus and the exporter write lies in *folder*. All
    targets answer when it is yielded.
    """
    with node_exporter(folder) as exporter:
        port = free_port()
        config = configured(frontier, port=port, exporter=exporter, **settings)
        with prometheus(folder, config, port) as server:
            jobs = {"frontier-gateway", "frontier-engine", "frontier-machine"}
            until(
                lambda: all(server.targets().get(job) == "up" for job in jobs),
                timeout_s=30,
                what=f"targets: {server.targets()}",
            )
            yield server
