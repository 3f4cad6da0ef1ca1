"""What a benchmark shows while it runs, in a terminal."""

import pytest

from bench_results import CASE, sample
from frontier.cli.bench_live import Live


def shown(capsys: pytest.CaptureFixture[str]) -> str:
    """Return what stands in the terminal's last line."""
    return capsys.readouterr().err.rpartition("\r\033[K")[2]


def test_time_that_passes_before_the_first_round_leaves_what_is_waited_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    live = Live()

    live.tick(0)
    live.wait("first answers")
    live.tick(0)

    assert shown(capsys) == "first answers"


def test_a_round_tells_how_far_it_is_and_leaves_its_figures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    live = Live()
    live.wait("warm-up")

    live.begin(CASE, 0, 4)
    live.sent()
    live.tick(1)
    assert shown(capsys) == "closed-c1-p128-o16 round 1: 0/4 done, 1 open"

    live.seen(sample())
    live.end()
    assert shown(capsys).startswith("closed-c1-p128-o16 round 1: 1 requests")


def test_nothing_to_wait_for_is_an_empty_line(capsys: pytest.CaptureFixture[str]) -> None:
    live = Live()
    live.begin(CASE, 0, None)
    live.tick(1)

    live.wait("")

    assert shown(capsys) == ""


def test_of_two_models_only_the_one_that_is_measured_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = Live("a: "), Live("b: ")
    first.begin(CASE, 0, 4)
    first.tick(1)
    first.end()
    second.wait("warm-up")

    first.tick(1)

    assert shown(capsys) == "b: warm-up"
