"""Charts as SVG: where things are, what they say, and that every reader can tell them apart."""

import re
from dataclasses import replace
from itertools import combinations
from math import inf, nan
from xml.etree import ElementTree

import pytest
import resvg_py

from frontier.renderers.chart import Chart, described, draw, panel, picture, placed
from frontier.renderers.chart_axis import amounts, clock, doublings
from frontier.renderers.chart_bars import Bar, bars, shares, tile
from frontier.renderers.chart_lines import Series
from frontier.renderers.chart_style import DARK, DASHES, LIGHT, PAPER, cut, style

NOON = 1_795_262_400.0  # 2026-11-21 12:00 UTC
RISING = Series(name="p50", points=((0, 0.0), (5, 0.05), (10, 0.1)))
CHART = Chart(title="Latency", series=(RISING,), unit="s")


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg.replace(' xmlns="http://www.w3.org/2000/svg"', ""))


def texts(svg: str) -> list[str]:
    return [text.text for text in parsed(svg).iter("text")]


def lines(svg: str, nth: int = 0) -> list[str]:
    found = parsed(svg).iter("path")
    return [p.get("d") for p in found if p.get("class") == f"s{nth}"][1:]  # the first: the legend's


@pytest.mark.parametrize(
    ("low", "high", "unit", "labels"),
    [
        (0, 0.1, "s", "0 20ms 40ms 60ms 80ms 100ms"),
        (0, 0.6, "s", "0 200ms 400ms 600ms"),
        (0, 1.0, "ratio", "0 20% 40% 60% 80% 100%"),
        (0, 2.2 * 2**30, "bytes", "0 0.5GiB 1.0GiB 1.5GiB 2.0GiB 2.5GiB"),
        (0, 7, "", "0 2 4 6 8"),
        (0, 12_000, "", "0 2.5k 5.0k 7.5k 10.0k 12.5k"),
        (-3, 7, "", "-4 -2 0 2 4 6 8"),
        (0, 0, "", "0 0.2 0.4 0.6 0.8 1.0"),
        (0, 0.0023, "", "0 0.0005 0.0010 0.0015 0.0020 0.0025"),
        (0, 3e-12, "/s", "0 1e-12/s 2e-12/s 3e-12/s"),
    ],
)
def test_ticks_are_round_in_the_unit_that_suits_them(low, high, unit, labels) -> None:
    assert " ".join(text.replace(" ", "") for text in amounts(low, high, unit).labels) == labels


def test_an_axis_holds_all_its_values() -> None:
    for high in (0.0003, 0.09, 1, 1.0000001, 99, 1023, 1e9):
        axis = amounts(0, high, "s")
        assert axis.low == 0
        assert axis.high >= high
        assert 3 <= len(axis.ticks) <= 7


def test_values_that_differ_by_rounding_alone_have_an_axis_from_zero() -> None:
    axis = amounts(0.01, 0.01 + 1e-17 * 9, "s")

    assert (axis.low, axis.high) == (0, 0.01)
    assert amounts(0.3, 0.1 + 0.2, "s").high >= 0.3


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        (20, "12:00:00 12:00:05 12:00:10 12:00:15 12:00:20"),
        (900, "12:00 12:05 12:10 12:15"),
        (3 * 86_400, "22 Nov 23 Nov 24 Nov"),
        (0, "12:00:00 12:00:01"),
    ],
)
def test_times_have_ticks_at_round_times_of_day(seconds, labels) -> None:
    assert " ".join(clock(NOON, NOON + seconds).labels) == labels


def test_doublings_are_equally_far_apart() -> None:
    axis = doublings([1, 2, 4, 8], "")

    assert [axis.place(value) for value in axis.ticks] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert doublings([4], "").place(4) == pytest.approx(0.5)


