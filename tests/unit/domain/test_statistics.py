"""Percentiles and intervals against known values, and intervals against simulated truths."""

import random
from itertools import pairwise
from math import exp, gamma, inf, pi, sqrt
from statistics import NormalDist, quantiles

import pytest

from frontier.domain.statistics import (
    Estimate,
    difference,
    estimate,
    percentile,
    proportion,
    ratio,
    student,
)


def test_a_percentile_lies_between_its_neighbours_as_type_7_says() -> None:
    assert percentile([1, 2, 3, 4], 0.5) == 2.5
    assert percentile([1, 2, 3, 4], 0.95) == pytest.approx(3.85)
    assert [percentile([1, 2, 3, 4], q) for q in (0, 1)] == [1, 4]
    assert percentile([7], 0.99) == 7


def test_percentiles_are_those_of_the_standard_library() -> None:
    values = sorted(random.Random(3).lognormvariate(0, 1) for _ in range(57))

    ours = [percentile(values, q / 100) for q in range(1, 100)]

    assert ours == pytest.approx(quantiles(values, n=100, method="inclusive"))


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 0.5)


@pytest.mark.parametrize("freedom", [1, 2, 3, 9, 30, 60, 120])
def test_each_tail_of_students_t_holds_a_fortieth(freedom: int) -> None:
    edge = student(freedom)
    scale = gamma((freedom + 1) / 2) / (sqrt(freedom * pi) * gamma(freedom / 2))

    steps = [edge * i / 20_000 for i in range(20_001)]
    density = [scale * (1 + t * t / freedom) ** (-(freedom + 1) / 2) for t in steps]
    inside = sum((a + b) / 2 for a, b in pairwise(density)) * edge / 20_000

    assert 0.5 - inside == pytest.approx(0.025, abs=2e-5)


def test_the_table_is_read_towards_the_wider_interval() -> None:
    assert student(4.9) == student(4) > student(5)
    assert student(35) == student(30)
    assert student(0.9999999999999999) == student(1)
    assert student(2.9999999999999996) == student(3)
    assert student(inf) == pytest.approx(1.96, abs=0.001)
    assert [student(n) for n in range(1, 200)] == sorted(map(student, range(1, 200)), reverse=True)


def test_an_interval_is_the_textbooks_where_the_rounds_have_the_value_as_their_mean() -> None:
    found = estimate(5.0, [4.0, 5.0, 6.0])

    assert found.error == pytest.approx(1 / sqrt(3))
    assert (found.low, found.high) == pytest.approx((5 - 2.484, 5 + 2.484), abs=0.001)


def test_rounds_that_lie_beside_the_value_make_the_interval_wider() -> None:
    beside, around = estimate(6.0, [4.0, 5.0, 6.0]), estimate(5.0, [4.0, 5.0, 6.0])

    assert beside.error > around.error


def test_one_round_has_no_interval() -> None:
    assert estimate(5.0, [5.0]) == Estimate(5.0, None, None, None, (5.0,))
    assert estimate(5.0, [None, 5.0, None]).low is None


def test_a_round_without_a_value_is_left_out() -> None:
    assert estimate(5.0, [4.0, None, 6.0]).error == estimate(5.0, [4.0, 6.0]).error


def test_no_time_is_below_zero() -> None:
    assert estimate(1.0, [0.1, 1.9]).low == 0.0


def test_a_proportion_is_wilsons() -> None:
    found = proportion(10, 100)

    assert (found.low, found.high) == pytest.approx((0.0552, 0.1744), abs=1e-4)


def test_no_failure_in_a_few_requests_is_no_proof_of_none() -> None:
    assert (proportion(0, 20).low, proportion(0, 20).high) == pytest.approx((0, 0.1611), abs=1e-4)
    assert (proportion(20, 20).low, proportion(20, 20).high) == pytest.approx((0.8389, 1), abs=1e-4)


def test_the_difference_of_two_proportions_is_newcombes() -> None:
    new, base = proportion(56, 70, (0.8, 0.8)), proportion(48, 80, (0.6, 0.6))  # his example (a)

    low, high = difference(new, base)

    assert (low, high) == pytest.approx((0.0524, 0.3339), abs=1e-4)


