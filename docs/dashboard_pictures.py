"""Draw Grafana's dashboards as docs/_static/dashboards/*.svg, of a stack that is really at work.

Usage: make pictures      (two minutes: the stack of the tests, asked by clients of all kinds)
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from dashboards import FOLDER
from dashboards.drawing import draw
from dashboards.reading import boards, filled

from busy_stack import busy_stack

TARGET = Path(__file__).parent / "_static" / "dashboards"
SECONDS = 120
OPENED = ("llama.cpp",)  # the one engine that really runs


def main() -> None:
    """Start, wait, draw, save."""
    TARGET.mkdir(parents=True, exist_ok=True)
    found = boards(Path(__file__).parents[1] / FOLDER)
    with (
        tempfile.TemporaryDirectory() as folder,
        busy_stack(Path(folder), at_least_s=SECONDS) as busy,
    ):
        span = busy.begin, time.time()

        def ask(expr: str) -> list[dict[str, Any]]:
            complete = filled(expr, rate_s=15, range_s=int(span[1] - span[0]))
            return busy.prometheus.query_range(complete, *span, 2)

        for name, board in found.items():
            (TARGET / f"{name}.svg").write_text(draw(board, ask, span, OPENED), encoding="utf-8")
    sys.stdout.write(f"{len(found)} pictures in {TARGET}\n")


if __name__ == "__main__":
    main()
