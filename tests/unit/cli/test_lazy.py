"""The root lists its commands without importing them."""

import subprocess
import sys
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from frontier.cli.app import app
from frontier.cli.lazy import SUMMARIES, load

HEAVY = (
    "asyncio",
    "frontier.bootstrap",
    "frontier.ports",
    "frontier.usecases",
    "httpx2",
    "huggingface_hub",
    "jinja2",
    "prompt_toolkit",
    "psutil",
    "pydantic",
    "python_on_whales",
    "questionary",
    "rich",
    "starlette",
    "yaml",
)


@pytest.mark.parametrize("module", SUMMARIES)
def test_a_summary_is_the_first_line_of_the_commands_help(module: str) -> None:
    commands = load(module)

    assert {n: c.get_short_help_str(200) for n, c in commands.items()} == SUMMARIES[module]


def test_the_help_lists_all_commands_in_one_order() -> None:
    every = [name for commands in SUMMARIES.values() for name in commands]

    lines = CliRunner().invoke(app, ["--help"]).stdout.partition("\nCommands:\n")[2].splitlines()

    assert [line.split()[0] for line in lines if line.startswith("  ")][: len(every)] == every


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_nothing_heavy_is_imported_for_help_and_version(words: list[str]) -> None:
    assert _imported(words) & {*HEAVY} == set()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("st", {"start", "stop", "status", "stack"}),
        ("--w", {"--workspace"}),
        ("", {name for commands in SUMMARIES.values() for name in commands}),
    ],
)
def test_no_command_is_imported_to_complete_a_name(typed: str, completed: set[str]) -> None:
    root: Any = typer.main.get_command(app)

    found = root.shell_complete(typer.Context(root), typed)

    assert {item.value for item in found} == completed
    assert not root.commands.loaded


def test_an_unknown_command_names_those_that_look_like_it() -> None:
    result = CliRunner().invoke(app, ["modles"])

    assert result.exit_code == 2
    assert "Did you mean 'models'?" in result.stderr


def _imported(words: list[str]) -> set[str]:
    """Return which modules a run with *words* has imported when it ends."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
        f"sys.argv = ['frontier', *{words}]\n"
        "from frontier.cli.app import main\n"
        "main()\n"
    )
    argv = [sys.executable, "-c", code]
    return {*subprocess.run(argv, capture_output=True, text=True, check=True).stderr.split()}
