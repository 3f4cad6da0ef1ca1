"""What `frontier top` shows of what was read."""

from dataclasses import replace
from typing import Any

import pytest

from frontier.domain.containers import Containers, labelled
from frontier.domain.top import Traffic
from frontier.domain.top_reading import GatewayRead, MachineRead, Reading, RunningRead, Usage
from frontier.domain.top_view import view
from top_views import GIB, PROJECT, daemon, exposition, gateway, reading


def shown(now: Reading, last: Reading | None = None, before: GatewayRead | None = None) -> Any:
    return view(now, before=before, last=last)


def running(**fields: Any) -> RunningRead:
    return RunningRead(daemon=daemon(**fields), has_died=False, project=PROJECT)


def test_a_stack_that_runs_is_shown_with_its_engine_and_its_process() -> None:
    seen = shown(reading(10), last=reading(0))

    assert (seen.state, seen.stack, seen.url) == ("running", "llamacpp", "http://127.0.0.1:11434")
    (engine,) = seen.engines
    assert (engine.pid, engine.backend, engine.breaker, engine.busy) == (7, "llamacpp", "closed", 2)
    assert (engine.memory_bytes, engine.cpu_percent, engine.uptime_s) == (GIB, 50, 1005)
    assert (seen.machine.cpu_percent, seen.version) == (50, "1.2")


def test_the_first_look_knows_no_rates_of_processes() -> None:
    seen = shown(reading(10))

    assert (seen.engines[0].cpu_percent, seen.machine.cpu_percent) == (None, None)
    assert seen.window_s is None


def test_a_process_whose_children_ended_never_has_negative_processor_time() -> None:
    before = reading(0, usage={7: Usage(cpu_s=900.0, memory_bytes=GIB)})

    assert shown(reading(10), last=before).engines[0].cpu_percent == 0


def test_processors_that_were_counted_back_are_idle() -> None:
    back = MachineRead(
        cpus=2, cpu_busy_s=-5, cpu_total_s=10, memory_used_bytes=0, memory_total_bytes=0
    )

    assert shown(reading(9, machine=back), last=reading(0)).machine.cpu_percent == 0


def test_what_cannot_be_read_of_a_process_is_unknown() -> None:
    seen = shown(reading(10, usage={}), last=reading(0))

    assert (seen.engines[0].memory_bytes, seen.engines[0].cpu_percent) == (None, None)


def test_a_gateway_that_gives_no_answer_shows_no_traffic_and_for_how_long() -> None:
    old = gateway(exposition(codes={"200": 9}), at_s=3.0)

    seen = shown(reading(10, gateway=old, problem="no answer"), before=gateway(exposition()))

    assert (seen.problem, seen.silent_s, seen.window_s) == ("no answer", 7, None)
    assert seen.traffic == Traffic()
    assert [(m.requests, m.traffic) for m in seen.models] == [(9, Traffic())]
    assert seen.engines[0].breaker == "closed"


@pytest.mark.parametrize(
    ("is_there", "has_died", "state"), [(False, False, "stopped"), (False, True, "died")]
)
def test_nothing_that_runs_is_told_from_a_daemon_that_was_killed(
    is_there: bool, has_died: bool, state: str
) -> None:
    nothing = RunningRead(daemon=None, has_died=has_died, project=PROJECT)

    seen = shown(reading(running=nothing, gateway=None, usage={}))

    assert (seen.state, seen.engines, seen.models) == (state, (), ())


def test_a_service_that_is_not_ready_makes_it_degraded() -> None:
    seen = shown(reading(running=running(phase="backoff", pid=None, reason="exit code 1")))

    assert (seen.state, seen.engines[0].reason) == ("degraded", "exit code 1")
    assert seen.engines[0].uptime_s is None


def test_a_container_is_named_and_found_by_the_name_that_the_gateway_calls() -> None:
    inside = labelled(Containers(document={"name": "proj", "services": {"llamacpp": {}}}))
    project = replace(PROJECT, services=(), containers=inside)
    read = gateway(exposition())
    backend = replace(read.routes[0].backends[0], url="http://llamacpp:8080")
    read = replace(read, routes=(replace(read.routes[0], backends=(backend,)),))
    runs = RunningRead(daemon=daemon(port=None), has_died=False, project=project)

    (engine,) = shown(reading(running=runs, gateway=read)).engines

    assert (engine.place, engine.container) == ("container", "proj-llamacpp-1")
    assert (engine.backend, engine.busy) == ("llamacpp", 2)


def test_an_engine_elsewhere_is_shown_even_where_its_port_is_one_of_ours() -> None:
    read = gateway(exposition(more='frontier_backend_up{backend="far"} 0'))
    far = replace(read.routes[0].backends[0], name="far", url="http://10.0.0.9:39000")
    read = replace(read, routes=(*read.routes, replace(read.routes[0], backends=(far,))))

    own, other = shown(reading(gateway=read)).engines

    assert (own.name, own.place) == ("llamacpp", "process")
    assert (other.name, other.place, other.phase) == ("far", "elsewhere", "down")


@pytest.mark.parametrize(
    ("expected", "in_use", "told"), [(1, 1, "used"), (1, 0, "missing"), (0, 0, "")]
)
def test_a_gpu_that_was_expected_and_is_not_used_is_missing(
    expected: int, in_use: int, told: str
) -> None:
    more = (
        f'frontier_engine_gpu_expected{{backend="llamacpp"}} {expected}\n'
        f'frontier_engine_gpu_in_use{{backend="llamacpp"}} {in_use}\n'
    )

    assert shown(reading(gateway=gateway(exposition(more=more)))).engines[0].gpu == told


def test_a_gpu_is_not_missing_where_nobody_knows_what_computes() -> None:
    more = 'frontier_engine_gpu_expected{backend="llamacpp"} 1\n'

    assert not shown(reading(gateway=gateway(exposition(more=more)))).engines[0].gpu


def test_the_worst_breaker_of_an_engine_is_shown() -> None:
    read = gateway(exposition(), breaker="open")
    shut = gateway(exposition()).routes[0]

    seen = shown(reading(gateway=replace(read, routes=(shut, *read.routes))))

    assert seen.engines[0].breaker == "open"


def test_a_model_that_has_its_engine_for_itself_takes_what_the_engine_takes() -> None:
    assert shown(reading()).models[0].memory_bytes == GIB


def test_of_two_models_in_one_engine_the_memory_of_each_is_unknown() -> None:
    read = gateway(exposition())
    read = replace(read, routes=(*read.routes, replace(read.routes[0], model="another")))

    assert [m.memory_bytes for m in shown(reading(gateway=read)).models] == [None, None]
