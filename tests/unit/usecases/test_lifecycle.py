import pytest

from fakes import FakeProjectFile, FakeReporter, FakeRuntime, FakeSnapshots, project
from frontier.domain.errors import NotFoundError, NotRunningError, RuntimeFailedError
from frontier.domain.snapshot import Snapshot
from frontier.usecases import lifecycle
from frontier.usecases.snapshots import rollback


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


def declared(runtime: FakeRuntime) -> FakeProjectFile:
    return FakeProjectFile(runtime, project())


def test_stop_keeps_the_project_and_down_forgets_it(runtime: FakeRuntime) -> None:
    file = declared(runtime)
    runtime.running = project()

    stopped = lifecycle.stop(runtime=runtime, project=file, reporter=FakeReporter())
    assert stopped == lifecycle.Stopped(was_running=True, forgotten=False)
    assert file.load() == project()

    lifecycle.stop(runtime=runtime, project=file, reporter=FakeReporter(), forget=True)
    assert file.load() is None


def start(runtime: FakeRuntime, file: FakeProjectFile) -> lifecycle.Started:
    return lifecycle.start(
        runtime=runtime,
        project=file,
        free_ports=lambda listening, ours: checked.append((listening.ports, ours)),
        reporter=FakeReporter(),
    )


checked: list[object] = []


def test_start_starts_what_was_brought_up(runtime: FakeRuntime) -> None:
    started = start(runtime, declared(runtime))

    assert started.services == ("llamacpp", "gateway")
    assert runtime.running == project()


def test_start_of_what_runs_changes_nothing(runtime: FakeRuntime) -> None:
    runtime.running = project()

    started = start(runtime, declared(runtime))

    assert started.was_running
    assert runtime.calls == []


def test_start_before_the_first_up_names_it(runtime: FakeRuntime) -> None:
    with pytest.raises(NotFoundError) as caught:
        start(runtime, FakeProjectFile(runtime))

    assert "frontier up" in caught.value.hint


def test_restart_restarts_the_named_service_or_all(runtime: FakeRuntime) -> None:
    runtime.running = project()
    file = declared(runtime)

    lifecycle.restart(("gateway",), runtime=runtime, project=file, reporter=FakeReporter())
    lifecycle.restart((), runtime=runtime, project=file, reporter=FakeReporter())

    assert runtime.calls == ["restart gateway", "restart llamacpp", "restart gateway"]


def test_restart_of_an_unknown_service_names_the_known_ones(runtime: FakeRuntime) -> None:
    runtime.running = project()

    with pytest.raises(NotFoundError) as caught:
        lifecycle.restart(
            ("nginx",), runtime=runtime, project=declared(runtime), reporter=FakeReporter()
        )

    assert caught.value.hint == "Known: llamacpp, gateway."


def test_restart_of_a_stopped_stack_says_so(runtime: FakeRuntime) -> None:
    with pytest.raises(NotRunningError):
        lifecycle.restart((), runtime=runtime, project=declared(runtime), reporter=FakeReporter())


def status(runtime: FakeRuntime) -> lifecycle.Status:
    return lifecycle.status(
        "/ws",
        runtime=runtime,
        project=declared(runtime),
        memory=lambda pid: pid * 10,
        now=lambda: 100.0,
    )


def test_status_tells_what_runs_since_when_and_with_how_much_memory(runtime: FakeRuntime) -> None:
    runtime.running = project()

    seen = status(runtime)

    assert (seen.state, seen.models, seen.urls) == (
        "running",
        ("m:1",),
        ("http://127.0.0.1:11434",),
    )
    assert [(s.uptime_s, s.memory_bytes) for s in seen.services] == [(10.0, 70), (10.0, 70)]


def test_status_of_a_service_in_trouble_is_degraded(runtime: FakeRuntime) -> None:
    runtime.running = project()
    runtime.phase = "backoff"

    assert status(runtime).state == "degraded"


def test_status_of_nothing_is_stopped(runtime: FakeRuntime) -> None:
    assert status(runtime) == lifecycle.Status(workspace="/ws", state="stopped")


def test_status_of_a_killed_daemon_is_died(runtime: FakeRuntime) -> None:
    runtime.is_dead = True

    assert status(runtime).state == "died"


