"""What all dashboards share: their variables, their links, their grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLinkType,
    RowPanel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.panels import SOURCE, Panel

TAG: Final = "frontier"


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading.

    Attributes:
        is_folded: Whether it asks Prometheus nothing until somebody opens it.
    """

    title: str
    panels: Sequence[Panel]
    is_folded: bool = False


def board(
    slug: str, title: str, about: str, rows: Sequence[Row], *, labels: Sequence[str] = ()
) -> Dashboard:
    """Return a dashboard.

    Args:
        slug: Its file's name and, behind ``frontier-``, its stable uid.
        title: What people choose it by.
        about: One sentence.
        rows: From top to bottom.
        labels: By which people may narrow it: ``model``, ``backend``.
    """
    built = dashboard.Dashboard(title).uid(f"frontier-{slug}").description(about)
    built.tags([TAG]).time("now-1h", "now").refresh("30s").timezone("browser")
    built.tooltip(DashboardCursorSync.CROSSHAIR).editable().link(_links())
    built.with_variable(
        dashboard.DatasourceVariable("datasource").label("Source").type("prometheus")
    )
    for label in labels:
        built.with_variable(_variable(label))
    for row in rows:
        heading = dashboard.Row(row.title)
        if row.is_folded:  # Grafana keeps the panels of a folded row in it, and of others beside it
            for panel in row.panels:
                heading.with_panel(panel)
        built.with_row(heading)
        for panel in () if row.is_folded else row.panels:
            built.with_panel(panel)
    return _numbered(built.build())


def _links() -> dashboard.DashboardLink:
    """Return a link to each dashboard with the tag, for the same time and the same choice."""
    link = dashboard.DashboardLink("Frontier").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.as_dropdown(False).keep_time(True).include_vars(True).icon("external link")


def _variable(label: str) -> dashboard.QueryVariable:
    """Return a choice among a label's values, at first all of them."""
    query: dict[str, object] = {
        "query": f"label_values(frontier_requests_total, {label})",
        "refId": label,
    }
    variable = dashboard.QueryVariable(label).label(label.capitalize()).datasource(SOURCE)
    variable.query(query).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    variable.sort(VariableSort.ALPHABETICAL_ASC).multi(True).include_all(True).all_value(".*")
    return variable.current(VariableOption(text="All", value="$__all", selected=True))


def _numbered(built: Dashboard) -> Dashboard:
    """Give each panel a number of its own, by which links to it and Grafana itself know it."""
    ids = count(1)
    for panel in built.panels or ():
        panel.id_val = next(ids)
        for inner in panel.panels if isinstance(panel, RowPanel) else ():
            inner.id_val = next(ids)
    return built
