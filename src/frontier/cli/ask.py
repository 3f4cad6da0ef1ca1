"""Questions to a person: with arrow keys, or by typed answers where the terminal cannot do more."""

import os
import shutil
from collections.abc import Callable, Sequence
from typing import Protocol

from frontier.cli import output
from frontier.domain.errors import FrontierError
from frontier.domain.setup import Option

Check = Callable[[str], object]
"""Takes an answer, or raises a FrontierError that says what is wanted."""

_LEAST_WIDTH = 20
_DIGITS = 9
_MARGIN = 8  # for number and mark of a choice
_WHY_NOT = "not here"


class Asker(Protocol):
    """Asks; Ctrl-C and the end of the terminal raise KeyboardInterrupt."""

    def select(self, question: str, options: Sequence[Option], default: str) -> str:
        """Return the value of one option."""
        ...

    def text(self, question: str, default: str, check: Check) -> str:
        """Return an answer that *check* takes."""
        ...

    def confirm(self, question: str, *, default: bool) -> bool:
        """Return yes or no."""
        ...


def asker() -> Asker:
    """Return who asks, by what the terminal can do."""
    return Typed() if os.environ.get("TERM", "dumb") in ("", "dumb") else Arrows()


class Arrows:
    """Arrow keys and Enter; a choice can be typed by its number, too."""

    def select(self, question: str, options: Sequence[Option], default: str) -> str:
        """Return the value of one option."""
        import questionary

        choices = [
            questionary.Choice(
                _line(o, _MARGIN if o.is_possible else _MARGIN + len(_WHY_NOT) + 3),
                value=o.value,
                disabled=None if o.is_possible else _WHY_NOT,
            )
            for o in options
        ]
        possible = [c for c in choices if not c.disabled] or choices
        chosen = next((c for c in possible if c.value == default), possible[0])
        answer: str = questionary.select(
            question,
            choices,
            default=chosen,
            use_shortcuts=len(choices) <= _DIGITS,
        ).unsafe_ask()
        return answer

    def text(self, question: str, default: str, check: Check) -> str:
        """Return an answer that *check* takes."""
        import questionary

        def validate(answer: str) -> bool | str:
            return complaint(check, answer) or True

        answer: str = questionary.text(question, default=default, validate=validate).unsafe_ask()
        return answer

    def confirm(self, question: str, *, default: bool) -> bool:
        """Return yes or no."""
        import questionary

        answer: bool = questionary.confirm(question, default=default).unsafe_ask()
        return answer


class Typed:
    """Plain lines: a number or a word, and Enter."""

    def select(self, question: str, options: Sequence[Option], default: str) -> str:
        """Return the value of one option, told by its number or its name."""
        output.line(f"? {question}")
        for number, option in enumerate(options, 1):
            output.line(f"  {number}) {_line(option, _MARGIN)}")
        values = [option.value for option in options]
        can = {o.value for o in options if o.is_possible}
        by_word = {str(i): v for i, v in enumerate(values, 1) if v in can} | {
            v: v for v in can if v
        }
        while True:
            typed = _typed(f"  [{default or values[0]}] ") or default or values[0]
            if typed in by_word:
                return by_word[typed]
            output.line(f"  one of {', '.join(sorted(by_word))}, please")

    def text(self, question: str, default: str, check: Check) -> str:
        """Return an answer that *check* takes."""
        while True:
            typed = _typed(f"? {question} [{default}] ") or default
            if not (why := complaint(check, typed)):
                return typed
            output.line(f"  {why}")

    def confirm(self, question: str, *, default: bool) -> bool:
        """Return yes or no."""
        while True:
            typed = _typed(f"? {question} [{'Y/n' if default else 'y/N'}] ").lower()
            if typed in ("", "y", "yes", "n", "no"):
                return typed.startswith("y") if typed else default
            output.line("  y or n, please")


def _typed(prompt: str) -> str:
    try:
        return input(prompt).strip()
    except EOFError as error:
        raise KeyboardInterrupt from error


def complaint(check: Check, answer: str) -> str:
    """Return why *check* does not take *answer*, "" where it does."""
    try:
        check(answer)
    except FrontierError as error:
        return f"{error.message}. {error.hint}" if error.hint else error.message
    return ""


def _line(option: Option, margin: int) -> str:
    """Return *option* on one line of the terminal, with *margin* columns to spare."""
    shown = f"{option.value or 'another'}  {option.note}".rstrip()
    width = max(shutil.get_terminal_size().columns - margin, _LEAST_WIDTH)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."
