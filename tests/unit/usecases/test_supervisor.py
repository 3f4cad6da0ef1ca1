import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from frontier.domain.errors import ConfigError, FrontierError
from native_fakes import World, engine, gateway, now, project
from virtual_time import run


def test_the_gateway_starts_once_the_engines_port_is_known_while_the_engine_loads() -> None:
    async def scenario() -> None:
        async with World(project(gateway(), engine())) as world:
            world.probe.sick[5001] = "loading"

            await world.until("gateway", "ready")

            assert world.state("llamacpp").phase == "starting"
            assert '"backend_url": "http://127.0.0.1:5001"' in world.board.routes[-1]

    run(scenario())


def test_routes_are_published_before_the_service_that_needs_them_starts() -> None:
    async def scenario() -> None:
        async with World(project(gateway(), engine())) as world:
            await world.until("gateway", "ready")

            assert world.events == [
                "no routes",
                "start llamacpp",
                "routes to 5001",
                "start gateway",
            ]

    run(scenario())


def test_ready_means_healthy_and_one_token() -> None:
    async def scenario() -> None:
        async with World(project(engine())) as world:
            world.probe.sick[5001] = "503"
            world.probe.mute["tiny"] = "no slot"
            await asyncio.sleep(5)
            assert (world.state("llamacpp").phase, world.probe.tokens) == ("starting", [])

            del world.probe.sick[5001]
            await asyncio.sleep(5)
            assert world.state("llamacpp").phase == "starting"
            assert world.probe.tokens

            del world.probe.mute["tiny"]
            state = await world.until("llamacpp", "ready")
            assert (state.was_ready, state.pid, state.port) == (True, 1000, 5001)

    run(scenario())


def test_a_crash_loop_backs_off_from_half_a_second_to_thirty() -> None:
    async def scenario() -> list[float]:
        async with World(project(engine())) as world:
            world.processes.dying["llamacpp"] = 1
            await asyncio.sleep(200)
            return [process.started_at for process in world.processes.started]

    starts = run(scenario())

    pauses = [round(b - a, 1) for a, b in pairwise(starts)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30]


def test_a_death_before_ready_is_a_failure_with_code_and_last_words() -> None:
    async def scenario() -> None:
        async with World(project(engine())) as world:
            world.processes.dying["llamacpp"] = 3
            world.probe.sick[5001] = "connection refused"

            state = await world.until("llamacpp", "backoff")

            assert state.has_failed
            assert state.reason == "exit code 3: last words"
            assert state.details == "first line\nlast words"
            assert state.pid is None

    run(scenario())


def test_every_start_gets_a_port_of_its_own_and_the_routes_follow() -> None:
    async def scenario() -> None:
        async with World(project(engine())) as world:
            await world.until("llamacpp", "ready")
            world.processes.started[0].die(139)
            await world.until("llamacpp", "backoff")
            await world.until("llamacpp", "ready")

            assert [process.port for process in world.processes.started] == [5001, 5002]
            assert "5002" in world.board.routes[-1]

    run(scenario())


def test_a_crash_of_the_engine_leaves_the_gateway_alone() -> None:
    async def scenario() -> None:
        async with World(project(engine(), gateway())) as world:
            await world.until("gateway", "ready")
            await world.until("llamacpp", "ready")

            for _ in range(3):
                world.processes.of("llamacpp")[-1].die(137)
                state = await world.until("llamacpp", "backoff")
                assert state.reason == "killed by SIGKILL"
                assert not state.has_failed
                await world.until("llamacpp", "ready")

            assert len(world.processes.of("gateway")) == 1
            assert world.state("gateway").phase == "ready"

    run(scenario())


def test_deaths_are_forgotten_after_a_stable_minute() -> None:
    async def scenario() -> None:
        async with World(project(engine())) as world:
            for deaths in (1, 2, 3):
                await world.until("llamacpp", "ready")
                world.processes.started[-1].die(1)
                assert (await world.until("llamacpp", "backoff")).restarts == deaths
            await world.until("llamacpp", "ready")
            assert world.state("llamacpp").reason == "exit code 1"
            await asyncio.sleep(66)
            assert (world.state("llamacpp").restarts, world.state("llamacpp").reason) == (0, "")

            world.processes.started[-1].die(1)

            assert (await world.until("llamacpp", "backoff")).restarts == 1

    run(scenario())


