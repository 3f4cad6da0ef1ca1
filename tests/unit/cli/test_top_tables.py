"""The tables of `frontier top`: numbers for people, and columns that fit."""

import pytest

from frontier.cli.output import text
from frontier.cli.top import top as _registers_the_text_form  # noqa: F401
from frontier.cli.top_columns import ENGINES, ERRORS, MODELS, TABLES
from frontier.cli.top_tables import GAP, Fitted, Table, fitted
from frontier.cli.top_words import details, duration, rate
from frontier.domain.top import Traffic
from top_views import MODEL, look


def titles(shown: Fitted[object]) -> list[str]:
    return [column.title for column in shown.columns]


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        *((None, "-"), (0, "0"), (0.004, "0.00"), (0.25, "0.25"), (9.99, "9.99"), (9.996, "10.0")),
        *((12.54, "12.5"), (99.96, "100"), (340, "340"), (999.6, "1.00k"), (12_340, "12.3k")),
        *((1e6, "1.00M"), (2.5e15, "2500T")),
    ],
)
def test_rates_have_three_digits(number: float | None, shown: str) -> None:
    assert rate(number) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        *((None, "-"), (0, "0.0 ms"), (0.0081, "8.1 ms"), (0.0525, "52 ms"), (1.254, "1.25 s")),
        *((59.9, "59.9 s"), (60, "1m00s"), (3599, "59m59s"), (3600, "1h00m"), (172_800, "2d00h")),
        *((200_000, "2d07h"), (11_520, "3h12m")),
    ],
)
def test_durations_are_for_people(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
@pytest.mark.parametrize("width", [40, 58, 78, 98, 118, 198])
def test_what_is_shown_is_never_wider_than_the_room(table: Table[object], width: int) -> None:
    found = fitted(table, look(), width)

    assert sum(cells + GAP for cells in found.widths) <= width
    assert titles(found)[0] == table.columns[0].title


def test_columns_go_by_their_rank_and_none_lacks_where_there_is_room() -> None:
    narrow = titles(fitted(ENGINES, look(), 58))

    assert {"SERVICE", "STATE", "CPU", "MEMORY"} <= set(narrow)
    assert "RESTARTS" not in narrow
    assert titles(fitted(ENGINES, look(), 300)) == [c.title for c in ENGINES.columns]


def test_a_longer_name_takes_no_column_from_the_numbers_that_matter() -> None:
    narrow, wide = fitted(MODELS, look(), 58), fitted(MODELS, look(), 400)

    assert {"MODEL", "REQ/S", "OUT/S", "FIRST", "NOW"} <= set(titles(narrow))
    assert wide.widths[0] == len(look().models[1].name)


def test_rows_are_sorted_numbers_from_the_largest_words_from_a() -> None:
    codes = next(c for c in ERRORS.columns if c.title == "CODE")
    names = next(c for c in MODELS.columns if c.title == "MODEL")

    errors = fitted(ERRORS, look(), 100, order=codes).rows
    models = fitted(MODELS, look(), 100, order=names).rows

    assert [e.status for e in errors] == list(range(500, 491, -1))
    assert [m.name for m in models][-1] == MODEL


def test_a_filter_leaves_the_rows_that_have_its_words_in_any_case() -> None:
    assert [m.name for m in fitted(MODELS, look(), 100, words="SMOL").rows] == [MODEL]
    assert fitted(MODELS, look(), 100, words="nothing such").rows == ()


def test_details_name_every_field_with_its_unit() -> None:
    rows = dict(details(look().models[0]))

    assert rows["memory"] == "1.0 GiB (1,073,741,824 bytes)"
    assert rows["tokens out/s"] == "345"
    assert rows["first token p50"] == "52 ms"
    assert rows["aliases"] == "-"


def test_the_text_has_every_table_and_the_traffic() -> None:
    shown = text(look())

    assert "llamacpp: running at http://127.0.0.1:11434" in shown
    assert "tokens/s out  345, in 800" in shown
    assert "first token   p50 52 ms, p95 180 ms" in shown
    assert "NVIDIA H200, 93 %" in shown
    for table in TABLES:
        assert table.columns[0].title in shown


def test_the_text_says_what_is_empty_and_what_is_wrong() -> None:
    wrong = look(problem="no answer", silent_s=5.0, keys=(), errors=(), traffic=Traffic())

    shown = text(wrong)

    assert "no answer, no numbers for 5.00 s" in shown
    assert "Errors: no request has failed" in shown
    assert "requests/s    -, failed -" in shown
