"""What the samples of a benchmark say, case by case."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from frontier.domain.bench import Case, Result, Sample
from frontier.domain.statistics import Estimate, estimate, percentile, proportion

QUANTILES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_ENOUGH: Final = {"p50": 1, "p95": 20, "p99": 100}
"""How many values a percentile takes: with fewer it would be the largest one by another name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One case.

    Attributes:
        case: What was asked.
        requests: How many, those that failed with them.
        errors: How many failed, by code.
        values: By name, as in `METRICS`; only what the samples tell.
    """

    case: Case
    requests: int
    errors: Mapping[str, int]
    values: Mapping[str, Estimate]


def latency_s(sample: Sample) -> Iterable[float]:
    """Return from when the request was due until its answer ended."""
    return (sample.ended_s - sample.due_s,)


def first_token_s(sample: Sample) -> Iterable[float]:
    """Return from when the request was due until its first token, nothing if none came."""
    return () if sample.first_s is None else (sample.first_s - sample.due_s,)


def token_s(sample: Sample) -> Iterable[float]:
    """Return the mean time of a token after the first, nothing where all came at once."""
    took_s = sample.tokens_s[-1] - sample.tokens_s[0] if sample.tokens_s else 0.0
    if not took_s or sample.tokens_out < 2:  # noqa: PLR2004 - a first and a next
        return ()
    return (took_s / (sample.tokens_out - 1),)


def gap_s(sample: Sample) -> Iterable[float]:
    """Return the time between each chunk with text and the next."""
    return [b - a for a, b in pairwise(sample.tokens_s)]


TIMES: Final[Mapping[str, Callable[[Sample], Iterable[float]]]] = {
    "ttft": first_token_s,
    "tpot": token_s,
    "itl": gap_s,
    "latency": latency_s,
}
"""Times of one request: to the first token, per output token, between chunks, of the whole."""

_WORDS: Final = {
    "ttft": "time to first token",
    "tpot": "time per output token",
    "itl": "gap between chunks",
    "latency": "latency",
}

_RATES: Final[Mapping[str, Callable[[Sample], int]]] = {
    "output_tokens_per_s": lambda sample: sample.tokens_out,
    "input_tokens_per_s": lambda sample: sample.tokens_in,
    "requests_per_s": lambda _: 1,
}

METRICS: Final = (
    *(f"{name}_{quantile}_s" for name in TIMES for quantile in QUANTILES),
    *_RATES,
    "error_ratio",
)
"""Every name of `Summary.values`, in the order in which people read them."""


def summarize(result: Result) -> tuple[Summary, ...]:
    """Return what the samples of *result* say, in the order of its cases."""
    return tuple(_summary(case, rounds_of(result, case)) for case in result.cases)


def rounds_of(result: Result, case: Case) -> list[list[Sample]]:
    """Return the samples of *case*, round by round; a round without any is an empty list."""
    rounds: list[list[Sample]] = [[] for _ in range(result.rounds)]
    for sample in result.samples:
        if sample.case == case.id:
            rounds[sample.round].append(sample)
    return rounds


def title_of(metric: str) -> str:
    """Return the name of *metric* for people: ``time to first token, p50``."""
    name, _, rest = metric.partition("_")
    if name in _WORDS:
        return f"{_WORDS[name]}, {rest.removesuffix('_s')}"
    return (
        metric.replace("_per_s", " per second").replace("_", " ").replace("error ratio", "errors")
    )


def unit_of(metric: str) -> str:
    """Return what a value of *metric* is in, for `quantity`."""
    if metric == "error_ratio":
        return "ratio"
    return "/s" if is_better_higher(metric) else "s"


def is_better_higher(metric: str) -> bool:
    """Tell whether more of *metric* is better."""
    return metric.endswith("_per_s")


def succeeded(samples: Iterable[Sample]) -> list[Sample]:
    """Return those that did not fail: only they have a latency."""
    return [sample for sample in samples if not sample.error]


def _summary(case: Case, rounds: Sequence[Sequence[Sample]]) -> Summary:
    every = [sample for samples in rounds for sample in samples]
    values: dict[str, Estimate] = {}
    for name in TIMES:
        values |= _quantiles(name, [ordered(samples, name) for samples in rounds])
    for name, amount in _RATES.items():
        values |= _rate(name, [(samples, span_s(samples, case)) for samples in rounds], amount)
    failed = Counter(sample.error for sample in every if sample.error)
    if every:
        values["error_ratio"] = proportion(
            failed.total(), len(every), [_failed(samples) for samples in rounds]
        )
    return Summary(case=case, requests=len(every), errors=dict(failed), values=values)


def ordered(samples: Iterable[Sample], name: str) -> list[float]:
    """Return the times *name*, as in `TIMES`, of those that succeeded, ascending."""
    return sorted(time for sample in succeeded(samples) for time in TIMES[name](sample))


def _quantiles(name: str, rounds: Sequence[list[float]]) -> dict[str, Estimate]:
    every = sorted(time for times in rounds for time in times)
    return {
        f"{name}_{word}_s": estimate(
            percentile(every, q), [percentile(times, q) if times else None for times in rounds]
        )
        for word, q in QUANTILES.items()
        if len(every) >= _ENOUGH[word]
    }


def _rate(
    name: str,
    rounds: Sequence[tuple[Sequence[Sample], float]],
    amount: Callable[[Sample], int],
) -> dict[str, Estimate]:
    amounts = [sum(map(amount, succeeded(samples))) for samples, _ in rounds]
    spans = [span for _, span in rounds]
    if not sum(amounts) or not sum(spans):
        return {}
    each = [total / span if span else None for total, span in zip(amounts, spans, strict=True)]
    return {name: estimate(sum(amounts) / sum(spans), each)}


def span_s(samples: Sequence[Sample], case: Case) -> float:
    """Return from when the first request was due until the last one ended.

    At a fixed rate at least until the next one would have been due: the gap after the last request
    is part of the load, too, and without it quick answers came faster than anybody asked.
    """
    if not samples:
        return 0.0
    gap_s = 1 / case.rate_per_s if case.mode == "rate" and case.rate_per_s else 0.0
    end_s = max(*(s.ended_s for s in samples), max(s.due_s for s in samples) + gap_s)
    return end_s - min(s.due_s for s in samples)


def _failed(samples: Sequence[Sample]) -> float | None:
    return sum(bool(s.error) for s in samples) / len(samples) if samples else None