def test_a_difference_that_one_round_alone_shows_is_none() -> None:
    never, hiccup = proportion(0, 48, (0, 0, 0)), proportion(8, 48, (0.5, 0, 0))
    often = proportion(8, 48, (0.25, 0, 0.25))

    assert difference(hiccup, never)[0] == 0.0 < difference(hiccup, never)[1]
    assert difference(never, hiccup)[1] == 0.0
    assert difference(often, never)[0] > 0.0
    assert difference(never, often)[1] < 0.0


def test_a_ratio_needs_two_rounds_of_each_and_something_to_divide_by() -> None:
    known, alone, nothing = estimate(2.0, [1.9, 2.1]), estimate(4.0, [4.0]), estimate(0.0, [0, 0])

    assert ratio(alone, known).value == 2.0
    assert ratio(alone, known).low is None
    assert ratio(nothing, known) is None
    assert ratio(known, nothing) is None


def test_rounds_too_far_apart_for_any_number_have_no_interval() -> None:
    wild, calm = estimate(0.01, [0.01, 2.0]), estimate(0.01, [0.009, 0.011])

    found = ratio(wild, calm)

    assert (found.low, found.value, found.high) == (None, 1.0, None)


def test_rounds_that_are_all_equal_leave_no_doubt() -> None:
    found = ratio(estimate(3.0, [3.0, 3.0]), estimate(2.0, [2.0, 2.0]))

    assert (found.low, found.value, found.high) == pytest.approx((1.5, 1.5, 1.5))


def test_the_ratio_of_the_inverse_is_the_inverse() -> None:
    a, b = estimate(2.0, [1.8, 2.0, 2.2]), estimate(3.0, [2.7, 3.1, 3.2])

    assert ratio(a, b).low == pytest.approx(1 / ratio(b, a).high)


SPREAD_OF_ROUNDS, SPREAD_WITHIN, MEMORY = 0.05, 0.2, 0.5


def run(noise: random.Random, rounds: int) -> list[list[float]]:
    """Return latencies whose rounds differ and that resemble the one before them."""
    made = []
    for _ in range(rounds):
        level, now, values = noise.gauss(0, SPREAD_OF_ROUNDS), noise.gauss(0, SPREAD_WITHIN), []
        for _ in range(40):
            now = MEMORY * now + noise.gauss(0, SPREAD_WITHIN * sqrt(1 - MEMORY**2))
            values.append(exp(level + now))
        made.append(sorted(values))
    return made


def seen(rounds: list[list[float]], q: float) -> Estimate:
    every = sorted(value for values in rounds for value in values)
    return estimate(percentile(every, q), [percentile(values, q) for values in rounds])


@pytest.mark.parametrize("rounds", [3, 5])
@pytest.mark.parametrize(("q", "least"), [(0.5, 0.93), (0.95, 0.90)])
def test_95_of_100_intervals_hold_the_truth(rounds: int, q: float, least: float) -> None:
    noise = random.Random(7)
    truth = exp(NormalDist().inv_cdf(q) * sqrt(SPREAD_OF_ROUNDS**2 + SPREAD_WITHIN**2))

    intervals = [seen(run(noise, rounds), q) for _ in range(600)]

    held = sum(one.low <= truth <= one.high for one in intervals) / 600
    assert least <= held <= 0.98, held


@pytest.mark.parametrize("rounds", [3, 5])
def test_at_most_5_of_100_equal_pairs_differ_and_most_unequal_ones_do(rounds: int) -> None:
    noise = random.Random(11)

    def pairs(slower: float) -> list[bool]:
        ratios = (
            ratio(
                seen([[slower * v for v in values] for values in run(noise, rounds)], 0.5),
                seen(run(noise, rounds), 0.5),
            )
            for _ in range(300)
        )
        return [not one.low <= 1 <= one.high for one in ratios]

    assert sum(pairs(1.0)) / 300 <= 0.07
    assert sum(pairs(1.4)) / 300 >= 0.8
