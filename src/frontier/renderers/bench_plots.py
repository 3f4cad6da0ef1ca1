"""The plots of benchmarks."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from frontier.domain.bench import Case, Mode, Result
from frontier.domain.bench_summary import Summary, ordered, rounds_of, unit_of
from frontier.renderers.chart import Chart, panel, picture
from frontier.renderers.chart_bars import Bar, bars, shares
from frontier.renderers.chart_lines import Series
from frontier.renderers.chart_style import Theme

WIDTH: Final = 480.0
HEIGHT: Final = 290.0
_X: Final[Mapping[Mode, str]] = {"closed": "users at once", "rate": "requests per second"}
_BAND: Final = "Shaded: 95\u00a0% confidence over the rounds."
_MOST: Final = 6
"""So many distributions are told apart in a plot; with more results, there is one of each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A result to show.

    Attributes:
        name: Tells it from others; "" where it is the only one.
        result: With its samples.
        summaries: Of its cases.
    """

    name: str
    result: Result
    summaries: tuple[Summary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A picture and what it shows.

    Attributes:
        name: Of its file, without ending.
        caption: How to read it.
        part: SVG, to be put in a `picture`.
        height: Pixels.
    """

    name: str
    caption: str
    part: str
    height: float = HEIGHT

    def svg(self, theme: Theme | None) -> str:
        """Return it as a document."""
        return picture([self.part], WIDTH, self.height, theme=theme)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Cases of one run that differ in their load alone."""

    label: str
    mode: Mode
    summaries: tuple[Summary, ...]


def plots(runs: Sequence[Run]) -> tuple[Plot, ...]:
    """Return the plots that *runs* have data for."""
    return (*_against_load(sweeps(runs)), *_distributions(runs), *_rounds(runs), *_errors(runs))


def sweeps(runs: Sequence[Run]) -> list[Sweep]:
    """Return the sweeps of *runs*, named by what tells them apart."""
    found: dict[tuple[str, Mode, int, int], list[Summary]] = {}
    for run in runs:
        for one in run.summaries:
            case = one.case
            key = (run.name, case.mode, case.prompt_tokens, case.output_tokens)
            found.setdefault(key, []).append(one)
    lengths = {key[2:] for key in found}
    return [
        Sweep(
            label=" ".join(filter(None, (key[0], _lengths(*key[2:]) if len(lengths) > 1 else ""))),
            mode=key[1],
            summaries=tuple(sorted(summaries, key=lambda one: load_of(one.case))),
        )
        for key, summaries in found.items()
    ]


def load_of(case: Case) -> float:
    """Return how much is asked at once: users, or requests per second."""
    return case.concurrency if case.mode == "closed" else case.rate_per_s


def _lengths(prompt: int, output: int) -> str:
    return f"{prompt} in, {output} out"


def _against_load(found: Sequence[Sweep]) -> Iterator[Plot]:
    for mode in _X:
        some = [one for one in found if one.mode == mode]
        for name, title, caption in _TIMES:
            yield from _times(name, title, caption, some, mode)
        for name, title in _RATES.items():
            series = [_line(one.label or title, one, name) for one in some]
            yield from _load_plot(name, f"{title} per second", _BAND, series, mode)


_TIMES: Final = (
    ("ttft", "Time to first token", "From when a request was due until its first token came."),
    ("tpot", "Time per output token", "Mean of each answer, after its first token."),
    ("latency", "Latency", "From when a request was due until its answer ended."),
)
_RATES: Final = {"output_tokens_per_s": "Output tokens", "requests_per_s": "Requests"}


def _times(
    name: str, title: str, caption: str, some: Sequence[Sweep], mode: Mode
) -> Iterator[Plot]:
    words = {"p50": "median", "p95": "95 of 100 are quicker", "p99": "99 of 100"}
    caption = f"{caption} {_BAND}"
    if len(some) == 1:
        series = [_line(f"{q}: {word}", some[0], f"{name}_{q}_s") for q, word in words.items()]
        yield from _load_plot(name, title, caption, series, mode)
        return
    for q in ("p50", "p95"):
        series = [_line(one.label, one, f"{name}_{q}_s") for one in some]
        yield from _load_plot(f"{name}-{q}", f"{title}, {words[q]}", caption, series, mode)


def _line(name: str, sweep: Sweep, metric: str) -> Series:
    known = [
        (load_of(one.case), one.values[metric]) for one in sweep.summaries if metric in one.values
    ]
    bounds = [(x, v.low, v.high) for x, v in known if v.low is not None and v.high is not None]
    return Series(name=name, points=tuple((x, v.value) for x, v in known), band=tuple(bounds))


def _load_plot(
    name: str, title: str, caption: str, series: Sequence[Series], mode: Mode
) -> Iterator[Plot]:
    known = tuple(one for one in series if one.points)
    chart = Chart(title=title, series=known, unit=unit_of(name), x_label=_X[mode], x_doubles=True)
    if known:
        yield _plot(f"{name.replace('_', '-')}-by-{mode}", caption, chart)


def _distributions(runs: Sequence[Run]) -> Iterator[Plot]:
    caption = "How many answers took no longer: steep is steady, a long tail is not."
    gaps = "How many gaps between two chunks of an answer were no longer."
    for name, title, words in (
        ("ttft", "Time to first token, all requests", caption),
        ("latency", "Latency, all requests", caption),
        ("itl", "Gaps between chunks", gaps),
    ):
        known = [found for run in runs if (found := _shares(run, name))]
        series = _chosen(known)
        chart = Chart(title=title, series=series, unit="ratio", x_unit="s", top=1.0)
        if series:
            yield _plot(f"{name}-distribution", words + _left_out(known, series), chart)


def _shares(run: Run, name: str) -> dict[str, Series]:
    """Return the distribution of each case of *run* that has one."""
    found: dict[str, Series] = {}
    for one in run.summaries:
        samples = itertools.chain.from_iterable(rounds_of(run.result, one.case))
        if points := shares(ordered(samples, name)):
            found[one.case.id] = Series(name=f"{run.name} {one.case.id}".strip(), points=points)
    return found


def _chosen(known: Sequence[Mapping[str, Series]]) -> tuple[Series, ...]:
    """Return as many of each run, first the cases that most of them have."""
    each = max(1, _MOST // max(1, len(known)))
    order = [case for case, _ in Counter(itertools.chain(*known)).most_common()]
    return tuple(run[case] for run in known for case in sorted(run, key=order.index)[:each])


def _left_out(known: Sequence[Mapping[str, Series]], drawn: Sequence[Series]) -> str:
    every = sum(map(len, known))
    left = every - len(drawn)
    return f" Left out: {left} of {every} cases; the table has all." if left else ""


def _rounds(runs: Sequence[Run]) -> Iterator[Plot]:
    caption = (
        "Each round as a share of all: a slope is a machine that gets hot, a cache that fills."
    )
    for metric, name, title in (
        ("latency_p50_s", "latency", "Median latency, round by round"),
        ("output_tokens_per_s", "output-tokens", "Output tokens per second, round by round"),
    ):
        series = tuple(_by_round(runs, metric))
        chart = Chart(title=title, series=series, unit="ratio", x_label="round", x_each=True)
        if any(len(one.points) > 1 for one in series):
            yield _plot(f"{name}-by-round", caption, chart)


def _by_round(runs: Sequence[Run], metric: str) -> Iterator[Series]:
    for run in runs:
        for one in run.summaries:
            found = one.values.get(metric)
            if found and found.value > 0:
                parts = [None if v is None else v / found.value for v in found.rounds]
                points = tuple((float(i), part) for i, part in enumerate(parts, 1))
                yield Series(name=f"{run.name} {one.case.id}".strip(), points=points)


def _errors(runs: Sequence[Run]) -> Iterator[Plot]:
    items = [
        Bar(name=f"{run.name} {one.case.id} {code}".strip(), value=count, colour=1)
        for run in runs
        for one in run.summaries
        for code, count in one.errors.items()
    ]
    if items:
        part, height = bars("Requests that failed", items, WIDTH)
        yield Plot(name="errors", caption="By case and cause.", part=part, height=height)


def _plot(name: str, caption: str, chart: Chart) -> Plot:
    return Plot(name=name, caption=caption, part=panel(chart, WIDTH, HEIGHT))
