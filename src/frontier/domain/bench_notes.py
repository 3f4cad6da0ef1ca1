"""What a reader of a benchmark should know before they trust it."""

from collections.abc import Iterator, Sequence
from typing import Final

from frontier.domain.bench import Case, Sample
from frontier.domain.bench_summary import succeeded
from frontier.domain.statistics import percentile

INTERRUPTED: Final = "It was interrupted: rounds or cases are missing."

_BUSY: Final = 0.8
_LATE_S: Final = 0.01
_LATE_SHARE: Final = 0.02
_OFF: Final = 0.1


def late_p99_s(samples: Sequence[Sample]) -> float:
    """Return how long after they were due nearly all requests were sent; 0 without any."""
    late = sorted(sample.sent_s - sample.due_s for sample in samples)
    return percentile(late, 0.99) if late else 0.0


def notes(
    cases: Sequence[Case],
    samples: Sequence[Sample],
    *,
    busiest: float,
    given_up: Sequence[str],
    is_interrupted: bool,
) -> tuple[str, ...]:
    """Return sentences, none where all is well.

    Args:
        cases: What was to be measured.
        samples: What was.
        busiest: The largest part of one core that the client took in a round.
        given_up: Ids of cases that were left because the server was gone.
        is_interrupted: Ctrl-C or an error of ours ended it.
    """
    good = succeeded(samples)
    return (
        *([INTERRUPTED] if is_interrupted else []),
        *(f"{case} was left: the server gave no sign of life any more." for case in given_up),
        *_client(samples, busiest),
        *_tokens(cases, good),
    )


def _client(samples: Sequence[Sample], busiest: float) -> Iterator[str]:
    if busiest > _BUSY:
        yield (
            f"The client took {busiest:.0%} of a core: it may have been the limit. "
            "Measure from another machine, or with fewer streams."
        )
    rated = [sample for sample in samples if sample.sent_s > sample.due_s]
    late_s = late_p99_s(rated)
    usual_s = percentile(sorted(s.ended_s - s.due_s for s in samples), 0.5) if samples else 0.0
    if late_s > max(_LATE_S, _LATE_SHARE * usual_s):
        yield (
            f"Requests were sent {late_s * 1000:.0f} ms after they were due (p99): connecting took "
            "long, too many were open, or this machine was busy. Latencies count it."
        )


def _tokens(cases: Sequence[Case], good: Sequence[Sample]) -> Iterator[str]:
    if good and not any(sample.tokens_in for sample in good):
        yield "The server does not tell tokens: pieces of text are counted in their place."
        return
    for case in cases:
        mine = [sample for sample in good if sample.case == case.id]
        if mine:
            yield from _lengths(case, mine)


def _lengths(case: Case, good: Sequence[Sample]) -> Iterator[str]:
    """Tell where what was asked is not what came."""
    lengths = sorted(sample.tokens_out for sample in good)
    if case.output_tokens and not lengths[0] == lengths[-1] == case.output_tokens:
        yield (
            f"{case.id}: answers have {lengths[0]} to {lengths[-1]} tokens, not "
            f"{case.output_tokens}: the server ends them by itself."
        )
    usual = percentile(sorted(sample.tokens_in for sample in good), 0.5)
    if case.output_tokens and abs(usual - case.prompt_tokens) > _OFF * case.prompt_tokens:
        yield f"{case.id}: prompts have about {usual:.0f} tokens, not {case.prompt_tokens}."
