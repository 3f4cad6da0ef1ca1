"""The reference of metrics says what the gateway exposes, and Prometheus likes how."""

import re
import subprocess
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

import prometheus_real
from frontier.gateway.families import FAMILIES
from gateway_process import GatewayProcess, get

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
ROUTES = "version: 1\nmodels: [{name: m, backend: ollama, backend_url: 'http://127.0.0.1:9'}]\n"


def _rows() -> list[list[str]]:
    lines = PAGE.read_text().splitlines()
    cells = (line.split("|")[1:-1] for line in lines if line.startswith("| `"))
    return [[cell.strip() for cell in row] for row in cells]


def test_the_reference_has_every_metric_with_its_type_and_labels() -> None:
    told = {
        name.strip("`"): (kind, tuple(filter(None, labels.split(", "))))
        for name, kind, labels, _ in (row for row in _rows() if len(row) == 4)
    }

    assert told == {name: (f.kind, f.labels) for name, f in FAMILIES.items()}


def test_the_reference_has_the_boundaries_of_every_histogram() -> None:
    told = {
        name: tuple(map(float, bounds.split(", ")))
        for names, bounds in (row for row in _rows() if len(row) == 2)
        for name in re.findall(r"`(\w+)`", names)
    }

    assert told == {name: f.bounds for name, f in FAMILIES.items() if f.kind == "histogram"}


def test_a_scrape_has_every_family_and_promtool_finds_nothing_wrong(tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    routes.write_text(ROUTES)
    with GatewayProcess("--config", routes) as gateway:
        text = get(gateway.port, "/metrics").body

    checked = subprocess.run(
        prometheus_real.argv("promtool", "check", "metrics"),
        input=text,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stderr, checked.stdout) == (0, b"", b"")
    assert sorted(re.findall(r"^# TYPE (\w+)", text.decode(), re.MULTILINE)) == sorted(FAMILIES)
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            known = FAMILIES.get(sample.name) or FAMILIES[family.name]
            assert tuple(n for n in sample.labels if n != "le") == known.labels
