import contextlib
from dataclasses import replace

import pytest

from fakes import (
    FakeGateway,
    FakeJournal,
    FakeProjectFile,
    FakeReporter,
    FakeRuntime,
    FakeSnapshots,
    containers,
    project,
)
from frontier.domain.containers import Containers, labelled
from frontier.domain.errors import NotFoundError, NotRunningError, RuntimeFailedError
from frontier.domain.offload import Compute
from frontier.usecases import lifecycle
from frontier.usecases.change import Change


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


def declared(runtime: FakeRuntime) -> FakeProjectFile:
    return FakeProjectFile(runtime, project())


def test_stop_keeps_the_project_and_down_forgets_it(runtime: FakeRuntime) -> None:
    file = declared(runtime)
    runtime.running = project()

    journal = FakeJournal()
    stopped = lifecycle.stop(
        runtime=runtime, project=file, journal=journal, reporter=FakeReporter()
    )
    assert stopped == lifecycle.Stopped(was_running=True, forgotten=False)
    assert file.load() == project()

    lifecycle.stop(
        runtime=runtime, project=file, journal=journal, reporter=FakeReporter(), forget=True
    )
    assert file.load() is None


@pytest.mark.parametrize("forget", [True, False])
def test_stop_clears_up_after_a_killed_command(runtime: FakeRuntime, forget: bool) -> None:
    journal = FakeJournal()
    journal.kill()

    lifecycle.stop(
        runtime=runtime,
        project=declared(runtime),
        journal=journal,
        reporter=FakeReporter(),
        forget=forget,
    )

    assert journal.interrupted() is None


def change(runtime: FakeRuntime) -> Change:
    return Change(
        command="restart",
        runtime=runtime,
        project=declared(runtime),
        snapshots=FakeSnapshots(),
        journal=FakeJournal(),
        gateway=lambda _: FakeGateway(runtime.calls),
        free_ports=lambda listening, ours: None,
        changing=lambda _: contextlib.nullcontext(),
        reporter=FakeReporter(),
    )


def test_restart_restarts_the_named_service_or_all(runtime: FakeRuntime) -> None:
    runtime.running = project()

    lifecycle.restart(("gateway",), change=change(runtime))
    lifecycle.restart((), change=change(runtime))

    assert runtime.calls == ["restart gateway", "restart llamacpp", "restart gateway"]


def test_requests_wait_while_an_engine_restarts_behind_its_gateway(runtime: FakeRuntime) -> None:
    runtime.running = containers()

    lifecycle.restart(("llamacpp",), change=change(runtime))

    assert runtime.calls == [
        "routes m:1 held",
        "loaded",
        "drain llamacpp",
        "restart llamacpp",
        "routes m:1",
        "loaded",
    ]


def test_requests_are_let_go_where_the_engine_does_not_come_back(runtime: FakeRuntime) -> None:
    runtime.running = containers()
    runtime.failing = {"m:1"}

    with pytest.raises(RuntimeFailedError):
        lifecycle.restart(("llamacpp",), change=change(runtime))

    assert runtime.calls[-2:] == ["routes m:1", "loaded"]


def test_restart_of_an_unknown_service_names_the_known_ones(runtime: FakeRuntime) -> None:
    runtime.running = project()

    with pytest.raises(NotFoundError) as caught:
        lifecycle.restart(("nginx",), change=change(runtime))

    assert caught.value.hint == "Known: llamacpp, gateway."


def test_restart_of_a_stopped_stack_says_so(runtime: FakeRuntime) -> None:
    with pytest.raises(NotRunningError):
        lifecycle.restart((), change=change(runtime))


def status(runtime: FakeRuntime) -> lifecycle.Status:
    return lifecycle.status(
        "/ws",
        runtime=runtime,
        project=declared(runtime),
        memory=lambda pid: pid * 10,
        now=lambda: 100.0,
        compute=lambda service, backend: Compute(
            device="CPU", source="log", evidence=f"{backend} {service.name}"
        ),
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


def test_status_tells_where_engines_compute_and_nothing_of_the_gateway(
    runtime: FakeRuntime,
) -> None:
    runtime.running = project()

    engine, gateway = status(runtime).services

    assert engine.compute == Compute(device="CPU", source="log", evidence="llamacpp llamacpp")
    assert gateway.compute is None


def test_status_of_a_service_in_trouble_is_degraded(runtime: FakeRuntime) -> None:
    runtime.running = project()
    runtime.phase = "backoff"

    seen = status(runtime)

    assert seen.state == "degraded"
    assert seen.missing == ("llamacpp", "gateway")


def test_status_tells_ports_and_pages_of_containers(runtime: FakeRuntime) -> None:
    gateway = {"image": "g:1", "ports": ["127.0.0.1:11434:8080", "127.0.0.1:8000:8080"]}
    pages = {
        "prometheus": {"image": "p:1", "ports": ["0.0.0.0:9090:9090"]},
        "grafana": {"image": "f:1", "ports": ["[::1]:3000:3000"]},
    }
    document = {"name": "frontier", "services": {"gateway": gateway, **pages}}
    runtime.running = replace(
        containers(), containers=labelled(Containers(document=document)), routes=()
    )

    seen = status(runtime)

    assert {s.name: s.port for s in seen.services} == {
        "gateway": 11434, "prometheus": 9090, "grafana": 3000,
    }  # fmt: skip
    assert seen.pages == {"prometheus": "http://127.0.0.1:9090", "grafana": "http://[::1]:3000"}


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

    runtime.running = project()

    steps = lifecycle.plan_stop(runtime=runtime).steps
    assert [str(step) for step in steps] == ["stop llamacpp: asked for", "stop gateway: asked for"]