def test_three_silent_health_checks_in_a_row_restart_a_hung_service() -> None:
    async def scenario() -> None:
        async with World(project(engine())) as world:
            await world.until("llamacpp", "ready")
            world.probe.sick[5001] = "GET /health gave no answer within 3 s"

            state = await world.until("llamacpp", "backoff")

            assert state.reason == (
                "hung: 3 health checks failed in a row, the last: "
                "GET /health gave no answer within 3 s"
            )
            assert world.processes.living() == []
            assert (await world.until("llamacpp", "ready")).port == 5002

    run(scenario())


def test_two_silent_health_checks_are_forgiven() -> None:
    async def scenario() -> None:
        async with World(project(engine())) as world:
            await world.until("llamacpp", "ready")
            for _ in range(5):
                asked = world.probe.asked[5001]
                world.probe.sick[5001] = "busy"
                while world.probe.asked[5001] < asked + 2:
                    await asyncio.sleep(0.1)
                del world.probe.sick[5001]
                while world.probe.asked[5001] < asked + 3:
                    await asyncio.sleep(0.1)

            assert len(world.processes.started) == 1

    run(scenario())


def test_a_service_that_does_not_get_ready_in_time_is_stopped_and_says_what_was_missing() -> None:
    async def scenario() -> None:
        async with World(project(engine(start_timeout_s=20.0))) as world:
            world.probe.sick[5001] = "GET /health answered 503"

            state = await world.until("llamacpp", "backoff")

            assert state.reason == "not ready within 20 s: GET /health answered 503"
            assert state.has_failed
            assert world.processes.started[0].ended_at == pytest.approx(20.0, abs=0.1)

    run(scenario())


def test_a_token_that_never_comes_is_a_failed_start() -> None:
    async def scenario() -> None:
        async with World(project(engine(start_timeout_s=20.0))) as world:
            world.probe.token = lambda port, model: asyncio.sleep(1e6)  # type: ignore[assignment,method-assign]

            state = await world.until("llamacpp", "backoff")

            assert state.reason == "not ready within 20 s: healthy, but no token came"

    run(scenario())


def test_a_program_that_cannot_be_executed_is_tried_again_and_named() -> None:
    async def scenario() -> None:
        async with World(project(engine())) as world:
            world.processes.missing.add("llamacpp")
            state = await world.until("llamacpp", "backoff")
            assert state.reason == "cannot execute engine: No such file"

            world.processes.missing.clear()

            await world.until("llamacpp", "ready")

    run(scenario())


def test_a_changed_service_is_restarted_a_dropped_one_stopped_and_the_rest_untouched() -> None:
    async def scenario() -> None:
        web = engine(name="web", proof_model="", port=9000)
        async with World(project(engine(), gateway(), web)) as world:
            for name in ("llamacpp", "gateway", "web"):
                await world.until(name, "ready")

            await world.reload(project(replace(engine(), argv=("new",)), gateway()))
            await world.until("llamacpp", "ready")

            assert len(world.processes.of("gateway")) == 1
            assert [p.service.argv for p in world.processes.of("llamacpp")][1] == ("new",)
            assert sorted(world.processes.living()) == ["gateway", "llamacpp"]
            assert world.board.states[-1].service("web") is None

    run(scenario())


def test_a_raised_generation_restarts_an_unchanged_service_once() -> None:
    async def scenario() -> None:
        declared = project(engine(), gateway())
        async with World(declared) as world:
            await world.until("llamacpp", "ready")
            await world.until("gateway", "ready")

            for _ in range(2):
                await world.reload(declared.restarted("llamacpp"))
            state = await world.until("llamacpp", "ready")

            assert state.generation == 1
            assert len(world.processes.of("llamacpp")) == 2
            assert len(world.processes.of("gateway")) == 1

    run(scenario())


def test_a_restart_that_was_asked_for_shows_before_the_old_process_has_ended() -> None:
    async def scenario() -> None:
        declared = project(engine())
        async with World(declared) as world:
            world.processes.grace_s["llamacpp"] = 8.0
            await world.until("llamacpp", "ready")

            await world.reload(declared.restarted("llamacpp"))

            state = world.state("llamacpp")
            assert (state.phase, state.generation, state.reason) == ("stopping", 1, "asked for")

    run(scenario())


def test_a_fixed_port_is_free_again_before_the_successor_starts() -> None:
    async def scenario() -> None:
        async with World(project(engine(), gateway())) as world:
            world.processes.grace_s["gateway"] = 30.0
            await world.until("gateway", "ready")

            await world.reload(project(engine(), gateway(argv=("other",))))
            await world.until("gateway", "ready")

            first, second = world.processes.of("gateway")
            assert first.ended_at is not None
            assert first.ended_at <= second.started_at

    run(scenario())


