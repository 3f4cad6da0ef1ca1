"""One histogram for several families."""

from random import Random

import pytest

from frontier.gateway.exposition import Exposition
from frontier.gateway.histogram import (
    BOUNDS_S,
    DURATIONS_S,
    FIRST_TOKENS_S,
    Histogram,
    merged,
    union,
)


@pytest.mark.parametrize("other", [DURATIONS_S, FIRST_TOKENS_S], ids=["durations", "first tokens"])
def test_a_histogram_of_both_boundaries_tells_what_one_of_each_would(
    other: tuple[float, ...],
) -> None:
    random = Random(1)
    both, ours, theirs = Histogram(union(BOUNDS_S, other)), Histogram(), Histogram(other)
    on_bounds = [*BOUNDS_S, *other]
    for value in [*on_bounds, *(random.lognormvariate(0, 3) for _ in range(2000)), 1e9, 0.0]:
        for histogram in (both, ours, theirs):
            histogram.observe(value)

    assert both.totals(BOUNDS_S) == ours.totals(BOUNDS_S)
    assert both.totals(other) == theirs.totals(other)
    assert both.totals(other)[-1] == 2000 + 2 + len(on_bounds)
    assert both.sum == pytest.approx(ours.sum)


def test_merging_leaves_what_is_merged_alone() -> None:
    one, two = Histogram(), Histogram()
    one.observe(0.05)
    two.observe(700.0)

    found = merged([one, two])

    assert (found.totals(BOUNDS_S)[0], found.totals(BOUNDS_S)[-1], found.sum) == (1, 2, 700.05)
    assert sum(one.buckets) == sum(two.buckets) == 1


def test_labels_that_look_like_a_format_are_written_as_they_are() -> None:
    lines = Exposition()
    histogram = Histogram()
    histogram.observe(1.0)

    for _ in range(2):  # the second time from memory
        text = lines.family("frontier_retries_total", [(("100%s %d",), 3)])
        assert text.endswith('frontier_retries_total{backend="100%s %d"} 3\n')
        text = lines.histograms("frontier_queue_wait_seconds", [(("50%", "a%%b"), histogram)])
        assert 'model="50%",priority="a%%b",le="1.0"} 1\n' in text
        assert text.endswith('_count{model="50%",priority="a%%b"} 1\n')
