"""The page of a benchmark: complete, alone, well-formed, safe whatever a server calls itself."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from bench_results import CASE, measured, result, sample
from frontier.adapters.folders import templates
from frontier.domain.bench import Result
from frontier.domain.bench_summary import summarize
from frontier.domain.statistics import Estimate
from frontier.renderers.bench_page import between, page, without_secrets
from frontier.renderers.bench_plots import Run, load_of, plots, sweeps

TEMPLATE = templates("report")["bench.html.j2"]
VOID = {"meta", "link", "br", "hr", "img", "input"}


def run(of: Result, name: str = "") -> Run:
    return Run(name=name, result=of, summaries=summarize(of))


def html(*results: Result) -> str:
    names = "abcdef" if len(results) > 1 else [""]
    return page(TEMPLATE, [run(of, name) for name, of in zip(names, results, strict=False)])


class Seen(HTMLParser):
    """What a page has, and whether each element is closed where it should be."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    @property
    def text(self) -> str:
        return "\n".join(filter(None, self.words))


@pytest.fixture(scope="module")
def one() -> Seen:
    return Seen(html(measured()))


def test_each_case_has_its_figures_with_their_intervals(one: Seen) -> None:
    text = one.text

    assert one.count("h1") == 1
    for words in ("Benchmark of smollm2:135m", CASE.id, "240 requests in 5 rounds", "100 ms"):
        assert words in text
    assert re.search(r"\n98 to 103 ms\n", text)


def test_it_tells_what_was_run_and_how_to_repeat_it(one: Seen) -> None:
    for words in (
        *("frontier bench run --preset quick", "sha256:" + "a" * 64, "llamacpp", "b11549"),
        *("Test CPU", "8.0 GiB", "threads", "processor time", "500 ms", "0.6.0", "chat"),
        *("How to read it", "How to repeat it", "frontier bench compare"),
    ):
        assert words in one.text


def test_every_figure_of_every_round_is_in_it(one: Seen) -> None:
    assert one.count("details") == 2
    assert "gap between chunks, p99" in one.text


def test_a_page_needs_no_other_file_no_network_and_no_script() -> None:
    source = html(measured())
    seen = Seen(source)

    tags = {tag for tag, _ in seen.tags}
    names = {name for _, attributes in seen.tags for name in attributes}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    assert not names & {"src", "href", "srcset", "action", "xlink:href", "style"}
    assert not [name for name in names if name.startswith("on")]
    assert not re.search(r"url\(|@import|@font-face", source)
    addresses = set(re.findall(r"\b(?:https?:)?//[\w.]+", source))
    assert addresses == {"http://www.w3.org", "http://127.0.0.1"}  # SVG's name, and what was asked
    assert "default-src 'none'" in source


def test_it_is_made_for_narrow_wide_light_dark_and_paper() -> None:
    source = html(measured())

    for words in ("width=device-width", "prefers-color-scheme: dark", "@media print", "max-width"):
        assert words in source


def test_each_plot_is_well_formed_and_named_once() -> None:
    found = plots([run(measured())])

    assert [plot.name for plot in found] == [
        *("ttft-by-closed", "tpot-by-closed", "latency-by-closed"),
        *("output-tokens-per-s-by-closed", "requests-per-s-by-closed"),
        *("ttft-distribution", "latency-distribution", "itl-distribution"),
        *("latency-by-round", "output-tokens-by-round"),
    ]
    for plot in found:
        assert ElementTree.fromstring(plot.svg("light")).get("height") == f"{plot.height:g}"


def test_one_sweep_shows_its_percentiles_and_several_are_named_by_their_lengths() -> None:
    many = measured(each=8)
    longer = tuple(replace(case, id=case.id + "x", prompt_tokens=999) for case in many.cases)
    more = (replace(s, case=s.case + "x") for s in many.samples)
    both = replace(many, cases=many.cases + longer, samples=(*many.samples, *more))

    assert [one.label for one in sweeps([run(many)])] == [""]
    assert [one.label for one in sweeps([run(both)])] == ["128 in, 16 out", "999 in, 16 out"]
    assert "p95: 95 of 100" in plots([run(many)])[0].part
    assert [plot.name for plot in plots([run(both)])][:2] == [
        "ttft-p50-by-closed",
        "ttft-p95-by-closed",
    ]


def test_fixed_rates_and_closed_loops_have_plots_of_their_own() -> None:
    rate = replace(CASE, id="rate-2", mode="rate", rate_per_s=2.0)
    both = result(sample(), sample(case="rate-2"), cases=(CASE, rate))

    names = [plot.name for plot in plots([run(both)])]

    assert {"ttft-by-closed", "ttft-by-rate"} <= set(names)
    assert len(names) == len(set(names))
    assert (load_of(CASE), load_of(rate)) == (1, 2.0)


def test_results_side_by_side_are_told_apart_everywhere() -> None:
    seen = Seen(html(measured(), measured(slower=1.2)))

    assert seen.count("table") == 2 + 4
    assert {"a", "b", "a closed-c1-p128-o16", "b closed-c4-p128-o16"} <= set(seen.words)


def _cases(count: int, *, first: int = 0) -> Result:
    cases = tuple(replace(CASE, id=f"case-{first + i}") for i in range(count))
    return result(*(sample(case=case.id) for case in cases), cases=cases)


