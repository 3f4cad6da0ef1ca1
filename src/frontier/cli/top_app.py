"""The screen of `frontier top`."""

import asyncio
import re
import shlex
import signal
import threading
from typing import TYPE_CHECKING, ClassVar, Final

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.widgets import DataTable, Input

from frontier.cli.top_columns import TABLES
from frontier.cli.top_numbers import Head, Machine, Numbers
from frontier.cli.top_pages import Hints, Page, help_page
from frontier.cli.top_panel import Panel, Tabs
from frontier.cli.top_words import details
from frontier.domain.top import EngineView, Failure, TopView

if TYPE_CHECKING:
    from frontier.usecases.top import Top

_INTERVALS_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_THEMES: Final = {
    "ansi-dark": "colours of the terminal",
    "textual-dark": "dark",
    "textual-light": "light",
}
_SOON_S: Final = 0.5
_SIGNALLED: Final = 128  # the shell's way: 128 + n for an end by signal n


class Seen(Message):
    """There is a new look, or what kept it from being."""

    def __init__(self, view: TopView | Exception) -> None:
        super().__init__()
        self.view = view


class TopApp(App[int]):
    """Looks in a thread of its own, so that nothing that is slow ever stops the screen.

    Args:
        top: What one looks at.
        first: The first look.
        interval_s: Between two.
    """

    CSS_PATH = "top.tcss"
    TITLE = "frontier top"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (96, "-wide"), (150, "-widest")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (36, "-high")]  # noqa: RUF012 Textual declares both so
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit"),
        Binding("ctrl+c", "quit", priority=True),
        Binding("question_mark", "help"),
        Binding("p,space", "pause"),
        Binding("s", "sort"),
        Binding("slash", "filter"),
        Binding("plus,equals_sign", "pace(-1)"),
        Binding("minus", "pace(1)"),
        Binding("t", "theme"),
        Binding("m", "machine"),
        Binding("tab", "next(1)", priority=True),
        Binding("shift+tab", "next(-1)", priority=True),
        *(Binding(str(n), f"panel({n})") for n in range(1, len(TABLES) + 1)),
    ]

    def __init__(self, top: "Top", first: TopView, *, interval_s: float) -> None:
        super().__init__()
        self._top, self._view, self._interval_s = top, first, interval_s
        self._is_paused, self._words = False, ""
        self._wake, self._ended = threading.Event(), threading.Event()
        self._head, self._numbers, self._machine = Head(), Numbers(), Machine()
        self._panels = [Panel(table, number) for number, table in enumerate(TABLES, 1)]
        self._tabs, self._hints = Tabs(), Hints()
        self._filter = Input(placeholder="show only rows with …")

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield self._head
        yield Container(self._numbers, self._machine, id="above")
        yield self._tabs
        yield Container(*self._panels, id="panels")
        yield self._filter
        yield self._hints

    def on_mount(self) -> None:
        """Begin to look, and end in order however one is told to."""
        self.theme = next(iter(_THEMES))
        self.theme_changed_signal.subscribe(self, lambda _: self._redraw())
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.exit, _SIGNALLED + number)
        loop.add_signal_handler(signal.SIGINT, self.exit)
        self.action_panel(1)
        self.call_after_refresh(self.post_message, Seen(self._view))
        threading.Thread(target=self._look, daemon=True).start()

    def on_unmount(self) -> None:
        """Look no more."""
        self._ended.set()
        self._wake.set()

    def _look(self) -> None:
        pause_s: float | None = _SOON_S  # rates need a second look
        while not self._ended.is_set():
            self._wake.wait(pause_s)
            self._wake.clear()
            pause_s = None if self._is_paused else self._interval_s
            if not (self._is_paused or self._ended.is_set()):
                self.post_message(Seen(self._seen()))  # from a thread, as it allows

    def _seen(self) -> TopView | Exception:
        try:
            return self._top.look()
        except Exception as error:  # a bug: it ends the screen, not this thread alone
            return error

    @on(Seen)
    def _show(self, seen: Seen) -> None:
        if isinstance(seen.view, Exception):
            raise seen.view
        self._view = seen.view
        self._numbers.show(seen.view)
        self._machine.show(seen.view.machine)
        self._refill()

    def _refill(self) -> None:
        self._head.show(self._view, self._doing)
        for panel in self._panels:
            panel.show(self._view, self._words)
        self._tabs.show(self._panels)

    @property
    def _panel(self) -> Panel:
        """Return the panel that keys go to."""
        return next((p for p in self._panels if p.has_class("-current")), self._panels[0])

    @property
    def _doing(self) -> str:
        words = f"filter {self._words!r}  " if self._words else ""
        return words + ("PAUSED" if self._is_paused else f"every {self._interval_s:g} s")

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(help_page())

    def action_pause(self) -> None:
        """Stop looking, or go on."""
        self._is_paused = not self._is_paused
        self._wake.set()
        self._refill()

    def action_pace(self, steps: int) -> None:
        """Look less often, for negative *steps* more often."""
        slower = [s for s in _INTERVALS_S if s > self._interval_s]
        faster = [s for s in _INTERVALS_S if s < self._interval_s]
        choice = slower[:1] if steps > 0 else faster[-1:]
        self._interval_s = next(iter(choice), self._interval_s)
        self._wake.set()
        self._refill()

    def action_sort(self) -> None:
        """Sort the panel by the next column."""
        self._panel.sort_next()

    def action_panel(self, number: int) -> None:
        """Go to the panel of that number."""
        for place, panel in enumerate(self._panels, 1):
            panel.set_class(place == number, "-current")
        self.call_after_refresh(self._enter)  # on a low screen it was hidden until now

    def _enter(self) -> None:
        self._panel.focus()
        self._tabs.show(self._panels)

    def action_next(self, steps: int) -> None:
        """Go to the next panel, for negative *steps* to the one before."""
        place = self._panels.index(self._panel) + steps
        self.action_panel(place % len(self._panels) + 1)

    def action_theme(self) -> None:
        """Take the next theme."""
        names = list(_THEMES)
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self.notify(_THEMES[self.theme], timeout=2)

    def _redraw(self) -> None:
        self._numbers.draw()
        self._machine.draw()
        self._hints.draw()
        self._refill()

    def action_filter(self) -> None:
        """Ask for words."""
        self._filter.display = True
        self._filter.focus()

    @on(Input.Changed)
    def _narrow(self, changed: Input.Changed) -> None:
        self._words = changed.value
        self._refill()

    @on(Input.Submitted)
    def _keep(self) -> None:
        self._filter.display = False
        self._panel.focus()

    def key_escape(self) -> None:
        """Show all rows again."""
        self._filter.value = ""
        self._keep()

    @on(DataTable.RowSelected)
    def action_details(self) -> None:
        """Show all that is known of the row under the cursor."""
        panel = self._panel
        if (row := panel.selected) is not None:
            self.push_screen(Page(panel.table.name(row), details(row), _next(row)))

    def action_machine(self) -> None:
        """Show all that is known of the machine."""
        view = self._view.machine
        if view is None:
            return
        rows = [(n, v) for n, v in details(view) if n != "gpus"]
        for number, gpu in enumerate(view.gpus):
            rows += [(f"GPU {number} {name}", value) for name, value in details(gpu)]
        self.push_screen(Page("machine", rows))


def _next(row: object) -> str:
    """Return what to type to learn more of *row*."""
    match row:
        case EngineView(place="elsewhere"):
            return "It is not ours: the gateway only sends requests there."
        case EngineView():
            return f"What it wrote: frontier logs {row.name}"
        case Failure():
            # a client may choose any printable characters as its id
            command = ["frontier", "logs", "gateway", "--grep", re.escape(row.request_id)]
            return f"What the gateway wrote: {shlex.join(command)}"
        case _:
            return ""
