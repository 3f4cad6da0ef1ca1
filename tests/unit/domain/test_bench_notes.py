"""What a result says of itself that a reader should know."""

from dataclasses import replace

from bench_results import CASE, sample
from frontier.domain.bench import Sample
from frontier.domain.bench_notes import late_p99_s, notes


def told(*samples: Sample, busiest: float = 0.1, given_up: tuple[str, ...] = ()) -> str:
    return " ".join(
        notes((CASE,), samples, busiest=busiest, given_up=given_up, is_interrupted=False)
    )


def test_a_good_run_has_no_notes() -> None:
    assert told(*(sample(float(i)) for i in range(10))) == ""


def test_nothing_measured_has_no_notes() -> None:
    assert told() == ""


def test_an_interrupted_run_says_so() -> None:
    said = notes((CASE,), [sample()], busiest=0.1, given_up=(), is_interrupted=True)

    assert said == ("It was interrupted: rounds or cases are missing.",)


def test_a_server_that_died_is_told_by_case() -> None:
    assert "closed-c1 was left" in told(sample(), given_up=("closed-c1",))


def test_a_client_that_took_a_whole_core_may_have_been_the_limit() -> None:
    assert "The client took 93% of a core" in told(sample(), busiest=0.93)


def test_requests_that_were_sent_late_are_told() -> None:
    late = [replace(sample(float(i)), sent_s=i + 0.03) for i in range(10)]

    assert late_p99_s(late) == 0.03 or abs(late_p99_s(late) - 0.03) < 1e-9
    assert "sent 30 ms after they were due" in told(*late)


def test_lateness_that_is_small_beside_the_latency_is_not_told() -> None:
    late = [replace(sample(float(i), first_s=5.0), sent_s=i + 0.03) for i in range(10)]

    assert told(*late) == ""


def test_answers_of_other_lengths_are_told() -> None:
    assert "3 to 16 tokens, not 16" in told(sample(), sample(1.0, tokens=3))


def test_prompts_of_another_length_are_told() -> None:
    assert "prompts have about 200 tokens, not 128" in told(replace(sample(), tokens_in=200))


def test_pieces_in_the_place_of_tokens_are_told_once() -> None:
    assert told(replace(sample(), tokens_in=0)).count("does not tell tokens") == 1


def test_failed_requests_say_nothing_of_lengths() -> None:
    assert told(sample(), sample(1.0, error="http_500")) == ""