def test_a_line_goes_from_corner_to_corner_when_its_values_do() -> None:
    frame = [float(n) for n in re.findall(r"[\d.]+", lines(draw(CHART, 400, 200))[0])]

    assert frame[1] > frame[3] > frame[5]  # upwards
    assert frame[4] == 400 - 24
    assert frame[3] == pytest.approx((frame[1] + frame[5]) / 2, abs=0.1)


@pytest.mark.parametrize("hole", [None, nan, inf])
def test_a_missing_value_breaks_the_line(hole) -> None:
    broken = Series(name="x", points=((0, 1), (1, 1), (2, hole), (3, 1), (4, 1)))

    assert len(lines(draw(replace(CHART, series=(broken,)), 400, 200))) == 2


def test_a_value_alone_is_a_mark() -> None:
    lonely = Series(name="x", points=tuple((i, 1 if i == 30 else None) for i in range(60)))
    svg = draw(replace(CHART, series=(lonely,)), 400, 200)

    assert lines(svg) == []
    assert sum(p.get("class") == "f0 cm" for p in parsed(svg).iter("path")) == 2  # and the legend's


@pytest.mark.parametrize("series", [(), (Series(name="x", points=()),)])
def test_a_chart_without_data_says_so(series) -> None:
    empty = replace(CHART, series=series, x_unit="time", span=(NOON, NOON + 60))

    assert "no data" in texts(draw(empty, 400, 200))
    assert "no data" in described(empty)


def test_a_band_surrounds_its_line_and_fits_the_axis() -> None:
    band = Series(name="x", points=((1, 2.0), (2, 3.0)), band=((1, 1, 3), (2, 1, 9)))
    svg = draw(replace(CHART, series=(band,), unit=""), 400, 200)

    assert "10" in texts(svg)
    assert any(p.get("fill-opacity") for p in parsed(svg).iter("path"))


def test_what_a_screen_reader_says_names_each_series_and_its_bounds() -> None:
    group = parsed(draw(CHART, 400, 200)).find("g")

    assert group.get("role") == "img"
    assert group.find("title").text == "Latency"
    assert group.find("desc").text == "p50: 0 s to 100 ms"


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
def test_hostile_names_stay_text(theme) -> None:
    name = "</text><script>alert(1)</script>\"'&\x00\x1b[31m\ud800"
    svg = draw(
        Chart(title=name, series=(Series(name=name, points=((0, 1),)),)), 900, 200, theme=theme
    )

    assert not list(parsed(svg).iter("script"))
    assert sum("<script>" in text for text in texts(svg)) == 2
    assert resvg_py.svg_to_bytes(svg_string=svg)


def test_long_names_are_cut_and_never_leave_the_picture() -> None:
    svg = draw(replace(CHART, title="t" * 999), 300, 200)

    assert cut("abc", 100, 12) == "abc"
    assert max(len(text) for text in texts(svg)) < 40
    assert any(text.endswith("…") for text in texts(svg))


def test_a_long_legend_takes_rows_and_leaves_the_lines_their_place() -> None:
    many = tuple(replace(RISING, name=f"a series with number {i}") for i in range(30))
    svg = draw(replace(CHART, series=many), 400, 200)

    rows = {text.get("y") for text in parsed(svg).iter("text") if "series" in text.text}
    assert 2 <= len(rows) <= 4
    assert re.fullmatch(r"and \d+ more", next(t for t in texts(svg) if t.startswith("and")))
    heights = [float(y) for y in re.findall(r"[\d.]+ ([\d.]+)", lines(svg)[-1])]
    assert max(heights) - min(heights) > 60


def test_panels_lie_where_they_are_put_in_one_picture() -> None:
    svg = picture([placed(panel(CHART, 200, 100), 10, 20)], 300, 200, theme="dark")

    assert parsed(svg).find("g").get("transform") == "translate(10 20)"
    assert parsed(svg).get("viewBox") == "0 0 300 200"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_picture_as_png_has_the_colours_of_its_theme_and_its_size(theme) -> None:
    png = resvg_py.svg_to_bytes(svg_string=draw(CHART, 400, 200, theme=theme), zoom=2)

    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(png[i : i + 4], "big") for i in (16, 20)] == [800, 400]
    assert PAPER[theme] in draw(CHART, 400, 200, theme=theme)


