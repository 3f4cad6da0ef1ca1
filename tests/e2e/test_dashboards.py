"""Every query of every dashboard, asked of a real Prometheus that watched a real stack at work."""

import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from dashboards import FOLDER
from dashboards.drawing import draw
from dashboards.reading import Asked, asked, boards, filled, panels

from busy_stack import BusyStack, busy_stack

ROOT = Path(__file__).parents[2]
BOARDS = boards(ROOT / FOLDER)
ASKED = [query for name, board in BOARDS.items() for query in asked(name, board)]


MAY_BE_0 = {
    ("system", "Firing alerts"): "an alert waits for a minute at least",
    ("system", "Disk traffic"): "all that is read lies in memory already",
    ("system", "Network"): "nothing need come or go on a machine for tests",
    ("system", "XID errors"): "a GPU without an error",
}


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[BusyStack]:
    with busy_stack(tmp_path_factory.mktemp("busy"), smollm2) as found:
        yield found


def series(busy: BusyStack, query: Asked) -> list[dict[str, Any]]:
    expr = query.filled(rate_s=5, range_s=60)
    return busy.prometheus.query_range(expr, busy.begin, time.time(), 1)


@pytest.mark.parametrize("query", ASKED, ids=str)
def test_a_query_finds_what_happened(busy: BusyStack, query: Asked) -> None:
    found = series(busy, query)

    values = [float(value) for one in found for _, value in one["values"]]
    finite = [value for value in values if math.isfinite(value)]
    assert finite, f"no data: {query.expr}"
    named = set(re.findall(r"{{(\w+)}}", query.legend))
    assert all(named <= one["metric"].keys() for one in found), query.legend
    if (query.board, query.panel["title"]) not in MAY_BE_0:
        assert max(finite) > 0, f"always 0: {query.expr}"


@pytest.mark.parametrize("label", ["model", "backend"])
def test_a_choice_of_labels_offers_what_there_is(busy: BusyStack, label: str) -> None:
    offered = busy.prometheus.get(f"label/{label}/values", **{"match[]": "frontier_requests_total"})

    assert {"model": {"smollm2:135m", "priced"}, "backend": {"llamacpp", "paid"}}[label] <= {
        *offered
    }


@pytest.mark.parametrize("name", BOARDS)
def test_a_picture_shows_every_panel_that_is_not_folded(busy: BusyStack, name: str) -> None:
    def ask(expr: str) -> list[dict[str, Any]]:
        complete = filled(expr, rate_s=5, range_s=60)
        return busy.prometheus.query_range(complete, busy.begin, time.time(), 1)

    svg = draw(BOARDS[name], ask, (busy.begin, time.time()), opened=())

    said = list(ElementTree.fromstring(svg).itertext())
    folded = {panel["title"] for panel in BOARDS[name]["panels"] if panel.get("collapsed")}
    found = {(row in folded, panel["title"]) for row, panel in panels(BOARDS[name])}
    assert all(title in said for is_folded, title in found if not is_folded)
    assert not folded & set(said)
    assert "nothing yet" not in said


def test_what_may_be_0_is_on_a_dashboard() -> None:
    assert MAY_BE_0.keys() <= {(query.board, query.panel["title"]) for query in ASKED}
