"""The tables of `frontier top`: what a column shows, and which columns fit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from frontier.domain.top import TopView

Row = TypeVar("Row")

GAP: Final = 2
Tone = Literal["good", "wait", "bad", ""]

_NAME_SHARE: Final = 3
"""Of the room a third is for names, before columns are left out; more where there is some left."""


@dataclass(frozen=True, slots=True)
class Column(Generic[Row]):
    """One column.

    Attributes:
        title: At its head.
        cell: What it shows of a row.
        key: What rows are sorted by; numbers begin with the largest.
        rank: When it goes where there is little room: the highest first, 0 never.
        width: It is at least that wide, so that columns do not jump.
        is_left: Words begin at its left; numbers end at its right.
        tone: Whether a cell tells of something good or bad.
    """

    title: str
    cell: Callable[[Row], str]
    key: Callable[[Row], Any]
    rank: int
    width: int = 4
    is_left: bool = False
    tone: Callable[[Row], Tone] | None = None

    def tone_of(self, row: Row) -> Tone:
        """Tell whether its cell tells of something good or bad."""
        return self.tone(row) if self.tone else ""


@dataclass(frozen=True, slots=True)
class Table(Generic[Row]):
    """One panel.

    Attributes:
        rows: Takes them from a look.
        name: What a row is recognised by from one look to the next.
        empty: What to say instead of no rows.
    """

    title: str
    rows: Callable[[TopView], Sequence[Row]]
    name: Callable[[Row], str]
    columns: tuple[Column[Row], ...]
    empty: str


@dataclass(frozen=True, slots=True)
class Fitted(Generic[Row]):
    """Columns that fit, with their widths, and the rows in order."""

    columns: tuple[Column[Row], ...]
    widths: tuple[int, ...]
    rows: tuple[Row, ...]


def found(table: Table[Row], view: TopView, words: str) -> list[Row]:
    """Return the rows of *table* that have *words* in some cell."""
    return [row for row in table.rows(view) if _has(table, row, words)]


def fitted(
    table: Table[Row],
    view: TopView,
    width: int,
    *,
    words: str = "",
    order: Column[Row] | None = None,
) -> Fitted[Row]:
    """Return what of *table* is shown on *width* cells.

    Args:
        table: Which one.
        view: The look.
        width: Of the room; what does not fit goes by its rank, and the first column is cut last.
        words: Only rows that have them in some cell are shown.
        order: The column to sort by, None for the order of the look.
    """
    rows = found(table, view, words)
    if order:
        rows.sort(key=order.key, reverse=not order.is_left)
    natural = {column: _width(column, rows) for column in table.columns}
    kept = list(table.columns)
    name = kept[0]
    widths = {**natural, name: min(natural[name], max(name.width, width // _NAME_SHARE))}
    while _total(kept, widths) > width and (least := max(kept, key=lambda c: c.rank)).rank:
        kept.remove(least)
    widths[name] = max(1, min(natural[name], widths[name] + width - _total(kept, widths)))
    return Fitted(tuple(kept), tuple(widths[column] for column in kept), tuple(rows))


def _total(columns: Sequence[Column[Row]], widths: Mapping[Column[Row], int]) -> int:
    return sum(widths[column] + GAP for column in columns)


def _width(column: Column[Row], rows: Sequence[Row]) -> int:
    return max([len(column.title) + 1, column.width, *(len(column.cell(row)) for row in rows)])


def _has(table: Table[Row], row: Row, words: str) -> bool:
    shown = " ".join(column.cell(row) for column in table.columns).lower()
    return words.lower() in shown