def test_a_png_of_what_follows_the_reader_is_light() -> None:
    auto, light = (
        resvg_py.svg_to_bytes(svg_string=draw(CHART, 400, 200, theme=theme))
        for theme in ("auto", "light")
    )

    assert auto == light


def test_a_picture_in_a_page_brings_no_style_of_its_own() -> None:
    assert parsed(draw(CHART, 400, 200, theme=None)).find("style") is None
    assert "prefers-color-scheme: dark" in style("auto")


def test_bars_are_as_long_as_their_values() -> None:
    part, height = bars("Errors", [Bar(name="a", value=4), Bar(name="b", value=2)], 400)
    widths = [float(r.get("width")) for r in parsed(part).iter("rect")]

    assert widths[0] == pytest.approx(2 * widths[1], abs=0.1)
    assert height > 2 * 26
    assert texts(part) == ["Errors", "a", "4", "b", "2"]


def test_a_whisker_is_inside_the_picture() -> None:
    part, _ = bars("x", [Bar(name="a", value=4, low=1, high=9)], 400)
    (whisker,) = (p.get("d") for p in parsed(part).iter("path"))

    assert all(float(x) < 400 for x in re.findall(r"[MH]([\d.]+)", whisker))


def test_bars_of_nothing_are_empty() -> None:
    assert "no data" in bars("Errors", [], 400)[0]


def test_a_tile_shows_its_figure() -> None:
    assert texts(tile("TTFT", "23 ms", "p50", 200, 100)) == ["TTFT", "23 ms", "p50"]


def test_shares_rise_to_one_and_stay_few() -> None:
    assert shares([1, 2]) == ((1, 0), (1, 0.5), (2, 0.5), (2, 1.0))
    many = shares([i / 10 for i in range(10_000)])
    assert len(many) == 400
    assert many[-1] == (999.9, 1.0)
    assert list(many) == sorted(many)
    assert shares([]) == ()


# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of Color Vision
# Deficiency", 2009, severity 1.
EYES = {
    "all": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.152, 1.053, -0.205), (0.115, 0.786, 0.099), (-0.004, -0.048, 1.052)),
    "deuteranopia": ((0.367, 0.861, -0.228), (0.280, 0.673, 0.047), (-0.012, 0.043, 0.969)),
    "tritanopia": ((1.256, -0.077, -0.179), (-0.078, 0.931, 0.148), (0.005, 0.691, 0.304)),
}  # fmt: skip


def linear(colour: str) -> list[float]:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def lab(colour: str, eyes: str) -> tuple[float, float, float]:
    r, g, b = (
        min(1, max(0, sum(a * c for a, c in zip(row, linear(colour), strict=True))))
        for row in EYES[eyes]
    )
    xyz = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.95047,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.08883,
    )
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("eyes", EYES)
@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_colours_differ_for_every_pair_of_eyes(eyes, palette) -> None:
    for a, b in combinations(palette, 2):
        apart = sum((x - y) ** 2 for x, y in zip(lab(a, eyes), lab(b, eyes), strict=True)) ** 0.5
        assert apart > 20, (a, b)  # 2 is the least that people notice side by side


@pytest.mark.parametrize(("palette", "theme"), [(LIGHT, "light"), (DARK, "dark")])
def test_colours_stand_out_from_the_paper(palette, theme) -> None:
    def light(colour: str) -> float:
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))

    for colour in palette:
        dim, bright = sorted((light(colour), light(PAPER[theme])))
        assert (bright + 0.05) / (dim + 0.05) >= 3, colour  # WCAG 2.2, 1.4.11


def test_each_colour_has_a_dash_of_its_own() -> None:
    assert len(set(DASHES)) == len(LIGHT) == len(DARK) == 6
