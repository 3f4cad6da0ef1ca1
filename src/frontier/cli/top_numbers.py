"""The upper part of `frontier top`: what runs, the traffic as a whole, and the machine."""

from collections import deque
from collections.abc import Sequence
from typing import Final

from rich.text import Text
from textual.widgets import Static

from frontier.cli.top_style import bar, sparkline, themed, toned
from frontier.cli.top_tables import Tone
from frontier.cli.top_text import gpu_parts, head
from frontier.cli.top_words import amount, duration, percent, rate
from frontier.domain.top import GpuView, MachineView, Spread, TopView

_HISTORY: Final = 200
_WARM_PERCENT: Final = 75
_HOT_PERCENT: Final = 92
_MOST_GPUS: Final = 3
_WIDEST_BAR: Final = 24
_ROW: Final = 44
"""Cells before a history begins."""


class Head(Static):
    """One line: what runs, and what the screen itself does."""

    _shown: tuple[TopView, str] | None = None

    def show(self, view: TopView, doing: str) -> None:
        """Show what runs at the left, *doing* at the right."""
        self._shown = view, doing
        self.draw()

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.draw()

    def draw(self) -> None:
        """Draw what was shown last."""
        if self._shown is None:
            return
        view, doing = self._shown
        tone: Tone = "bad" if view.problem or view.state != "running" else ""
        left, right = Text(f" {head(view)}", f"bold {toned(self, tone)}"), Text(f" {doing} ")
        left.truncate(max(0, self.size.width - right.cell_len), overflow="ellipsis", pad=True)
        self.update(left + right)


class Numbers(Static):
    """The traffic of all models, each rate with its history."""

    _view: TopView | None = None

    def __init__(self) -> None:
        super().__init__()
        self._requests: deque[float | None] = deque(maxlen=_HISTORY)
        self._tokens: deque[float | None] = deque(maxlen=_HISTORY)

    def show(self, view: TopView) -> None:
        """Add *view* to the history and show it."""
        self._requests.append(view.traffic.requests_per_s)
        self._tokens.append(view.traffic.tokens_out_per_s)
        self._view = view
        self.draw()

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.draw()

    def draw(self) -> None:
        """Draw what was shown last."""
        if self._view is None:
            return
        flow = self._view.traffic
        wrong = toned(self, "bad" if flow.failed_per_s else "")
        failed = Text(f"failed {rate(flow.failed_per_s)}", wrong)
        read = Text(f"in {rate(flow.tokens_in_per_s)}")
        rows = [
            _row("requests/s", rate(flow.requests_per_s), failed, self._line(self._requests)),
            _row("tokens/s", rate(flow.tokens_out_per_s), read, self._line(self._tokens)),
            _row("first token", *_spread(flow.first_token)),
            _row("per token", *_spread(flow.per_token)),
            _row("in flight", f"{flow.in_flight}", Text(f"queued {flow.queued}  held {flow.held}")),
        ]
        self.update(Text("\n").join(rows))

    def _line(self, history: Sequence[float | None]) -> Text:
        width = max(0, min(_HISTORY, self.size.width - _ROW - 1))
        return Text(sparkline(history, width), themed(self, "primary"))


def _row(label: str, number: str, more: Text, history: Text | None = None) -> Text:
    row = Text.assemble((f" {label:<12}", "dim"), (f"{number:>8}  ", "bold"), more)
    row.truncate(_ROW, pad=True)
    return row + (history or "")


def _spread(spread: Spread) -> tuple[str, Text]:
    return duration(spread.p50_s), Text(f"p95 {duration(spread.p95_s)}")


class Machine(Static):
    """Processors, memory and GPUs, as bars."""

    _view: MachineView | None = None

    def show(self, view: MachineView | None) -> None:
        """Show *view*."""
        self._view = view
        self.draw()

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.draw()

    def draw(self) -> None:
        """Draw what was shown last."""
        if (view := self._view) is None:
            return
        total = max(1, view.memory_total_bytes)
        share = 100 * view.memory_used_bytes / total
        memory = f"{amount(view.memory_used_bytes)} of {amount(view.memory_total_bytes)}"
        rows = [
            self._bar("CPU", view.cpu_percent, f"of {view.cpus}"),
            self._bar("MEM", share, memory),
            *self._gpus(view.gpus),
        ]
        if view.problem:
            rows.append(Text(f" {view.problem}", toned(self, "bad")))
        for row in rows:
            row.truncate(self.size.width, overflow="ellipsis")
        self.update(Text("\n").join(rows))

    def _gpus(self, gpus: Sequence[GpuView]) -> list[Text]:
        shown = [self._bar("GPU", g.used_percent, "  ".join((*gpu_parts(g), g.name))) for g in gpus]
        more = len(gpus) - _MOST_GPUS
        if more <= 0:
            return shown
        return [*shown[: _MOST_GPUS - 1], Text(f" and {more + 1} GPUs more: press m", "dim")]

    def _bar(self, label: str, share: float | None, more: str) -> Text:
        width = min(_WIDEST_BAR, max(4, self.size.width // 5))
        tone: Tone = "good"
        if (share or 0) >= _WARM_PERCENT:
            tone = "bad" if (share or 0) >= _HOT_PERCENT else "wait"
        full, empty = bar(share or 0, width)
        return Text.assemble(
            (f" {label} ", "dim"),
            (full, toned(self, tone)),
            (empty, "underline dim"),
            (f" {percent(share):>5}", "bold"),
            f"  {more}",
        )