@pytest.mark.parametrize(
    ("runs", "drawn", "left"),
    [
        ([_cases(6)], [f"case-{i}" for i in range(6)], ""),
        ([_cases(8)], [f"case-{i}" for i in range(6)], "Left out: 2 of 8 cases;"),
        (
            [_cases(8), _cases(8)],
            ["a case-0", "a case-1", "a case-2", "b case-0", "b case-1", "b case-2"],
            "Left out: 10 of 16 cases;",
        ),
        (
            [_cases(4), _cases(4, first=3)],  # what both have comes first
            ["a case-3", "a case-0", "a case-1", "b case-3", "b case-4", "b case-5"],
            "Left out: 2 of 8 cases;",
        ),
        ([_cases(2)] * 8, [f"{name} case-0" for name in "abcdefgh"], "Left out: 8 of 16 cases;"),
        ([_cases(8), result()], [f"a case-{i}" for i in range(6)], "Left out: 2 of 8 cases;"),
    ],
)
def test_distributions_show_as_much_of_each_result_and_tell_what_is_left_out(
    runs: list[Result], drawn: list[str], left: str
) -> None:
    names = "abcdefgh" if len(runs) > 1 else [""]
    found = plots([run(of, name) for name, of in zip(names, runs, strict=False)])
    shown = {plot.name: plot for plot in found if plot.name.endswith("-distribution")}

    assert list(shown) == ["ttft-distribution", "latency-distribution", "itl-distribution"]
    for plot in shown.values():
        said = ElementTree.fromstring(plot.svg("light")).findtext(".//{*}desc") or ""
        assert [one.partition(":")[0] for one in said.split("; ")] == drawn
        assert left in plot.caption
        assert ("Left out" in plot.caption) == bool(left)


def test_what_failed_is_warned_of_and_drawn() -> None:
    broken = result(sample(), sample(error="http_503"), sample(error="timeout"))
    seen = Seen(html(broken))

    assert "2 of 3 requests failed: http_503 (1), timeout (1)." in seen.text
    assert "errors" in [plot.name for plot in plots([run(broken)])]


def test_where_all_failed_there_is_a_page_that_says_so() -> None:
    seen = Seen(html(result(sample(error="refused"))))

    assert "1 of 1 requests failed: refused (1)." in seen.text
    assert seen.count("figure") == 1


def test_a_run_that_measured_nothing_says_so() -> None:
    seen = Seen(html(result()))

    assert "nothing was measured" in seen.text
    assert seen.count("figure") == 0


def test_an_interrupted_run_and_its_notes_are_warned_of() -> None:
    seen = Seen(html(replace(measured(each=4), is_complete=False, notes=("The disk was busy.",))))

    assert "The run is not complete" in seen.text
    assert "The disk was busy." in seen.text


def test_one_round_has_no_interval_and_says_why() -> None:
    seen = Seen(html(measured(rounds=1)))

    assert "no confidence intervals" in seen.text
    assert not [words for words in seen.words if re.fullmatch(r"[\d.]+ to [\d.]+ ms", words)]


def test_embeddings_have_no_tokens_to_show() -> None:
    plain = (replace(sample(i), first_s=None, tokens_s=(), tokens_out=0) for i in range(30))
    found = [plot.name for plot in plots([run(result(*plain))])]

    assert found == ["latency-by-closed", "requests-per-s-by-closed", "latency-distribution"]


HOSTILE = '"><script>alert(1)</script>&{{ 7 * 7 }}{% raw %}\x00\x1b[31m</style></svg>'


def test_whatever_a_server_calls_itself_stays_text() -> None:
    case = replace(CASE, id=HOSTILE)
    bad = replace(
        result(sample(case=HOSTILE), sample(case=HOSTILE, error=HOSTILE), cases=(case,)),
        target=dict.fromkeys(("model", "engine", "url"), HOSTILE),
        settings={HOSTILE: HOSTILE},
        machine={"gpus": [HOSTILE], "cpu": HOSTILE},
        command=HOSTILE,
        created=HOSTILE,
        preset=HOSTILE,
        notes=(HOSTILE,),
    )
    seen = Seen(html(bad, bad))

    assert seen.count("script") == 0
    assert seen.count("style") == 1
    assert "49" not in seen.text.replace(CASE.id, "")
    assert "\x00" not in html(bad)
    assert "\x1b" not in html(bad)
    assert seen.text.count("<script>alert(1)</script>&{{ 7 * 7 }}") > 10


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("bench run --key sk-frontier-abcdefgh -n 3", "bench run --key *** -n 3"),
        ("bench run --api-key=hush", "bench run --api-key=***"),
        ("API_KEY=hush frontier bench run", "API_KEY=*** frontier bench run"),
        ("--url http://me:hush@host:1/v1", "--url http://***@host:1/v1"),
        ("Bearer hf_abcdefghijkl", "Bearer hf-***"),
        ("--prompt-tokens 128 --output-tokens 64", "--prompt-tokens 128 --output-tokens 64"),
    ],
)
def test_keys_and_passwords_are_not_shown(words: str, shown: str) -> None:
    assert without_secrets(words) == shown


def test_no_key_of_a_result_reaches_the_page() -> None:
    leaky = replace(
        measured(each=2),
        command="frontier bench run --key hush-1 --url http://u:hush-2@h",
        target={"url": "http://u:hush-3@h", "model": "m"},
        settings={"api_key": "hush-4", "HF_TOKEN": "hush-5", "max_tokens": 77},
    )

    assert "hush" not in html(leaky)
    assert "77" in html(leaky)


def test_an_interval_has_one_unit() -> None:
    def shown(low: float | None, high: float | None, unit: str = "s") -> str:
        return between(Estimate(0.1, low, high, None, ()), unit)

    assert shown(0.0098, 0.0123) == "9.8 to 12.3 ms"
    assert shown(0.9, 1.1) == "0.90 to 1.10 s"
    assert shown(0.0, 0.051, "ratio") == "0.00 to 5.10 %"
    assert shown(1024, 2048, "bytes") == "1.0 KiB to 2.0 KiB"
    assert shown(None, None) == ""
