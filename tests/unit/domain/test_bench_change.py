"""Better, worse, no difference shown, not known: what is said, and what it takes."""

from dataclasses import replace

import pytest

from bench_results import CASE, measured, result, sample
from frontier.domain.bench_change import HEADLINES, caveats, changes, undecided, worsened
from frontier.domain.bench_notes import INTERRUPTED
from frontier.domain.bench_summary import METRICS


def verdicts(base, new) -> dict[str, str]:
    return {one.metric: one.verdict for case in changes(base, new) for one in case.changes}


def busy(rounds: tuple[tuple[float, int], ...], *, failing: int = 0):
    """Return a run whose rounds have *n* requests of so many seconds, one after another."""
    samples = [
        sample(i * (seconds + 1.5), first_s=seconds, nth=nth, error="x" if i < failing else "")
        for nth, (seconds, count) in enumerate(rounds)
        for i in range(count)
    ]
    return result(*samples, rounds=len(rounds))


def test_what_takes_longer_is_worse_and_what_comes_faster_is_better() -> None:
    slow = ((2.0, 5), (2.02, 5), (1.99, 5))
    quick = ((1.0, 5), (1.01, 5), (0.99, 5))

    worse, better = verdicts(busy(quick), busy(slow)), verdicts(busy(slow), busy(quick))

    assert worse["ttft_p50_s"] == worse["requests_per_s"] == worse["output_tokens_per_s"] == "worse"
    assert better["ttft_p50_s"] == better["requests_per_s"] == "better"


def test_a_change_is_relative_to_the_base_with_its_interval_around_it() -> None:
    (case,) = changes(busy(((1.0, 5), (1.01, 5))), busy(((1.5, 5), (1.51, 5))))
    one = next(c for c in case.changes if c.metric == "ttft_p50_s")

    assert one.change == pytest.approx(0.5, abs=0.02)
    assert one.low < one.change < one.high


def test_where_rounds_differ_as_much_as_the_runs_no_difference_is_shown() -> None:
    found = verdicts(busy(((1.0, 5), (1.5, 5), (0.8, 5))), busy(((1.2, 5), (0.9, 5), (1.7, 5))))

    assert found["ttft_p50_s"] == "no difference shown"


def test_one_round_tells_nothing_for_sure() -> None:
    found = verdicts(busy(((1.0, 5),)), busy(((9.0, 5),)))

    assert set(found.values()) == {"not known"}


def test_a_hiccup_in_one_round_is_no_difference_and_failures_in_two_are() -> None:
    fine = busy(((1.0, 16),) * 3)
    hiccup = replace(
        fine,
        samples=tuple(replace(s, error="x" if i < 8 else "") for i, s in enumerate(fine.samples)),
    )

    assert verdicts(fine, hiccup)["error_ratio"] == "no difference shown"
    assert verdicts(fine, busy(((1.0, 16),) * 3, failing=3))["error_ratio"] == "worse"


def test_failures_are_worse_even_where_all_else_is_gone() -> None:
    fine, broken = busy(((1.0, 20), (1.0, 20))), busy(((1.0, 20), (1.0, 20)), failing=20)
    (case,) = changes(fine, broken)

    assert [(c.metric, c.verdict) for c in case.changes if c.new] == [("error_ratio", "worse")]
    assert worsened(changes(fine, broken), 0.05, HEADLINES) == (f"{CASE.id} error_ratio: +100.0%",)


def test_only_what_is_beyond_doubt_and_beyond_the_limit_counts_as_worse() -> None:
    base, new = measured(), measured(slower=1.15, seed=2)
    cases = changes(base, new)

    assert any("ttft_p50_s" in words for words in worsened(cases, 0.05, HEADLINES))
    assert worsened(cases, 0.5, HEADLINES) == ()
    assert worsened(cases, 0.05, ["requests_per_s"]) == ()
    assert worsened(changes(new, base), 0.0, ["ttft_p50_s", "tpot_p50_s"]) == ()


def test_without_intervals_nothing_is_decided() -> None:
    once = measured(rounds=1)

    assert len(undecided(changes(once, measured()))) == 2 * len(HEADLINES)
    assert undecided(changes(measured(seed=3), measured())) == ()
    assert undecided(changes(measured(seed=3), measured()), ["error_ratio"]) == ()


def test_each_case_and_metric_that_nobody_can_tell_is_named() -> None:
    base = measured(rounds=2)
    first = base.cases[0].id
    once = replace(base, samples=tuple(s for s in base.samples if s.case != first or not s.round))
    plain = replace(
        base,
        samples=tuple(replace(s, first_s=None, tokens_s=(), tokens_out=0) for s in base.samples),
    )

    assert undecided(changes(base, once), ["ttft_p50_s"]) == (f"{first} ttft_p50_s",)
    assert undecided(changes(plain, plain)) == (), "an embedding has no tokens"
    assert len(undecided(changes(plain, plain), ["ttft_p50_s"])) == 2
    assert len(undecided(changes(base, plain))) == 6, "what one of both tells is missing"
    nothing = replace(base, samples=())
    assert f"{first} latency_p50_s" in undecided(changes(nothing, nothing))


def test_equal_runs_hardly_ever_differ() -> None:
    pairs = [(measured(seed=i, rounds=4), measured(seed=100 + i, rounds=4)) for i in range(20)]

    alarms = sum(bool(worsened(changes(a, b), 0.05, HEADLINES)) for a, b in pairs)

    assert alarms <= 2


def test_only_cases_of_both_are_compared() -> None:
    base = measured()

    assert [case.case.id for case in changes(base, replace(base, cases=(CASE,)))] == [CASE.id]


def test_a_reader_is_told_what_weakens_a_comparison() -> None:
    noted = (INTERRUPTED, "The client was busy.")
    once, many = replace(measured(rounds=1), is_complete=False, notes=noted), measured()

    told = list(caveats(once, many, changes(once, many)))

    assert told[0].startswith("base is not complete")
    assert told[1] == "base: The client was busy."
    assert told[2].startswith("base has one round")
    assert list(caveats(many, many, changes(many, many))) == [
        "of 32 comparisons about 2 would show a difference by chance alone"
    ]


def test_answers_of_another_length_are_told() -> None:
    short, long = (result(sample(tokens=n), sample(tokens=n, nth=1), rounds=2) for n in (16, 20))

    assert any("16 and 20 tokens" in told for told in caveats(short, long, changes(short, long)))


def test_headlines_are_metrics() -> None:
    assert set(HEADLINES) < set(METRICS)
