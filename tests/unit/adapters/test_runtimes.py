from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import FakeReporter, FakeRuntime, containers, project
from frontier.adapters.runtimes import Runtimes
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import RuntimeFailedError
from frontier.domain.project import Project
from frontier.domain.state import DaemonState
from frontier.ports import Reporter


class FakeHost(FakeRuntime):
    """Runs the part on the host."""

    def apply(self, project: Project) -> None:
        super().apply(project.on_host)


class FakeContainers(FakeRuntime):
    """Writes the Compose file, as the Docker runtime does."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file
        self.asked = 0

    def state(self) -> DaemonState | None:
        self.asked += 1
        return super().state()

    def apply(self, project: Project) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.touch()
        super().apply(replace(project, services=()))

    def stop(self, reporter: Reporter) -> bool:
        self.file.unlink(missing_ok=True)
        return super().stop(reporter)

    def missing_images(self, project: Project) -> tuple[str, ...]:
        return ()

    def pull(self, project: Project, reporter: Reporter) -> None:
        self.calls.append("pull")

    def start_only(self, project: Project, services: Collection[str], reporter: Reporter) -> None:
        self.calls.append(f"beside {' '.join(services)}")

    def remove(self, services: Collection[str]) -> None:
        self.calls.append(f"remove {' '.join(services)}")


@pytest.fixture
def host() -> FakeRuntime:
    return FakeHost()


@pytest.fixture
def docker(tmp_path: Path) -> FakeContainers:
    return FakeContainers(Workspace(tmp_path).compose_file)


@pytest.fixture
def both(host: FakeRuntime, docker: FakeContainers, tmp_path: Path) -> Runtimes:
    return Runtimes(host, lambda: docker, workspace=Workspace(tmp_path))


def hybrid() -> Project:
    """An engine on the host behind containers."""
    engine = project().services[0]
    return replace(containers("webui"), services=(engine,))


def test_docker_is_not_asked_where_nothing_was_ever_given_to_it(
    both: Runtimes, docker: FakeContainers
) -> None:
    both.apply(project())
    state = both.wait_ready(project(), FakeReporter())

    assert state.digests == project().digests
    assert not both.has_died()
    assert docker.asked == 0


def test_a_folder_of_that_name_from_an_older_version_has_no_containers(
    both: Runtimes, docker: FakeContainers, tmp_path: Path
) -> None:
    Workspace(tmp_path).project_folder.mkdir(parents=True)

    assert both.state() is None
    assert docker.asked == 0


def test_containers_that_a_killed_start_left_are_found_and_stopped(
    both: Runtimes, docker: FakeContainers
) -> None:
    docker.apply(containers())  # the command was killed before it declared anything

    assert both.state() is not None
    assert both.stop(FakeReporter())
    assert docker.running is None


def test_containers_take_the_place_of_host_processes_that_stop_first(
    both: Runtimes, host: FakeRuntime, docker: FakeContainers
) -> None:
    both.apply(project())
    both.apply(containers())

    assert host.calls == ["apply m:1", "stop"]
    assert both.wait_ready(containers(), FakeReporter()).digests == containers().digests


def test_host_processes_take_the_place_of_containers(
    both: Runtimes, docker: FakeContainers
) -> None:
    both.apply(containers())
    both.apply(project())

    assert docker.calls == ["apply m:1", "stop"]
    assert both.wait_ready(project(), FakeReporter()).digests == project().digests


def test_an_engine_on_the_host_behind_containers_is_one_project(both: Runtimes) -> None:
    both.apply(hybrid())

    state = both.wait_ready(hybrid(), FakeReporter())

    assert state.is_ready(hybrid().digests)


def test_stopping_ends_both(both: Runtimes, host: FakeRuntime, docker: FakeContainers) -> None:
    both.apply(hybrid())

    assert both.stop(FakeReporter())
    assert both.state() is None
    assert not both.stop(FakeReporter())


def test_a_service_is_restarted_where_it_runs(
    both: Runtimes, host: FakeRuntime, docker: FakeContainers
) -> None:
    both.apply(hybrid())

    both.restart("llamacpp")
    both.restart("webui")

    assert host.calls[-1] == "restart llamacpp"
    assert docker.calls[-1] == "restart webui"


def test_an_engine_that_does_not_get_ready_beside_is_removed(
    both: Runtimes, docker: FakeContainers
) -> None:
    docker.failing = {"m:2"}

    with pytest.raises(RuntimeFailedError):
        both.start_beside(containers("mistral", "m:2"), ["mistral"], FakeReporter())

    assert docker.calls == ["beside mistral", "remove mistral"]


def test_live_files_are_the_containers(both: Runtimes, docker: FakeContainers) -> None:
    both.write_live(containers())

    assert docker.calls == ["routes m:1"]


def test_a_death_of_either_is_told(
    both: Runtimes, host: FakeRuntime, docker: FakeContainers
) -> None:
    both.apply(containers())
    docker.is_dead = True

    assert both.has_died()
