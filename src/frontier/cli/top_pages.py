"""Pages over the screen of `frontier top`: help, and everything of one row."""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from frontier.cli.top_style import themed

KEYS: Final = (
    ("q, Ctrl-C", "quit"),
    ("Tab, Shift-Tab, 1 to 4", "go to a panel: models, engines, keys, errors"),
    ("Up, Down, PgUp, PgDn", "go to a row"),
    ("Enter", "all that is known of the row"),
    ("m", "all that is known of the machine"),
    ("s", "sort the panel by the next column, at last not at all"),
    ("/", "show only rows with some words; Esc shows all again"),
    ("p, Space", "pause, and go on"),
    ("+, -", "look more often, less often"),
    ("t", "dark, light, or the colours of the terminal"),
    ("?", "this page; Esc leaves it"),
)
_HINTS: Final = (
    *(("q", "quit"), ("?", "help"), ("tab", "panel"), ("p", "pause"), ("s", "sort")),
    *(("/", "filter"), ("enter", "details"), ("m", "machine"), ("+ -", "pace"), ("t", "theme")),
)
NOTES: Final = (
    "Rates and percentiles are of the last 10 seconds, or of the time between two looks where that "
    "is longer. The gateway counts a request when its answer ends, and what comes out of a stream "
    "while it comes. FIRST is the time to a stream's first token, TOKEN the time from one "
    "token to the next, both as medians; NOW are requests that an engine works on, QUEUE those "
    "that wait for a free one, HELD those that wait for one to be there."
)


class Hints(Static):
    """The keys that matter most, as many as fit."""

    def on_resize(self) -> None:
        """Draw for the new width."""
        self.draw()

    def draw(self) -> None:
        """Draw in the colours of the theme."""
        row = Text()
        for key, word in _HINTS:
            if row.cell_len + len(f" {key} {word} ") <= self.size.width:
                row += Text.assemble(
                    (f" {key}", f"bold {themed(self, 'text-accent')}"), f" {word} "
                )
        self.update(row)


class Page(ModalScreen[None]):
    """Names and values over the screen, to be scrolled and left.

    Args:
        title: Stands in its frame.
        rows: Names and values.
        note: Below them.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,question_mark,m", "dismiss", "close"),
    ]

    def __init__(self, title: str, rows: Sequence[tuple[str, str]], note: str = "") -> None:
        super().__init__()
        self._title, self._rows, self._note = title, rows, note

    def compose(self) -> ComposeResult:
        """Lay it out."""
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(ratio=1, overflow="fold")
        for name, value in self._rows:
            table.add_row(name, Text(value))
        with VerticalScroll(id="page") as page:
            page.border_title = Text(self._title)  # of a client's choice, so no markup
            page.border_subtitle = "Esc"
            yield Static(table)
            if self._note:
                yield Static(f"\n{self._note}", markup=False)

    async def action_dismiss(self, result: None = None) -> None:
        """Leave it."""
        self.dismiss(result)


def help_page() -> Page:
    """Return the page of keys."""
    return Page("Keys of frontier top", KEYS, NOTES)
