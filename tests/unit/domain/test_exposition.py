"""Prometheus text as numbers: what grew, and quantiles of what grew."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.domain.exposition import Exposition, quantile

INF = math.inf


def parsed(text: str, *names: str) -> Exposition:
    return Exposition.parse(text, names or ("n",))


def test_values_are_summed_by_labels() -> None:
    text = '# TYPE n counter\nn{a="1",b="x"} 2\nn{a="1",b="y"} 3.5\nn{a="2",b="x"} 4\nother 9\n'

    found = parsed(text)

    assert found.by("n", "a") == {("1",): 5.5, ("2",): 4}
    assert found.by("n", "b", a="1") == {("x",): 2, ("y",): 3.5}
    assert found.value("n", b="x") == 6
    assert not found.has("other")


def test_a_label_that_lacks_is_empty_and_a_family_that_lacks_is_nothing() -> None:
    found = parsed("n 1\n", "n", "m")

    assert found.by("n", "model") == {("",): 1}
    assert (found.value("m"), found.by("m", "model")) == (0, {})


def test_escaped_label_values_are_read_as_they_were() -> None:
    found = parsed('n{model="a\\"b\\\\c\\nd, e=\\"f\\""} 1\n')

    assert list(found.by("n", "model")) == [('a"b\\c\nd, e="f"',)]


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "none", ""])
def test_what_is_no_finite_number_is_left_out(value: str) -> None:
    assert not parsed(f'n{{a="1"}} {value}\n').has("n")


def test_counters_grow_by_their_difference() -> None:
    before, now = parsed('n{a="1"} 5\nn{a="2"} 1\n'), parsed('n{a="1"} 7.5\nn{a="2"} 1\n')

    assert now.since(before).by("n", "a") == {("1",): 2.5, ("2",): 0}


def test_a_counter_that_went_back_grew_by_what_it_shows_now() -> None:
    assert parsed("n 3\n").since(parsed("n 1000\n")).value("n") == 3


def test_a_counter_that_is_new_began_at_0_and_one_that_is_gone_is_gone() -> None:
    grown = parsed('n{a="new"} 4\n').since(parsed('n{a="old"} 9\n'))

    assert grown.by("n", "a") == {("new",): 4}


@given(st.lists(st.floats(0, 1e9), min_size=2, max_size=5))
def test_no_growth_is_ever_negative(values: list[float]) -> None:
    readings = [parsed(f"n {value!r}\n") for value in values]

    assert all(b.since(a).value("n") >= 0 for a, b in pairwise(readings))


def test_a_quantile_is_linear_within_its_bucket() -> None:
    buckets = {0.1: 0.0, 0.5: 10.0, 1.0: 20.0, INF: 20.0}

    assert quantile(0.5, buckets) == pytest.approx(0.5)
    assert quantile(0.25, buckets) == pytest.approx(0.3)
    assert quantile(0.95, buckets) == pytest.approx(0.95)


def test_a_quantile_above_the_highest_bound_is_that_bound() -> None:
    assert quantile(0.95, {0.1: 1.0, 2.0: 1.0, INF: 10.0}) == 2.0


@pytest.mark.parametrize("buckets", [{}, {INF: 0.0}, {0.1: 0.0, INF: 0.0}])
def test_an_empty_histogram_has_no_quantile(buckets: dict[float, float]) -> None:
    assert quantile(0.5, buckets) is None


def test_a_histogram_of_the_infinite_bucket_alone_tells_0() -> None:
    assert quantile(0.5, {INF: 3.0}) == 0.0


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=8),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_quantiles_rise_and_stay_within_the_bounds(counts: list[float], a: float, b: float) -> None:
    buckets = {float(i + 1): count for i, count in enumerate(counts)} | {INF: max(counts)}
    low, high = quantile(min(a, b), buckets), quantile(max(a, b), buckets)

    if low is not None and high is not None:
        assert 0 <= low <= high + 1e-9 <= len(counts) + 1e-9
