"""Panels as one call each: what it shows, why, its unit and its queries."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
NOTHING: Final = "nothing yet"
HEIGHT: Final = 8
LOW: Final = 4

Panel = Any  # the SDK's builders share their methods, but no type that says so
Levels = tuple[tuple[float | None, str], ...]
"""From which value on, the first from None, which colour."""

PLAIN: Final[Levels] = ((None, "text"),)
"""A value that is neither good nor bad."""

BAD_ABOVE_0: Final[Levels] = ((None, "green"), (1, "red"))
UP: Final = {1: ("up", "green"), 0: ("down", "red")}
TOKENS_PER_S: Final = "suffix: tokens/s"


@dataclass(frozen=True, slots=True)
class Query:
    """One expression, and what its series are called: ``{{label}}`` stands for a label's value."""

    expr: str
    legend: str = ""


def lines(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    stack: bool = False,
    most: float | None = None,
    none: str = NOTHING,
) -> Panel:
    """Return values over time.

    Args:
        title: Short.
        about: What it says, and what to do when it is bad.
        unit: One of Grafana's.
        queries: What it shows.
        width: In columns, of which there are 24.
        stack: Whether the series' sum means something.
        most: Where the axis ends, for shares.
        none: Shown in place of data.
    """
    panel = timeseries.Panel().min(0).line_width(1).fill_opacity(25 if stack else 8)
    panel.show_points(VisibilityMode.AUTO).legend(_legend())
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    if stack:
        panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if most is not None:
        panel.max(most)
    return _placed(_described(panel, title, about, unit, none), width, *map(_target, queries))


def number(
    title: str,
    about: str,
    unit: str,
    query: Query,
    *,
    width: int = 4,
    height: int = LOW,
    levels: Levels = PLAIN,
    is_count: bool = False,
    none: str = NOTHING,
) -> Panel:
    """Return the present value, in the colour of its level; a count has no decimals.

    Prometheus' `increase` of a whole number is none, since it reckons to the window's ends.
    """
    panel = stat.Panel().color_mode(BigValueColorMode.VALUE).text_mode(BigValueTextMode.VALUE)
    panel.graph_mode(BigValueGraphMode.AREA).thresholds(_thresholds(levels))
    panel.reduce_options(_last())
    if is_count:
        panel.decimals(0)
    described = _described(panel, title, about, unit, none)
    return _placed(described, width, _target(query), height=height)


def heat(title: str, about: str, query: Query, *, width: int = 12) -> Panel:
    """Return how durations spread over the buckets of a histogram."""
    panel = heatmap.Panel().calculate(False).cell_gap(1).show_legend()
    panel.color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues"))
    panel.y_axis(heatmap.YAxisConfig().unit("s"))
    panel.hide_from(common.HideSeriesConfig().tooltip(False).legend(False).viz(False))
    target = _target(Query(query.expr, "{{le}}")).format(PromQueryFormat.HEATMAP)
    return _placed(_described(panel, title, about, "short", NOTHING), width, target)


def states(
    title: str,
    about: str,
    meaning: Mapping[int, tuple[str, str]],
    query: Query,
    *,
    width: int = 12,
    none: str = NOTHING,
) -> Panel:
    """Return the state of several things over time; *meaning* has a text and a colour by value."""
    results = {
        str(value): ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, (text, colour)) in enumerate(meaning.items())
    }
    panel = statetimeline.Panel().mappings([ValueMap(options=results)]).fill_opacity(70)
    panel.line_width(0).show_value(VisibilityMode.NEVER).merge_values(True).legend(_legend())
    return _placed(_described(panel, title, about, "short", none), width, _target(query))


def bars(
    title: str, about: str, unit: str, query: Query, *, width: int = 12, none: str = NOTHING
) -> Panel:
    """Return present values as one bar each."""
    panel = bargauge.Panel().orientation(VizOrientation.HORIZONTAL).min(0)
    panel.reduce_options(_last()).thresholds(_thresholds(((None, "blue"),)))
    target = _target(query, instant=True)
    return _placed(_described(panel, title, about, unit, none), width, target)


def rows(
    title: str,
    about: str,
    unit: str,
    query: Query,
    *,
    value: str,
    by: str = "",
    width: int = 12,
    none: str = NOTHING,
) -> Panel:
    """Return present values as a table: a column for each label, and one called *value*.

    It is sorted *by* a label.
    """
    columns = {"excludeByName": {"Time": True}, "renameByName": {"Value": value}}
    panel = (
        table.Panel()
        .filterable(True)
        .with_transformation(DataTransformerConfig(id_val="organize", options=columns))
    )
    if by:
        panel.sort_by([common.TableSortByFieldState().display_name(by).desc(False)])
    target = _target(query, instant=True).format(PromQueryFormat.TABLE)
    return _placed(_described(panel, title, about, unit, none), width, target)


def _described(panel: Panel, title: str, about: str, unit: str, none: str) -> Panel:
    return panel.title(title).description(about).unit(unit).no_value(none).datasource(SOURCE)


def _placed(
    panel: Panel, width: int, *targets: prometheus.Dataquery, height: int = HEIGHT
) -> Panel:
    """Return *panel* with its size and its queries, which are called A, B, C."""
    named = [target.ref_id(chr(ord("A") + index)) for index, target in enumerate(targets)]
    return panel.targets(named).span(width).height(height)


def _target(query: Query, *, instant: bool = False) -> prometheus.Dataquery:
    target = prometheus.Dataquery().datasource(SOURCE).expr(query.expr)
    target.legend_format(query.legend)
    return target.instant() if instant else target.range()


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False)


def _legend() -> common.VizLegendOptions:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST)
    return legend.placement(LegendPlacement.BOTTOM).show_legend(True).calcs([])


def _thresholds(levels: Levels) -> ThresholdsConfig:
    steps = [Threshold(value=value, color=colour) for value, colour in levels]
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
