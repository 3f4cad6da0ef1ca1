"""What `frontier top` says where the one that knows what runs does not answer."""

import threading
from pathlib import Path

import pytest

from frontier.adapters import watch as module
from frontier.adapters.failures import Failures
from frontier.adapters.watch import Watch
from frontier.domain.top_reading import RunningRead


def test_a_docker_that_hangs_is_told_long_before_it_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DOCKER_LATE_S", 0.05)
    hang = threading.Event()

    def running() -> RunningRead:
        hang.wait(30)
        return RunningRead(daemon=None, has_died=False, project=None)

    watch = Watch(
        tmp_path,
        running=running,
        key=lambda _: "",
        failures=Failures(lambda: iter(())),
        root=tmp_path,
    )

    silent = watch.read(patience_s=0.1)
    hang.set()
    answered = watch.read(patience_s=10)

    assert silent.problem == "nobody tells for 0 s what runs: does Docker hang?"
    assert answered.problem == ""