def test_a_damaged_project_changes_nothing() -> None:
    async def scenario() -> None:
        async with World(project(engine())) as world:
            await world.until("llamacpp", "ready")

            await world.reload(ConfigError("damaged"))
            await world.reload(project(engine(), gateway(needs=("nobody",))))

            assert world.processes.living() == ["llamacpp"]
            await world.reload(project(engine(), gateway()))
            await world.until("gateway", "ready")

    run(scenario())


def test_an_unreadable_project_at_the_start_ends_the_daemon() -> None:
    async def scenario() -> None:
        world = World(project(engine()))
        world.board.project = ConfigError("damaged")
        async with world:
            pass

    with pytest.raises(FrontierError, match="damaged"):
        run(scenario())


def test_shutting_down_drains_the_gateway_before_the_engine_is_stopped() -> None:
    async def scenario() -> None:
        async with World(project(engine(), gateway())) as world:
            world.processes.grace_s["gateway"] = 25.0
            await world.until("gateway", "ready")
            await world.until("llamacpp", "ready")
            begin = now()

            await world.shut_down()

            (door,), (motor,) = world.processes.of("gateway"), world.processes.of("llamacpp")
            assert door.ended_at == pytest.approx(begin + 25, abs=0.1)
            assert motor.ended_at is not None
            assert motor.ended_at >= door.ended_at

    run(scenario())


def test_shutting_down_does_not_wait_for_a_backoff_or_a_start() -> None:
    async def scenario() -> float:
        slow = engine(name="slow", proof_model="", port=7000)
        stuck = gateway(name="stuck", needs=("ghost",))
        ghost = engine(name="ghost", proof_model="")
        async with World(project(engine(), slow, ghost, stuck)) as world:
            world.processes.dying["llamacpp"] = 1
            world.processes.missing.add("ghost")
            world.probe.sick[7000] = "loading"
            await asyncio.sleep(50)
            assert world.state("stuck").phase == "waiting"
            begin = now()
            await world.shut_down()
            assert world.processes.living() == []
            return now() - begin

    assert run(scenario()) < 0.1


def test_shutting_down_while_a_change_is_under_way_leaves_nothing_running() -> None:
    async def scenario() -> None:
        async with World(project(engine(), gateway())) as world:
            world.processes.grace_s["gateway"] = 30.0
            await world.until("gateway", "ready")
            await world.reload(project(engine(argv=("new",)), gateway(argv=("new",))))

            await world.shut_down()

            assert world.processes.living() == []

    run(scenario())


def test_of_two_quick_changes_the_last_wins() -> None:
    async def scenario() -> None:
        async with World(project(engine())) as world:
            world.processes.grace_s["llamacpp"] = 5.0
            await world.until("llamacpp", "ready")
            await world.reload(project(engine(argv=("second",))))
            await world.reload(project(engine(argv=("third",))))
            await asyncio.sleep(60)

            assert world.processes.living() == ["llamacpp"]
            assert world.processes.started[-1].service.argv == ("third",)

    run(scenario())


def test_a_bug_ends_the_daemon_loudly() -> None:
    async def scenario() -> None:
        async with World(project(engine())) as world:
            world.probe.health = None  # type: ignore[assignment,method-assign]
            await world.running

    with pytest.raises(ExceptionGroup):
        run(scenario())


def test_every_start_of_a_service_is_noted_once_as_ready_or_failed() -> None:
    async def scenario() -> list[tuple[str, str]]:
        async with World(project(engine())) as world:
            world.processes.missing.add("llamacpp")  # fails before there is a process
            await world.until("llamacpp", "backoff")
            world.processes.missing.clear()
            world.processes.dying["llamacpp"] = 3
            world.probe.sick[5002] = "loading"
            await asyncio.sleep(0.6)  # dies before it is ready
            del world.processes.dying["llamacpp"]
            await world.until("llamacpp", "ready")
            world.processes.started[-1].die(1)  # a death of what was ready is no failed start
            await world.until("llamacpp", "backoff")
            await world.until("llamacpp", "ready")
            await asyncio.sleep(100)
            return world.board.starts

    assert run(scenario()) == [
        ("llamacpp", "backoff"),
        ("llamacpp", "backoff"),
        ("llamacpp", "ready"),
        ("llamacpp", "ready"),
    ]


def test_a_start_that_is_too_slow_failed_and_one_that_is_stopped_did_not() -> None:
    async def scenario() -> list[tuple[str, str]]:
        async with World(project(engine(start_timeout_s=5.0))) as world:
            world.probe.sick[5001] = world.probe.sick[5002] = "loading"
            await world.until("llamacpp", "backoff")
            await world.until("llamacpp", "starting")
        return world.board.starts

    assert run(scenario()) == [("llamacpp", "backoff")]
