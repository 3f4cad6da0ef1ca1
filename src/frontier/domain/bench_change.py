"""What became better or worse from one benchmark to the next, and how sure that is."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from frontier.domain.bench import Case, Result
from frontier.domain.bench_notes import INTERRUPTED
from frontier.domain.bench_summary import METRICS, Summary, is_better_higher, summarize
from frontier.domain.statistics import CONFIDENCE, Estimate, difference, ratio

Verdict = Literal["better", "worse", "no difference shown", "not known"]

HEADLINES: Final = (
    *("ttft_p50_s", "tpot_p50_s", "latency_p50_s"),
    *("output_tokens_per_s", "requests_per_s", "error_ratio"),
)
"""What decides whether something became worse, unless a person names other metrics."""

_ALWAYS: Final = ("latency_p50_s", "requests_per_s", "error_ratio")
"""The headlines that every kind of answer has; an embedding has no tokens."""

_LONGER: Final = 0.05
_ROUNDS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One metric of one case.

    Attributes:
        metric: As in `METRICS`.
        base: Its value before, None where the samples do not tell it.
        new: Its value now, None likewise.
        change: Part by which it grew, -0.1 for a tenth less; of `error_ratio` the difference.
            None where one of both is missing or 0.
        low: Where the 95 % confidence interval of `change` begins, None without one.
        high: Where it ends.
        verdict: ``better`` and ``worse`` only where the interval leaves no doubt.
    """

    metric: str
    base: Estimate | None
    new: Estimate | None
    change: float | None
    low: float | None
    high: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChange:
    """All metrics of one case that at least one of both results tells."""

    case: Case
    changes: tuple[Change, ...]


def changes(base: Result, new: Result) -> tuple[CaseChange, ...]:
    """Return what changed in each case that both have, in the order of *base*."""
    now = {summary.case.id: summary for summary in summarize(new)}
    return tuple(
        CaseChange(case=was.case, changes=tuple(_changes(was, now[was.case.id])))
        for was in summarize(base)
        if was.case.id in now
    )


def worsened(
    cases: Collection[CaseChange], limit: float, metrics: Collection[str] = ()
) -> tuple[str, ...]:
    """Return, in words, each of *metrics* that is worse beyond doubt and by more than *limit*.

    Args:
        cases: From `changes`.
        limit: 0.05 for 5 %; of `error_ratio`, 5 of 100 requests.
        metrics: Names in `METRICS`; none for `HEADLINES`.
    """
    metrics = metrics or HEADLINES
    return tuple(
        f"{case.case.id} {one.metric}: {one.change:+.1%}"
        for case in cases
        for one in case.changes
        if one.metric in metrics and one.verdict == "worse" and abs(one.change or 0.0) > limit
    )


def undecided(cases: Collection[CaseChange], metrics: Collection[str] = ()) -> tuple[str, ...]:
    """Return each case and metric without an interval: it could not be found worse.

    Args:
        cases: From `changes`.
        metrics: Names in `METRICS`; none for `HEADLINES`, as far as a result tells them.
    """
    return tuple(f"{case.case.id} {name}" for case in cases for name in _untold(case, metrics))


def _untold(case: CaseChange, metrics: Collection[str]) -> Iterator[str]:
    decided = {one.metric: one.low is not None for one in case.changes}
    needed = metrics or [name for name in HEADLINES if name in _ALWAYS or name in decided]
    return (name for name in needed if not decided.get(name))


def caveats(base: Result, new: Result, cases: Collection[CaseChange]) -> Iterator[str]:
    """Yield what a reader should know before they believe *cases*."""
    for name, result in (("base", base), ("new", new)):
        if not result.is_complete:
            yield f"{name} is not complete: later rounds or cases are missing"
        yield from (f"{name}: {note}" for note in result.notes if note != INTERRUPTED)
        if result.rounds < _ROUNDS:
            yield f"{name} has one round, so there is no interval: measure with --rounds 3 or more"
    yield from _lengths(base, new, cases)
    tested = sum(one.low is not None for case in cases for one in case.changes)
    by_chance = round(tested * (1 - CONFIDENCE))
    if by_chance:
        yield f"of {tested} comparisons about {by_chance} would show a difference by chance alone"


def _lengths(base: Result, new: Result, cases: Collection[CaseChange]) -> Iterator[str]:
    for case in cases:
        was, now = (_mean_length(result, case.case) for result in (base, new))
        if was and now and abs(now / was - 1) > _LONGER:
            yield (
                f"{case.case.id}: answers had {was:.0f} and {now:.0f} tokens, so latency and"
                " requests/s differ for that alone; compare time per token"
            )


def _mean_length(result: Result, case: Case) -> float:
    lengths = [s.tokens_out for s in result.samples if s.case == case.id and not s.error]
    return sum(lengths) / len(lengths) if lengths else 0.0


def _changes(base: Summary, new: Summary) -> Iterator[Change]:
    for metric in METRICS:
        was, now = base.values.get(metric), new.values.get(metric)
        if was or now:
            yield _change(metric, was, now)


def _change(metric: str, base: Estimate | None, new: Estimate | None) -> Change:
    change = low = high = None
    if base and new and metric == "error_ratio":
        change = new.value - base.value
        if min(map(_told, (base, new))) >= _ROUNDS:
            low, high = difference(new, base)
    elif base and new and (found := ratio(new, base)):
        change = found.value - 1
        if found.low is not None and found.high is not None:
            low, high = found.low - 1, found.high - 1
    return Change(
        metric=metric,
        base=base,
        new=new,
        change=change,
        low=low,
        high=high,
        verdict=_verdict(metric, low, high),
    )


def _told(one: Estimate) -> int:
    return sum(value is not None for value in one.rounds)


def _verdict(metric: str, low: float | None, high: float | None) -> Verdict:
    if low is None or high is None:
        return "not known"
    if low <= 0 <= high:
        return "no difference shown"
    return "better" if (low > 0) == is_better_higher(metric) else "worse"
