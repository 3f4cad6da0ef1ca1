"""A benchmark as one HTML page that needs nothing else: no network, no script, no font."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from jinja2 import DictLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from frontier.domain.bench import Result
from frontier.domain.bench_summary import METRICS, Summary, title_of, unit_of
from frontier.domain.statistics import Estimate
from frontier.domain.units import prefix, quantity, size
from frontier.renderers.bench_plots import Run, plots
from frontier.renderers.chart_style import style, words_of

GENERATOR: Final = '<meta name="generator" content="frontier bench report">'
"""What stands near the top of each page: a file with it may be written anew."""

COLUMNS: Final = (
    *("ttft_p50_s", "ttft_p95_s", "tpot_p50_s", "latency_p50_s", "latency_p95_s"),
    *("output_tokens_per_s", "requests_per_s"),
)
"""The metrics of the table that people read first; the others follow below."""

_SECRETS: Final = (
    (re.compile(r"((?:--?|\b)[\w-]*(?:key|token|secret|password)[=\s:]+)\S+", re.I), r"\1***"),
    (re.compile(r"(://)[^/@\s]+@"), r"\1***@"),
    (re.compile(r"\b(sk|hf|gsk|xai)[-_][\w-]{8,}"), r"\1-***"),
)
_HIDDEN: Final = re.compile(r"(^|_)(key|token|secret|password)$", re.I)
_NAMES: Final = {
    "cpu_s": "processor time",
    "wall_s": "duration",
    "late_p99_s": "sent late, p99",
}
_TARGET: Final = ("model", "model_digest", "engine", "engine_version", "api", "operation", "url")


def page(template: str, runs: Sequence[Run]) -> str:
    """Return *runs*, at least one, as an HTML document.

    Args:
        template: Of the page, for Jinja.
        runs: In the order in which they are shown.
    """
    environment = SandboxedEnvironment(
        loader=DictLoader({"page": template}),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_writable,
    )
    return environment.get_template("page").render(
        generator=Markup(GENERATOR),  # noqa: S704 - our own words
        title=_title(runs),
        css=Markup(style("auto")),  # noqa: S704 - our own rules, no text of others
        plots=[
            {"name": plot.name, "caption": plot.caption, "svg": Markup(plot.svg(None))}  # noqa: S704 - its texts are escaped where they enter
            for plot in plots(runs)
        ],
        runs=[_run(run) for run in runs],
        columns=[title_of(metric) for metric in COLUMNS],
    )


def _writable(value: object) -> object:
    return words_of(value) if type(value) is str else value  # our own markup is no plain str


def without_secrets(words: str) -> str:
    """Return *words* of a command line or address without keys and passwords."""
    for pattern, instead in _SECRETS:
        words = pattern.sub(instead, words)
    return words


def between(value: Estimate, unit: str) -> str:
    """Return the confidence interval of *value* for people, "" if it has none."""
    if value.low is None or value.high is None:
        return ""
    if unit == "bytes":
        return f"{size(value.low)} to {size(value.high)}"
    divisor, name = prefix(value.high, unit)
    low, high = value.low / divisor, value.high / divisor
    decimals = 0 if high >= 100 else 1 if high >= 10 else 2  # noqa: PLR2004 - three digits
    return f"{low:.{decimals}f} to {high:.{decimals}f} {name}".rstrip()


def _title(runs: Sequence[Run]) -> str:
    models = dict.fromkeys(run.result.target.get("model") or "a model" for run in runs)
    return f"Benchmark of {', '.join(models)}"


def _run(run: Run) -> dict[str, Any]:
    result = run.result
    return {
        "name": run.name,
        "created": result.created,
        "command": without_secrets(result.command),
        "rounds": result.rounds,
        "requests": sum(one.requests for one in run.summaries),
        "warnings": list(_warnings(result, run.summaries)),
        "rows": [_row(one) for one in run.summaries],
        "every": [_every(one) for one in run.summaries],
        "facts": list(_facts(result)),
    }


def _warnings(result: Result, summaries: Sequence[Summary]) -> Iterator[str]:
    if not result.is_complete:
        yield "The run is not complete: later rounds or cases are missing."
    if result.rounds == 1:
        yield (
            "There is one round, so there are no confidence intervals and no comparison can be"
            " sure: measure with --rounds 3 or more."
        )
    if not result.samples:
        yield "There is no sample: nothing was measured."
    for one in summaries:
        if failed := sum(one.errors.values()):
            codes = ", ".join(f"{code} ({count})" for code, count in one.errors.items())
            yield f"{one.case.id}: {failed} of {one.requests} requests failed: {codes}."
    yield from result.notes


def _row(one: Summary) -> dict[str, Any]:
    return {
        "case": one.case.id,
        "requests": one.requests,
        "failed": sum(one.errors.values()),
        "cells": [_cell(one, metric) for metric in COLUMNS],
    }


def _cell(one: Summary, metric: str) -> dict[str, str]:
    value = one.values.get(metric)
    unit = unit_of(metric)
    if value is None:
        return {"name": title_of(metric), "value": "-", "between": ""}
    shown = quantity(value.value, unit)
    return {"name": title_of(metric), "value": shown, "between": between(value, unit)}


def _every(one: Summary) -> dict[str, Any]:
    rows = [
        {**_cell(one, metric), "rounds": _rounds(one, metric)}
        for metric in METRICS
        if metric in one.values
    ]
    return {"case": one.case.id, "rows": rows}


def _rounds(one: Summary, metric: str) -> str:
    values = one.values[metric].rounds
    return ", ".join("-" if v is None else quantity(v, unit_of(metric)) for v in values)


def _facts(result: Result) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield groups of names and values: all that it takes to repeat the run."""
    target = {name: result.target.get(name, "") for name in _TARGET}
    about = {"Frontier": result.frontier, "commit": result.commit, "preset": result.preset}
    yield "Asked", _pairs({**target, **result.load})
    yield "Machine", _pairs(result.machine)
    yield "Settings", _pairs(result.settings)
    yield "Measured by", _pairs({**about, "created": result.created})
    yield "What measuring cost", _pairs(result.client)


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (_plain_name(name), "***" if _HIDDEN.search(name) else _shown(name, value))
        for name, value in values.items()
        if value not in ("", None, [], ())
    ]


def _plain_name(name: str) -> str:
    return _NAMES.get(name) or re.sub(r"_(s|bytes)$", "", name).replace("_", " ")


def _shown(name: str, value: object) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if name.endswith("_bytes"):
            return size(value)
        if name.endswith("_s"):
            return quantity(value, "s")
    if isinstance(value, list | tuple):
        return ", ".join(without_secrets(str(part)) for part in value)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType] - JSON
    return without_secrets(str(value))
