"""Metrics of a case from samples whose times are known."""

from dataclasses import replace

import pytest

from bench_results import CASE, measured, result, sample
from frontier.domain.bench_summary import METRICS, is_better_higher, summarize


def values(*samples, rounds: int = 1) -> dict[str, float]:
    (found,) = summarize(result(*samples, rounds=rounds))
    return {name: one.value for name, one in found.values.items()}


def test_times_are_those_of_the_samples() -> None:
    found = values(sample(first_s=0.1, token_s=0.01, tokens=11))

    assert found["ttft_p50_s"] == pytest.approx(0.1)
    assert found["tpot_p50_s"] == pytest.approx(0.01)
    assert found["itl_p50_s"] == pytest.approx(0.01)
    assert found["latency_p50_s"] == pytest.approx(0.2)


def test_a_request_that_was_sent_late_has_waited() -> None:
    late = replace(sample(first_s=3.1, tokens=1), sent_s=3.0)

    assert values(late)["latency_p50_s"] == pytest.approx(3.1)
    assert values(late)["ttft_p50_s"] == pytest.approx(3.1)


def test_rates_count_from_the_first_request_due_to_the_last_end() -> None:
    found = values(sample(0.0, tokens=11), sample(1.8, tokens=11))

    assert found["requests_per_s"] == pytest.approx(2 / 2.0)
    assert found["output_tokens_per_s"] == pytest.approx(22 / 2.0)
    assert found["input_tokens_per_s"] == pytest.approx(256 / 2.0)


def test_at_a_fixed_rate_no_more_is_answered_than_was_asked() -> None:
    case = replace(CASE, mode="rate", rate_per_s=4.0)
    samples = [sample(0.25 * i, first_s=0.01, tokens=1) for i in range(4)]

    (found,) = summarize(result(*samples, cases=(case,)))
    (slow,) = summarize(result(*samples, sample(0.75, first_s=1.25, tokens=1), cases=(case,)))

    assert found.values["requests_per_s"].value == pytest.approx(4.0)
    assert slow.values["requests_per_s"].value == pytest.approx(5 / 2.0)


def test_the_pause_between_rounds_is_no_part_of_a_rate() -> None:
    found = values(sample(0.0, tokens=11), sample(500.0, tokens=11, nth=1), rounds=2)

    assert found["requests_per_s"] == pytest.approx(2 / 0.4)


def test_what_failed_has_no_latency_and_takes_time_from_the_rate() -> None:
    found = values(sample(0.0, tokens=11), sample(0.0, first_s=4.0, error="timeout"))

    assert found["latency_p50_s"] == pytest.approx(0.2)
    assert found["requests_per_s"] == pytest.approx(1 / 4.0)
    assert found["error_ratio"] == 0.5


def test_where_all_failed_only_errors_are_told() -> None:
    (found,) = summarize(
        result(sample(error="refused"), sample(error="refused"), sample(error="x"))
    )

    assert list(found.values) == ["error_ratio"]
    assert found.errors == {"refused": 2, "x": 1}
    assert found.requests == 3


def test_a_case_that_was_never_reached_has_nothing() -> None:
    (found,) = summarize(result())

    assert (found.requests, dict(found.values)) == (0, {})


def test_an_embedding_has_neither_tokens_nor_time_to_the_first() -> None:
    plain = replace(sample(tokens=1), first_s=None, tokens_s=(), tokens_out=0)

    assert set(values(plain)) == {
        "latency_p50_s", "requests_per_s", "input_tokens_per_s", "error_ratio",
    }  # fmt: skip


def test_an_answer_in_one_chunk_tells_nothing_of_its_tokens() -> None:
    whole = replace(sample(tokens=1), tokens_out=16)

    assert not [name for name in values(whole) if name.startswith(("tpot", "itl"))]


def test_an_answer_whose_chunks_came_at_once_tells_no_time_per_token() -> None:
    assert "tpot_p50_s" not in values(sample(tokens=16, token_s=0.0))


def test_a_percentile_is_told_once_there_are_enough_requests() -> None:
    def told(count: int) -> set[str]:
        found = values(*(sample(i, tokens=2) for i in range(count)))
        return {name for name in found if name.startswith("latency")}

    assert told(19) == {"latency_p50_s"}
    assert told(20) == {"latency_p50_s", "latency_p95_s"}
    assert told(100) == {"latency_p50_s", "latency_p95_s", "latency_p99_s"}


def test_each_value_has_its_rounds() -> None:
    (found,) = summarize(
        result(sample(first_s=0.1), sample(first_s=0.3, nth=1), sample(error="x"), rounds=3)
    )

    assert found.values["ttft_p50_s"].rounds == pytest.approx((0.1, 0.3, None))
    assert found.values["ttft_p50_s"].value == pytest.approx(0.2)
    assert found.values["error_ratio"].rounds == (0.5, 0.0, None)


def test_cases_are_told_in_their_order_and_names_in_one_order() -> None:
    found = summarize(measured())

    assert [one.case.id for one in found] == [CASE.id, "closed-c4-p128-o16"]
    assert [list(one.values) for one in found] == [list(METRICS)] * 2


def test_rates_are_better_higher_and_times_and_errors_lower() -> None:
    higher = {name for name in METRICS if is_better_higher(name)}

    assert higher == {"output_tokens_per_s", "input_tokens_per_s", "requests_per_s"}
