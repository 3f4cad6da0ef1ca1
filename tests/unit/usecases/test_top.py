"""Looking again and again: the window, its reset, and what cannot be looked at."""

import pytest

from frontier.domain.errors import NotRunningError, RuntimeFailedError
from frontier.domain.top_reading import Reading, RunningRead
from frontier.usecases.top import Top, begin, once
from top_views import FakeWatch, exposition, gateway, reading

NOTHING = RunningRead(daemon=None, has_died=False, project=None)
DIED = RunningRead(daemon=None, has_died=True, project=None)


def at(second: float, requests: int) -> Reading:
    text = exposition(codes={"200": requests}, tokens=(0, 10 * requests))
    return reading(second, gateway=gateway(text, at_s=second))


def test_rates_are_of_the_window_and_not_of_the_last_interval() -> None:
    # one answer of ten seconds: counted when it ended
    top = Top(FakeWatch(*(at(2.0 * n, 100 if n > 4 else 0) for n in range(9))), window_s=10)

    rates = [top.look().traffic.tokens_out_per_s for _ in range(9)]

    assert rates == [None, 0, 0, 0, 0, 100, 100, 100, 100]


def test_what_lies_before_the_window_is_forgotten() -> None:
    top = Top(FakeWatch(*(at(2.0 * n, 5 if n else 0) for n in range(9))), window_s=4)

    assert [top.look().traffic.requests_per_s for _ in range(5)] == [None, 2.5, 1.25, 0, 0]


def test_after_a_pause_the_next_looks_tell_what_is_there_now() -> None:
    busy = [at(2.0 * n, 20 * n) for n in range(7)]
    top = Top(FakeWatch(*busy, *(at(612.0 + 2 * n, 120 + 20 * n) for n in range(8))))

    seen = [top.look() for _ in range(15)][7:]

    assert [round(s.window_s or 0) for s in seen] == [600, 2, 4, 6, 8, 10, 10, 10]
    assert [s.traffic.requests_per_s for s in seen] == [0, *[10] * 7]


@pytest.mark.parametrize(
    ("interval_s", "window_s"),
    [(0.5, 10.5), (2, 10), (2.01, 10.05), (4, 8), (10.1, 10.1), (30, 30)],
)
def test_the_window_is_of_ten_seconds_or_of_one_longer_interval(
    interval_s: float, window_s: float
) -> None:
    top = Top(FakeWatch(*(at(interval_s * n, n) for n in range(30))))

    assert [top.look().window_s for _ in range(30)][-1] == pytest.approx(window_s)


def test_a_stack_that_was_stopped_begins_anew() -> None:
    gone = reading(4, running=NOTHING, gateway=None)
    top = Top(FakeWatch(at(0, 0), at(2, 10), gone, at(6, 3), at(8, 5)))

    seen = [top.look() for _ in range(5)]

    assert [s.state for s in seen] == ["running", "running", "stopped", "running", "running"]
    assert [s.traffic.requests_per_s for s in seen] == [None, 5, None, None, 1]


def test_an_answer_that_is_seen_twice_counts_once() -> None:
    same = at(0, 10).gateway
    top = Top(FakeWatch(reading(0, gateway=same), reading(2, gateway=same), at(4, 14)))

    assert [top.look().traffic.requests_per_s for _ in range(3)] == [None, None, 1]


def test_once_gives_the_rates_of_one_interval() -> None:
    slept: list[float] = []

    seen = once(Top(FakeWatch(at(0, 0), at(2, 10))), interval_s=2.0, sleep=slept.append)

    assert (seen.traffic.requests_per_s, slept) == (5, [2.0])


@pytest.mark.parametrize(("found", "word"), [(NOTHING, "frontier up"), (DIED, "frontier start")])
def test_where_nothing_runs_one_is_told_what_to_type(found: RunningRead, word: str) -> None:
    with pytest.raises(NotRunningError) as raised:
        begin(Top(FakeWatch(reading(running=found, gateway=None))))

    assert word in raised.value.hint


def test_where_nobody_can_tell_what_runs_that_is_the_error() -> None:
    silent = reading(running=NOTHING, gateway=None, problem="docker does not answer")

    with pytest.raises(RuntimeFailedError, match="docker does not answer"):
        begin(Top(FakeWatch(silent)))


def test_closing_ends_what_was_started_for_looking() -> None:
    watch = FakeWatch(reading())

    Top(watch).close()

    assert watch.is_closed
