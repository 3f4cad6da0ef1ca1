"""`frontier chat` in a real terminal, typed into."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from frontier_cli import Frontier
from waiting import until

PROMPT = ">>> "


@pytest.fixture(scope="module")
def frontier(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Frontier]:
    cli = Frontier(tmp_path_factory.mktemp("chat") / "stack", env={"DEFAULT_TEMPERATURE": "0"})
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    cli.ok("up")
    yield cli
    cli.run("down")


@pytest.fixture
def terminal(frontier: Frontier) -> Iterator["pexpect.spawn[str]"]:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "frontier", "chat", "--max-tokens", "400"],
        env=frontier.environ,
        encoding="utf-8",
        timeout=60,
    )
    child.expect_exact(PROMPT)
    yield child
    child.close(force=True)


def test_a_question_is_answered_and_the_next_one_asked_for(
    terminal: "pexpect.spawn[str]",
) -> None:
    terminal.sendline("Say hello")

    terminal.expect(r"\[\d+ tokens, first after \d+\.\d+ s, \d+\.\d+ tokens/s\]")
    terminal.expect_exact(PROMPT)


def test_ctrl_c_stops_the_answer_and_not_the_program(terminal: "pexpect.spawn[str]") -> None:
    terminal.sendline("Tell me a very long story about a ship, in many paragraphs.")
    terminal.expect(r"\w+ \w+ \w+ \w+ \w+ \w+")  # the echo of the question, then the answer
    terminal.expect(r"\n\w+")

    terminal.sendintr()

    terminal.expect_exact("[stopped]")
    terminal.expect_exact(PROMPT)
    terminal.sendline("/exit")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 0


def test_ctrl_c_at_the_prompt_clears_the_line_and_ctrl_d_leaves(
    terminal: "pexpect.spawn[str]",
) -> None:
    def is_asked_again() -> bool:
        # like the end of input below, what comes before the line editor is ready is swallowed
        terminal.send("half a quest")
        terminal.sendintr()
        return terminal.expect_exact([PROMPT, pexpect.TIMEOUT], timeout=2) == 0

    until(is_asked_again, timeout_s=30, what="a fresh prompt")

    def has_left() -> bool:
        # typed before the line editor is ready again, the terminal swallows it
        terminal.sendeof()
        return terminal.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=1) == 0

    until(has_left, timeout_s=30, what="the program to leave")
    terminal.wait()
    assert terminal.exitstatus == 0


def test_commands_are_explained_and_carried_out(terminal: "pexpect.spawn[str]") -> None:
    for typed, answer in (
        ("/help", "forget the conversation"),
        ("/system Answer in French.", "system prompt set"),
        ("/clear", "forgotten"),
        ("/nope", "/nope: no such command"),
        ("/model nope", "nope"),
    ):
        terminal.sendline(typed)
        terminal.expect_exact(answer)
        terminal.expect_exact(PROMPT)


def test_a_failure_is_told_and_the_conversation_goes_on(terminal: "pexpect.spawn[str]") -> None:
    terminal.sendline("/model nope")
    terminal.expect_exact(PROMPT)

    terminal.sendline("Hello")

    terminal.expect_exact("error:")
    terminal.expect_exact(PROMPT)


def test_a_message_of_several_lines_is_one_question(terminal: "pexpect.spawn[str]") -> None:
    terminal.sendline('"""Say')
    terminal.expect_exact("... ")

    terminal.sendline('hello"""')

    terminal.expect(r"tokens/s\]")