def test_the_running_project_is_known_only_while_something_runs(runtime: FakeRuntime) -> None:
    assert lifecycle.running(runtime, declared(runtime)) is None

    runtime.running = project("m:9")

    assert lifecycle.running(runtime, declared(runtime)) == project("m:9")


def test_plans_name_their_steps(runtime: FakeRuntime) -> None:
    assert lifecycle.plan_stop(runtime=runtime).steps == ()
    assert lifecycle.plan_start(runtime=runtime, project=declared(runtime)).steps == (
        "start llamacpp: not running",
        "start gateway: not running",
    )

    runtime.running = project()

    assert lifecycle.plan_stop(runtime=runtime).steps == ("stop llamacpp", "stop gateway")
    assert lifecycle.plan_start(runtime=runtime, project=declared(runtime)).steps == ()


def test_a_rollback_restores_the_newest_and_saves_the_present_first(runtime: FakeRuntime) -> None:
    snapshots = FakeSnapshots()
    snapshots.take("config set")

    result = rollback(
        None, snapshots=snapshots, project=declared(runtime), runtime=runtime,
        reporter=FakeReporter(),
    )  # fmt: skip

    assert snapshots.restored == ["0-config set"]
    assert [s.before for s in snapshots.taken] == ["config set", "rollback"]
    assert not result.restarted


def test_a_rollback_passes_over_snapshots_of_the_same_configuration_and_over_rollbacks(
    runtime: FakeRuntime,
) -> None:
    snapshots = FakeSnapshots()
    for before in ("config set", "rollback", "up"):
        snapshots.take(before)
    snapshots.same = {"up"}

    result = rollback(
        None, snapshots=snapshots, project=declared(runtime), runtime=runtime,
        reporter=FakeReporter(),
    )  # fmt: skip

    assert result.snapshot.before == "config set"
    assert result.changes == (".env",)


def test_a_restored_project_that_does_not_start_gives_way_to_what_ran(
    runtime: FakeRuntime,
) -> None:
    class Restoring(FakeSnapshots):
        def restore(self, snapshot: Snapshot) -> None:
            super().restore(snapshot)
            runtime.running = project("m:2" if snapshot.id == "0-up" else "m:1")

    snapshots = Restoring()
    snapshots.take("up")
    runtime.running = project("m:1")
    runtime.failing = {"m:2"}

    with pytest.raises(RuntimeFailedError):
        rollback(
            None, snapshots=snapshots, project=declared(runtime), runtime=runtime,
            reporter=FakeReporter(),
        )  # fmt: skip

    assert snapshots.restored == ["0-up", "1-rollback"]
    assert runtime.running == project("m:1")


def test_what_runs_follows_the_restored_project(runtime: FakeRuntime) -> None:
    snapshots = FakeSnapshots()
    taken = snapshots.take("up")
    runtime.running = project("old")

    rollback(
        taken.id, snapshots=snapshots, project=declared(runtime), runtime=runtime,
        reporter=FakeReporter(),
    )  # fmt: skip

    assert runtime.calls == ["apply old"]


def test_what_runs_stops_when_the_restored_workspace_has_no_project(runtime: FakeRuntime) -> None:
    class NoProject(FakeProjectFile):
        def load(self) -> None:
            return None

    snapshots = FakeSnapshots()
    snapshots.take("up")
    runtime.running = project()

    rollback(
        None, snapshots=snapshots, project=NoProject(runtime), runtime=runtime,
        reporter=FakeReporter(),
    )  # fmt: skip

    assert runtime.calls == ["stop"]


def test_a_dry_rollback_changes_nothing(runtime: FakeRuntime) -> None:
    snapshots = FakeSnapshots()
    snapshots.take("up")

    result = rollback(
        None, snapshots=snapshots, project=declared(runtime), runtime=runtime,
        reporter=FakeReporter(), dry_run=True,
    )  # fmt: skip

    assert not result.applied
    assert (snapshots.restored, len(snapshots.taken)) == ([], 1)


def test_a_rollback_without_a_snapshot_says_so(runtime: FakeRuntime) -> None:
    with pytest.raises(NotFoundError, match="no earlier configuration"):
        rollback(
            None, snapshots=FakeSnapshots(), project=declared(runtime), runtime=runtime,
            reporter=FakeReporter(),
        )  # fmt: skip
