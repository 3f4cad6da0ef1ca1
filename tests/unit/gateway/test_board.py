"""How the reports of several workers become one."""

import asyncio
from functools import partial
from itertools import permutations
from typing import Any

import virtual_time
from frontier.gateway.board import Board, Colleague, Report, add, counters, join
from frontier.gateway.breaker import STATES

ONE = """\
# HELP frontier_requests_total Requests.
# TYPE frontier_requests_total counter
frontier_requests_total{code="200",model="a b"} 3
# HELP frontier_open_connections Connections.
# TYPE frontier_open_connections gauge
frontier_open_connections{kind="client"} 2
# HELP frontier_backend_up Up.
# TYPE frontier_backend_up gauge
frontier_backend_up{backend="vllm"} 1
# HELP frontier_request_duration_seconds Time.
# TYPE frontier_request_duration_seconds histogram
frontier_request_duration_seconds_bucket{le="0.1"} 1
frontier_request_duration_seconds_sum{} 0.25
"""
TWO = ONE.replace(" 3\n", " 4\n").replace(
    "# HELP frontier_backend_up", "# HELP frontier_backend_up"
)


def engine(**changes: Any) -> dict[str, Any]:
    return {
        "name": "v",
        "url": "u",
        "weight": 1,
        "busy": 0,
        "breaker": "closed",
        "context": None,
        **changes,
    }


def state(**changes: Any) -> dict[str, Any]:
    return {
        "files": {"r": "1", "k": "1"},
        "rejected": {},
        "config_error": None,
        "models": [{"name": "m", "held": 1, "backends": [engine()]}],
        "in_flight": [{"model": "m", "backend": "v", "backend_url": "u", "requests": 2}],
        **changes,
    }


def test_counts_are_added_and_what_all_find_alike_is_not() -> None:
    text = add([ONE, TWO])

    assert 'frontier_requests_total{code="200",model="a b"} 7\n' in text
    assert 'frontier_open_connections{kind="client"} 4\n' in text
    assert 'frontier_backend_up{backend="vllm"} 1\n' in text
    assert "frontier_request_duration_seconds_sum{} 0.5\n" in text
    assert text.count("# TYPE frontier_requests_total counter") == 1


def test_each_worker_may_open_files_of_its_own() -> None:
    one = "# HELP process_max_fds x\n# TYPE process_max_fds gauge\nprocess_max_fds 1024\n"

    assert add([one, one]).endswith("process_max_fds 2048\n")


def breakers(**states: str) -> str:
    """What a worker tells that sees the backends in *states*."""
    name = "frontier_circuit_breaker_state"
    return f"# HELP {name} x\n# TYPE {name} gauge\n" + "".join(
        f'{name}{{backend="{backend}",state="{state}"}} {int(state == found)}\n'
        for backend, found in states.items()
        for state in STATES
    )


def test_a_breaker_is_in_the_worst_state_that_a_worker_sees_and_in_no_other() -> None:
    seen = (
        breakers(a="half_open", b="half_open", c="closed"),
        breakers(a="open", b="closed", c="closed"),
        breakers(a="closed", b="closed", c="closed", new="open"),
    )

    for texts in permutations(seen):
        lines = [line for line in add(texts).splitlines() if not line.startswith("#")]
        assert sorted(line for line in lines if line.endswith(" 1")) == [
            'frontier_circuit_breaker_state{backend="a",state="open"} 1',
            'frontier_circuit_breaker_state{backend="b",state="half_open"} 1',
            'frontier_circuit_breaker_state{backend="c",state="closed"} 1',
            'frontier_circuit_breaker_state{backend="new",state="open"} 1',
        ]
        assert len(lines) == 12


def test_of_a_dead_worker_only_counters_are_kept() -> None:
    kept = counters(ONE)

    assert "frontier_requests_total{" in kept
    assert "_bucket{" in kept
    assert "open_connections" not in kept
    assert "backend_up" not in kept


