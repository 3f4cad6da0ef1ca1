"""The list of known troubles is true: words, commands and the page that is made from it."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from frontier.adapters.troubles import load
from frontier.cli.app import app
from frontier.domain.trouble import ANY, Trouble, explain
from frontier.renderers.troubles import is_sentence, page

ROOT = Path(__file__).parents[2]
TROUBLES = load()
COMMAND = re.compile(r"(?<![\w./-])frontier (?=[a-z-])[^;.,]*")


def code() -> str:
    """Every string of the package, with the joints of those that span lines taken out."""
    texts = [path.read_text() for path in sorted((ROOT / "src/frontier").rglob("*.py"))]
    joined = re.sub(r'"\s*\n\s*f?"', "", "\n".join(texts))
    return " ".join(re.sub(r"\{[^{}]*\}", ANY, joined).split())


@pytest.fixture(scope="module")
def said() -> str:
    return code()


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda t: t.id)
def test_what_frontier_says_stands_in_its_code(trouble: Trouble, said: str) -> None:
    for words in trouble.says.get("frontier", ()):
        for piece in filter(str.strip, words.split(ANY)):
            assert " ".join(piece.split()) in said, words


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda t: t.id)
def test_a_trouble_is_found_by_all_that_is_said_of_it(trouble: Trouble) -> None:
    for texts in trouble.says.values():
        for words in texts:
            shown = f"Traceback\n  at line 3\nerror: {words.replace(ANY, 'some name')}\nexit 1"
            assert trouble in explain(shown, TROUBLES), words


def named(word: list[str]) -> Any:
    """The command that *word* begins with, None where there is none."""
    found: Any = typer.main.get_command(app)
    for part in word:
        if part.startswith("-") or not hasattr(found, "commands"):
            return found
        if part not in found.commands:
            return None
        found = found.commands[part]
    return found


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda t: t.id)
def test_every_command_that_is_advised_exists(trouble: Trouble) -> None:
    for step in trouble.do:
        for text in COMMAND.findall(step):
            words = [w for w in shlex.split(text.partition("&&")[0])[1:] if w != "--workspace"]
            command = named([w for w in words if w != "DIR"])
            assert command is not None, text
            options = {o for p in command.params for o in p.opts}
            assert {w for w in words if w.startswith("--")} <= options, text


def test_names_are_unique_and_words_are_not_said_twice() -> None:
    words = [(s, w.lower()) for t in TROUBLES for s, texts in t.says.items() for w in texts]

    assert len({t.id for t in TROUBLES}) == len(TROUBLES) >= 40
    assert len(set(words)) == len(words)


def test_the_page_is_what_the_data_says() -> None:
    assert (ROOT / "docs/how-to/troubleshooting.md").read_text() == page(TROUBLES), "make golden"


def test_what_is_to_be_typed_is_told_from_what_is_to_be_done() -> None:
    assert is_sentence("Wait for it, then type the command again.")
    assert is_sentence("Install it: https://docs.docker.com/engine/install/")
    assert not is_sentence("frontier config set MAX_CONTEXT_LENGTH 4096 && frontier start")
