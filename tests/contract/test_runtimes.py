"""What both runtimes promise, on real processes and on real containers."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from docker_harness import Docked
from frontier.domain.errors import NotRunningError, RuntimeFailedError
from frontier.domain.project import Project
from frontier.domain.state import DaemonState
from frontier.ports import Runtime
from native_harness import Native, Silent, declare, native_workspace, tiny
from waiting import until

FAILING = "import sys; print('boom'); sys.exit(3)"


class Bench:
    """One runtime, and projects of the services ``engine`` and ``front`` for it.

    Attributes:
        working: Returns a service of that name; another *version* is another configuration.
        failing: Returns a service that says ``boom`` and ends with exit code 3.
    """

    def __init__(
        self,
        runtime: Runtime,
        working: Callable[[str, str], Any],
        failing: Callable[[str], Any],
        declare: Callable[[dict[str, Any]], Project],
    ) -> None:
        self.runtime, self._declare = runtime, declare
        self._working, self._failing = working, failing

    def project(self, **versions: str) -> Project:
        """Return a project of services by version; version "fails" ends at once."""
        return self._declare(
            {
                name: self._failing(name) if version == "fails" else self._working(name, version)
                for name, version in versions.items()
            }
        )

    def up(self, **versions: str) -> DaemonState:
        project = self.project(**versions)
        self.runtime.apply(project)
        return self.runtime.wait_ready(project, Silent())

    def pids(self) -> dict[str, int | None]:
        state = self.runtime.state()
        return {service.name: service.pid for service in state.services} if state else {}


def native_bench(native: Native) -> Bench:
    return Bench(
        native.runtime,
        lambda name, version: tiny(name, env={"VERSION": version}),
        lambda name: replace(tiny(name), argv=(sys.executable, "-c", FAILING)),
        lambda services: declare(*services.values()),
    )


def docker_bench(docked: Docked) -> Bench:
    return Bench(
        docked.runtime,
        lambda name, version: docked.service(environment={"VERSION": version}),
        lambda name: docked.service("python3", "-c", FAILING, restart="unless-stopped"),
        lambda services: docked.declare(**services),
    )


@pytest.fixture(params=["native", "docker"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "native":
        with native_workspace(tmp_path / "w") as native:
            yield native_bench(native)
        return
    images = request.getfixturevalue("docker_images")
    project = request.getfixturevalue("compose_project")
    docked = Docked(tmp_path / "w", project, images["GATEWAY_BASE_IMAGE"])
    yield docker_bench(docked)
    docked.runtime.stop(Silent())


def test_before_anything_was_started_there_is_no_state_and_nothing_to_stop(bench: Bench) -> None:
    assert bench.runtime.state() is None
    assert bench.runtime.has_died() is False
    assert bench.runtime.stop(Silent()) is False


def test_ready_means_exactly_the_declared_services(bench: Bench) -> None:
    state = bench.up(engine="1", front="1")

    assert state.is_ready(bench.project(engine="1", front="1").digests)
    assert state.stack == bench.project(engine="1").stack
    for service in state.services:
        assert service.pid
        assert service.started_at
        assert service.was_ready
        assert (service.restarts, service.reason) == (0, "")


def test_applying_what_runs_starts_nothing_again(bench: Bench) -> None:
    bench.up(engine="1", front="1")
    before = bench.pids()

    bench.up(engine="1", front="1")

    assert bench.pids() == before


def test_only_a_changed_service_is_started_again(bench: Bench) -> None:
    bench.up(engine="1", front="1")
    before = bench.pids()

    bench.up(engine="2", front="1")

    assert bench.pids()["front"] == before["front"]
    assert bench.pids()["engine"] not in (None, before["engine"])


def test_a_dropped_service_is_stopped(bench: Bench) -> None:
    bench.up(engine="1", front="1")

    bench.up(front="1")

    until(lambda: bench.pids().keys() == {"front"})


def test_a_service_that_ends_is_told_by_name_with_its_last_words(bench: Bench) -> None:
    with pytest.raises(RuntimeFailedError, match=r"^engine did not start: .*exit code 3") as failed:
        bench.up(engine="fails", front="1")

    assert "boom" in failed.value.details
    assert failed.value.hint == "frontier logs engine"


def test_a_restart_starts_that_service_alone(bench: Bench) -> None:
    bench.up(engine="1", front="1")
    before = bench.pids()

    bench.runtime.restart("engine")

    until(lambda: bench.pids().get("engine") not in (None, before["engine"]))
    assert bench.pids()["front"] == before["front"]


def test_what_does_not_run_cannot_be_restarted(bench: Bench) -> None:
    with pytest.raises(NotRunningError, match="engine is not running"):
        bench.runtime.restart("engine")


def test_stopping_leaves_nothing_and_can_be_said_twice(bench: Bench) -> None:
    bench.up(engine="1")

    assert bench.runtime.stop(Silent()) is True
    assert bench.runtime.state() is None
    assert bench.runtime.has_died() is False
    assert bench.runtime.stop(Silent()) is False