def test_a_file_is_in_force_once_every_worker_has_it() -> None:
    joined = join([state(), state(files={"r": "1", "k": "2"}, config_error="k:3: wrong")])

    assert joined["files"] == {"r": "1"}
    assert joined["config_error"] == "k:3: wrong"
    assert [model["held"] for model in joined["models"]] == [2]
    assert [row["requests"] for row in joined["in_flight"]] == [4]


def test_an_engine_has_the_requests_of_all_workers_and_the_worst_of_their_breakers() -> None:
    seen = (
        [engine(), engine(name="w", url="u2", busy=1)],
        [engine(busy=3, breaker="open", context=8192), engine(name="w", url="u2", busy=1)],
        [engine(busy=2, breaker="half_open"), engine(name="away", url=None, breaker=None)],
    )

    joined = join(state(models=[{"name": "m", "held": 0, "backends": e}]) for e in seen)

    assert joined["models"][0]["backends"] == [
        engine(busy=5, breaker="open", context=8192),
        engine(name="w", url="u2", busy=2),
    ]


def test_an_engine_that_does_not_run_has_no_breaker() -> None:
    away = engine(url=None, breaker=None)
    seen = state(models=[{"name": "m", "held": 0, "backends": [away]}])

    assert join([seen, seen])["models"][0]["backends"] == [away]


def test_a_sum_of_fractions_is_the_same_whoever_asks_and_whoever_answers_first() -> None:
    name = "frontier_cost_usd_total"
    costs = (0.1, 0.2, 0.3)  # from the left 0.6000000000000001, from the right 0.6

    def told(index: int) -> Report:
        return Report(f"# HELP {name} x\n# TYPE {name} counter\n{name} {costs[index]}\n", {})

    async def run() -> list[str]:
        board = Board(3)
        colleagues = [Colleague(board, i, partial(told, i)) for i in range(3)]
        sums = []
        for order in permutations(colleagues):
            asking = asyncio.create_task(order[0].gather())
            for other in order[1:]:
                await asyncio.sleep(0.02)  # the one who asks looks every 0.01 s
                other.tick()
            sums.append(add(report.metrics for report in await asking).split()[-1])
        return sums

    assert virtual_time.run(run()) == ["0.6000000000000001"] * 6


def test_a_successor_goes_on_counting_where_the_dead_one_was_last_heard() -> None:
    async def run() -> str:
        board = Board(2)
        colleagues = [Colleague(board, i, lambda: Report(ONE, state())) for i in range(2)]
        asking = asyncio.create_task(colleagues[0].gather())
        await asyncio.sleep(0.01)
        colleagues[1].tick()
        assert len(await asking) == 2
        successor = Colleague(board, 1, lambda: Report(ONE, state()))
        asking = asyncio.create_task(colleagues[0].gather())
        await asyncio.sleep(0.01)
        successor.tick()
        return add(report.metrics for report in await asking)

    text = asyncio.run(run())

    assert 'frontier_requests_total{code="200",model="a b"} 9\n' in text
    assert 'frontier_open_connections{kind="client"} 4\n' in text


def test_a_silent_worker_is_not_waited_for_and_keeps_its_place_with_what_it_had() -> None:
    async def run() -> tuple[Report, ...]:
        board = Board(3)
        colleagues = [Colleague(board, i, lambda: Report(ONE, state())) for i in range(3)]
        asking = asyncio.create_task(colleagues[2].gather())
        await asyncio.sleep(0.02)
        colleagues[0].tick()
        return await asking

    reports = virtual_time.run(run())

    assert [bool(report.state) for report in reports] == [True, False, True]
    assert "frontier_requests_total" in reports[1].metrics


def test_a_report_that_is_too_long_leaves_the_one_before() -> None:
    board = Board(1)
    board.tell(0, 7, Report("short", {}))

    board.tell(0, 8, Report("x" * 33_600_000, {}))

    assert board.read(0) == (7, Report("short", {}))
