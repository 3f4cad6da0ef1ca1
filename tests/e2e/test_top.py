"""`frontier top` on a real stack under load: in a terminal of its own, and for scripts."""

import os
import re
import signal
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pexpect
import pyte
import pytest

from frontier_cli import Frontier
from stack_workspace import Load
from waiting import until

DOCS = Path(__file__).parents[2] / "docs"
MODEL = "smollm2:135m"
KEY = "a-key-for-tests"
SHOWN = ("--interval", "0.5")


@pytest.fixture(scope="module")
def frontier(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Frontier]:
    """A stack that asks for a key, is asked without a pause, and was asked for a wrong model."""
    cli = Frontier(tmp_path_factory.mktemp("top") / "stack", env={"API_KEY": KEY})
    cli.ok("models", "pull", f"file:{smollm2}", "--name", MODEL)
    cli.ok("up")
    with openai.OpenAI(base_url=f"{cli.url}/v1", api_key=KEY, max_retries=0, timeout=120) as client:
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(
                model="no-such", messages=[{"role": "user", "content": "Hi"}]
            )
        load = Load(client)
        thread = threading.Thread(target=load.ask)
        thread.start()
        yield cli
        load.stopped.set()
        thread.join()
    cli.run("down")


class Screen:
    """What a person sees in a terminal of *columns* by *rows* that runs `frontier top`."""

    def __init__(self, cli: Frontier, columns: int, rows: int, **env: str) -> None:
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "frontier", "top", *SHOWN],
            env={**cli.environ, "TERM": "xterm", **env},
            dimensions=(rows, columns),
            timeout=60,
        )
        self.before = termios.tcgetattr(self.child.child_fd)
        self.raw = b""
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)

    def read(self) -> str:
        """Return what stands there, after what came until now."""
        try:
            data: bytes = self.child.read_nonblocking(1 << 16, timeout=0.05)
        except pexpect.TIMEOUT:
            data = b""
        except pexpect.EOF:
            return ""
        self.raw += data
        self._stream.feed(data)
        return "\n".join(self._screen.display)

    def wait(self, pattern: str, timeout_s: float = 60) -> "re.Match[str]":
        last = ""

        def probe() -> "re.Match[str] | None":
            nonlocal last
            last = self.read() or last
            return re.search(pattern, last)

        try:
            return until(probe, timeout_s=timeout_s, what=pattern)
        except AssertionError as error:
            raise AssertionError(f"{pattern} is not in\n{last}") from error

    def end(self) -> tuple[int | None, int | None]:
        """Return exit status and signal, once it has ended; the terminal must be as it was."""
        until(lambda: not self.read() and not self.child.isalive(), timeout_s=30, what="the end")
        assert termios.tcgetattr(self.child.child_fd) == self.before
        for on, off in ((b"\x1b[?1049h", b"\x1b[?1049l"), (b"\x1b[?25l", b"\x1b[?25h")):
            assert self.raw.rfind(off) > self.raw.rfind(on) > -1, (on, off)
        self.child.close()
        return self.child.exitstatus, self.child.signalstatus


@pytest.fixture
def screen(frontier: Frontier) -> Iterator[Screen]:
    shown = Screen(frontier, 100, 30)
    yield shown
    shown.child.close(force=True)


def keys(found: Any) -> set[str]:
    """Every name in a JSON document."""
    match found:
        case dict():
            return {str(key) for key in found} | {
                k for value in found.values() for k in keys(value)
            }
        case list():
            return {k for value in found for k in keys(value)}
        case _:
            return set()


