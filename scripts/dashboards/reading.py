"""What dashboards ask of Prometheus, read from their JSON as Grafana does."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of one panel.

    Attributes:
        board: The dashboard's file name without its ending.
        row: The heading that it stands under.
        panel: The panel's JSON.
        expr: With Grafana's variables in it.
        legend: ``{{label}}`` stands for a label's value.
    """

    board: str
    row: str
    panel: dict[str, Any]
    expr: str
    legend: str

    def __str__(self) -> str:
        return f"{self.board}: {self.row}: {self.panel['title']}"

    def filled(self, *, rate_s: int, range_s: int) -> str:
        """Return the expression with Grafana's variables filled, everything chosen."""
        return filled(self.expr, rate_s=rate_s, range_s=range_s)


def filled(expr: str, *, rate_s: int, range_s: int) -> str:
    """Return *expr* with Grafana's variables filled, everything chosen."""
    values = {"__rate_interval": f"{rate_s}s", "__range": f"{range_s}s"}
    for name, value in {**values, "model": ".*", "backend": ".*"}.items():
        expr = expr.replace(f"${name}", value)
    return expr


def boards(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the dashboards in *folder* by their file names without ending."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def panels(board: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each panel that shows data, and the heading that it stands under."""
    heading = ""
    for panel in board["panels"]:
        if panel["type"] == "row":
            heading = panel["title"]
            yield from ((heading, inner) for inner in panel["panels"])
        else:
            yield heading, panel


def asked(name: str, board: dict[str, Any]) -> Iterator[Asked]:
    """Yield every query of the dashboard called *name*."""
    for heading, panel in panels(board):
        for target in panel["targets"]:
            yield Asked(name, heading, panel, target["expr"], target["legendFormat"])
