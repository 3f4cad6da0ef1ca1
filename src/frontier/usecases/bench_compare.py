"""Compare two benchmarks, where that makes sense."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from frontier.domain.bench import Result
from frontier.domain.bench_change import CaseChange, caveats, changes, undecided, worsened
from frontier.domain.bench_unlike import Unlike, require_alike
from frontier.domain.errors import RefusedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of both results: its file, when it was made, and of what."""

    path: str
    created: str
    frontier: str
    target: Mapping[str, str]
    rounds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What changed from *base* to *new*.

    Attributes:
        allowed: What differs beside speed, and was allowed to.
        cases: Those that both have.
        caveats: What to know before one believes it, in sentences.
        worse: In words, what is worse beyond doubt and by more than the limit; empty without one.
    """

    base: Side
    new: Side
    allowed: tuple[Unlike, ...]
    cases: tuple[CaseChange, ...]
    caveats: tuple[str, ...]
    worse: tuple[str, ...]


def compare(
    base: tuple[str, Result],
    new: tuple[str, Result],
    *,
    allowed: Collection[str] = (),
    limit: float | None = None,
    metrics: Collection[str] = (),
) -> Comparison:
    """Return what changed from *base* to *new*, each the path of a result and the result.

    Args:
        base: What to compare with.
        new: What is judged.
        allowed: Kinds of differences, of `KINDS`, that are what is compared.
        limit: By what part *metrics* may become worse; None for any.
        metrics: Of `METRICS`; only they are held against *limit*. None for `HEADLINES`.

    Raises:
        UnlikeError: they differ in more than is *allowed*, or have no case in common.
        RefusedError: there is a *limit*, nothing is worse, and not all *metrics* can be told.
    """
    differences = require_alike(base[1], new[1], allowed)
    cases = changes(base[1], new[1])
    worse = () if limit is None else worsened(cases, limit, metrics)
    untold = () if limit is None else undecided(cases, metrics)
    if untold and not worse:
        raise RefusedError(
            f"not all can be told: {len(untold)} values have no interval",
            hint="An interval takes two rounds of both results with answers: "
            "frontier bench run --rounds 3",
            details="\n".join(untold),
        )
    return Comparison(
        base=_side(*base),
        new=_side(*new),
        allowed=differences,
        cases=cases,
        caveats=(
            *caveats(base[1], new[1], cases),
            *(f"{one} has no interval: nobody can tell whether it is worse" for one in untold),
        ),
        worse=worse,
    )


def _side(path: str, result: Result) -> Side:
    return Side(
        path=path,
        created=result.created,
        frontier=result.frontier,
        target=result.target,
        rounds=result.rounds,
    )