def test_once_as_json_tells_of_the_load_what_the_reference_says(frontier: Frontier) -> None:
    def look() -> Any:
        seen = frontier.json("top", "--once", "--interval", "3")
        # the gateway asks the engine for its context a while after both have started
        return (
            seen if seen["traffic"]["tokens_out_per_s"] and seen["models"][0]["context"] else None
        )

    found = until(look, timeout_s=120, what="tokens and a context")

    assert (found["state"], found["stack"], found["problem"]) == ("running", "llamacpp", "")
    assert found["traffic"]["requests_per_s"] > 0
    assert found["traffic"]["first_token"]["p50_s"] > 0
    assert found["traffic"]["per_token"]["p50_s"] > 0
    (model,) = found["models"]
    assert model["name"] == MODEL
    assert model["traffic"] == found["traffic"]
    engine, gateway = found["engines"]
    assert (engine["name"], engine["phase"], engine["breaker"]) == ("llamacpp", "ready", "closed")
    assert engine["memory_bytes"] > 50_000_000 < model["memory_bytes"]
    assert engine["cpu_percent"] > 0
    assert gateway["port"] == int(frontier.env["API_PORT"])
    assert {"default"} <= {key["key"] for key in found["keys"]}
    assert [(e["status"], e["route"]) for e in found["errors"]] == [(404, "/v1/chat/completions")]
    section = (DOCS / "reference/json.md").read_text().partition("## `frontier top")[2]
    named = set(re.findall(r"`(\w+)`", section.partition("\n## ")[0]))
    assert keys(found) <= named


def test_once_as_text_has_the_same_for_people(frontier: Frontier) -> None:
    shown = frontier.ok("top", "--once", "--interval", "0.5")

    assert f"llamacpp: running at {frontier.url}" in shown
    assert re.search(rf"{MODEL} .*llamacpp$", shown, re.M)
    assert re.search(r"404 +/v1/chat/completions", shown)


def test_the_screen_shows_the_model_and_its_tokens_and_q_leaves_it_as_it_was(
    screen: Screen,
) -> None:
    screen.wait(rf"{MODEL}\s+[\d.]+\s")
    screen.wait(r"tokens/s\s+(?!0 )[\d.]+")
    screen.child.send("2")
    screen.wait(r"llamacpp\s+ready")
    screen.child.send("4")
    screen.wait(r"404\s+/v1/chat")

    screen.child.send("q")

    assert screen.end() == (0, None)


def test_a_small_terminal_is_enough_and_another_size_is_followed(frontier: Frontier) -> None:
    screen = Screen(frontier, 60, 20)
    assert "FAIL/S" not in screen.wait(r"(?s)MODEL .*q quit").string
    screen.child.setwinsize(30, 120)
    screen._screen.resize(30, 120)

    screen.wait("FAIL/S")

    screen.child.send("\x03")  # Ctrl-C
    assert screen.end() == (0, None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_and_the_terminal_is_as_it_was(
    screen: Screen, number: signal.Signals
) -> None:
    screen.wait("q quit")

    os.kill(screen.child.pid, number)

    assert screen.end() == (0 if number == signal.SIGINT else 128 + number, None)


def test_without_a_terminal_one_is_told_what_to_type(frontier: Frontier) -> None:
    said = frontier.fails(2, "top")

    assert "there is no terminal" in said
    assert "frontier top --once" in said


def test_where_nothing_runs_it_says_so(tmp_path: Path) -> None:
    said = Frontier(tmp_path / "stack").fails(4, "top", "--once")

    assert "nothing runs here" in said
    assert "frontier up" in said


def test_a_gateway_that_hangs_and_one_that_is_killed_are_told_and_come_back(
    frontier: Frontier, screen: Screen
) -> None:
    (gateway,) = (s for s in frontier.json("status")["services"] if s["name"] == "gateway")
    screen.wait(r"tokens/s\s+(?!0 )[\d.]+")

    os.kill(gateway["pid"], signal.SIGSTOP)
    try:
        screen.wait(r"no answer")
        screen.child.send("2")  # keys work meanwhile
        screen.wait(r"llamacpp\s+ready")
    finally:
        os.kill(gateway["pid"], signal.SIGCONT)
        os.kill(gateway["pid"], signal.SIGKILL)
    screen.wait(r"^ llamacpp: running at \S+ +every")
    shown = screen.wait(r"tokens/s\s+(?!0 )[\d.]+").string

    assert not re.search(r"\s-\d", shown), "no rate is negative"
    screen.child.send("q")
    assert screen.end() == (0, None)
