"""What `frontier bench run` shows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from frontier.cli.output import table, text
from frontier.domain.bench_summary import Summary
from frontier.domain.statistics import Estimate
from frontier.domain.units import quantity
from frontier.usecases.bench import Plan
from frontier.usecases.bench_compare import Comparison

_MINUTES_S: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A run, without its samples: they lie in the file.

    Attributes:
        path: The result.
        table: The same as CSV.
        cases: What the samples say.
    """

    path: Path
    table: Path
    target: Any
    client: Any
    rounds: int
    is_complete: bool
    notes: tuple[str, ...]
    cases: tuple[Summary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InTurns:
    """Two models, measured in turns.

    Attributes:
        comparison: From the first to the second; None where they cannot be compared.
    """

    runs: tuple[Measured, Measured]
    comparison: Comparison | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plans:
    """What measuring two models in turns would do."""

    plans: tuple[Plan, ...]


@text.register
def _(result: InTurns) -> str:
    return "\n\n".join(text(part) for part in (*result.runs, result.comparison) if part)


@text.register
def _(result: Plans) -> str:
    return "\n\n".join(map(text, result.plans))


@text.register
def _(result: Plan) -> str:
    rows = [
        (case.id, "as time allows" if count is None else f"{count}")
        for case, count in zip(result.cases, result.counts, strict=True)
    ]
    least, most = _about(result.least_s), _about(result.most_s)
    about = least if least == most else f"{least} to {most}"
    return "\n".join(
        [
            f"would ask {result.model} at {result.url}",
            table(("CASE", "REQUESTS PER ROUND"), rows),
            f"{result.rounds} rounds, about {about}; the same prompts again: --seed {result.seed}",
        ]
    )


def _about(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _MINUTES_S else f"{seconds / 60:.0f} min"


@text.register
def _(result: Measured) -> str:
    target = result.target
    engine = " ".join(filter(None, (target["engine"], target["engine_version"])))
    lines = [
        f"{target['model']} at {target['url']}" + (f", {engine}" if engine else ""),
        "",
        table(
            ("CASE", "REQUESTS/S", "TOKENS/S", "LATENCY p50/95/99", "FIRST TOKEN", "PER TOKEN", ""),
            [_row(summary) for summary in result.cases],
        ),
        "",
        *(f"note: {told}" for told in result.notes),
        f"wrote {result.path} and {result.table.name}",
    ]
    return "\n".join(lines)


def _row(summary: Summary) -> tuple[str, ...]:
    values = summary.values
    errors = ", ".join(f"{count} {code}" for code, count in summary.errors.items())
    return (
        summary.case.id,
        _rate(values.get("requests_per_s")),
        _rate(values.get("output_tokens_per_s") or values.get("input_tokens_per_s")),
        _quantiles(summary, "latency"),
        _quantiles(summary, "ttft"),
        _one(values.get("tpot_p50_s")),
        errors,
    )


def _rate(estimate: Estimate | None) -> str:
    """Return a rate with its interval."""
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3g}"
    return f"{estimate.value:.3g} ±{(estimate.high - estimate.low) / 2:.2g}"


def _quantiles(summary: Summary, name: str) -> str:
    found = [summary.values.get(f"{name}_{word}_s") for word in ("p50", "p95", "p99")]
    return "/".join(_one(each) for each in found) if any(found) else "-"


def _one(estimate: Estimate | None) -> str:
    return quantity(estimate.value, "s") if estimate else "-"
