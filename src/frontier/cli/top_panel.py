"""One table of `frontier top` on the screen: sorted, filtered, with a cursor."""

from collections.abc import Sequence
from typing import Any

from rich.text import Text
from textual.widgets import DataTable, Static

from frontier.cli.top_style import toned
from frontier.cli.top_tables import Column, Fitted, Table, fitted, found
from frontier.domain.top import TopView


class Panel(DataTable[Text]):
    """Shows one table of every look.

    Args:
        table: Which one.
        number: The key that leads to it.
    """

    def __init__(self, table: Table[Any], number: int) -> None:
        super().__init__(cursor_type="row", id=table.title.lower(), show_cursor=False)
        self.table, self._number = table, number
        self._view: TopView | None = None
        self._order: Column[Any] | None = None
        self._words = ""
        self._shown: Fitted[Any] = Fitted((), (), ())

    def show(self, view: TopView, words: str) -> None:
        """Show *view*, of it the rows with *words*."""
        self._view, self._words = view, words
        self._fill()

    def sort_next(self) -> str:
        """Sort by the next column that is on the screen, at last by none; return its title."""
        columns = self._shown.columns
        place = columns.index(self._order) + 1 if self._order in columns else 0
        self._order = columns[place] if place < len(columns) else None
        self._fill()
        return self._order.title if self._order else ""

    @property
    def selected(self) -> object | None:
        """Return the row under the cursor, None where there is none."""
        rows = self._shown.rows
        return rows[self.cursor_row] if 0 <= self.cursor_row < len(rows) else None

    def on_resize(self) -> None:
        """Choose the columns that fit now."""
        self._fill()

    def on_focus(self) -> None:
        """Show the cursor; a click comes here, too."""
        self.show_cursor = True
        for panel in self.screen.query(Panel):
            panel.set_class(panel is self, "-current")

    def on_blur(self) -> None:
        """Hide it: keys go to another panel."""
        self.show_cursor = False

    def _fill(self) -> None:
        room = self.size.width
        if self._view is None or room <= 0:
            return
        is_at_top = self.cursor_row == 0
        kept, scrolled = self._known_as(self.selected), self.scroll_y
        shown = fitted(self.table, self._view, room, words=self._words, order=self._order)
        self._shown = shown
        self.clear(columns=True)
        for column, width in zip(shown.columns, shown.widths, strict=True):
            self.add_column(self._title(column, width), width=width)
        for row in shown.rows:
            pairs = zip(shown.columns, shown.widths, strict=True)
            self.add_row(*(self._cell(column, row, width) for column, width in pairs))
        names = [self._known_as(row) for row in shown.rows]
        # who stands at the top stays there: that is where new errors come
        place = 0 if is_at_top or kept not in names else names.index(kept)
        self.move_cursor(row=place, animate=False, scroll=False)
        self.scroll_to(y=scrolled, animate=False)
        self.border_title = self.title
        self.border_subtitle = self.nothing

    @property
    def title(self) -> str:
        """Return its key, its name and the number of its rows."""
        count = len(found(self.table, self._view, self._words)) if self._view else 0
        return f"{self._number} {self.table.title} {count}"

    @property
    def nothing(self) -> str:
        """Return why it has no rows, "" where it has some."""
        if self._shown.rows:
            return ""
        return f"none with {self._words!r}" if self._words else self.table.empty

    def _known_as(self, row: object | None) -> str:
        return "" if row is None else self.table.name(row)

    def _title(self, column: Column[Any], width: int) -> Text:
        title = f"{column.title}▾" if column is self._order else column.title
        return Text(_placed(title, width, is_left=column.is_left))

    def _cell(self, column: Column[Any], row: object, width: int) -> Text:
        words = column.cell(row)
        style = "dim" if words in ("-", "0") else toned(self, column.tone_of(row))
        return Text(_placed(words, width, is_left=column.is_left), style=style)


class Tabs(Static):
    """The panels by name, on a screen that is too low for all of them."""

    def show(self, panels: Sequence[Panel]) -> None:
        """Show the titles of *panels*, the current one marked."""
        row, nothing = Text(), ""
        for panel in panels:
            is_current = panel.has_class("-current")
            row += Text(f" {panel.title} ", "reverse" if is_current else "") + " "
            nothing = panel.nothing if is_current else nothing
        self.update(row + Text(f" {nothing}", "dim"))


def _placed(words: str, width: int, *, is_left: bool) -> str:
    shown = words if len(words) <= width else f"{words[: width - 1]}…"
    return shown if is_left else shown.rjust(width)
