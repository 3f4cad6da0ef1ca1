"""What a restore leaves is what containers can use: Prometheus writes to what came back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stack_workspace import Stacked, stacked

MONITORED = {"ENABLE_MONITORING": "true"}


@pytest.fixture
def monitored(docker_images: dict[str, str], smollm2: Path, tmp_path: Path) -> Iterator[Stacked]:
    with stacked(tmp_path / "one", docker_images, smollm2, **MONITORED) as it:
        it.cli.ok("start")
        yield it


def test_prometheus_starts_on_what_was_restored_here_and_in_another_workspace(
    monitored: Stacked, docker_images: dict[str, str], smollm2: Path, tmp_path: Path
) -> None:
    made = monitored.cli.json("backup", "create")
    assert made["volumes"] == ["data/prometheus"]

    assert monitored.cli.json("backup", "restore", made["path"], "--yes")["restarted"]
    monitored.cli.ok("stop")
    monitored.cli.ok("backup", "restore", made["path"], "--yes")
    assert monitored.cli.json("start")["answer"]["completion_tokens"] > 0
    assert "prometheus" in monitored.containers
    monitored.cli.ok("stop")

    with stacked(tmp_path / "other", docker_images, smollm2, **MONITORED) as other:
        other.cli.ok("backup", "restore", made["path"])
        assert other.cli.json("start")["answer"]["completion_tokens"] > 0
        assert "prometheus" in other.containers
