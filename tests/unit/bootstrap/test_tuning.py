"""What `frontier bench tune` refuses to begin with."""

from pathlib import Path

import pytest

from frontier.bootstrap import Services
from frontier.bootstrap.tuning import Aim, EngineTuning
from frontier.cli.bench_live import Silent
from frontier.domain.docker import DockerFacts
from frontier.domain.errors import RefusedError

AIM = Aim(
    goal="latency",
    concurrency=1,
    prompt_tokens=16,
    output_tokens=2,
    budget_s=60.0,
    requests=1,
    lossy=False,
)


def test_an_engine_that_would_run_in_docker_is_refused_with_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNTIME", "docker")
    services = Services(chosen=tmp_path)
    services.placing.check = lambda: DockerFacts(
        engine="28.2.2", api="1.50", compose="2.40.0", memory_bytes=8 << 30, cpus=2, arch="x86_64"
    )

    with pytest.raises(RefusedError, match="this one would run in Docker") as caught:
        EngineTuning(services, AIM, Silent())

    assert caught.value.exit_code == 5
    assert "RUNTIME=native" in caught.value.hint
