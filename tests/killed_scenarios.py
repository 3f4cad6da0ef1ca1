"""The commands that are killed while stacks run in Docker, and how a kill is judged."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from killed_stack import Killed, Killing
from stack_workspace import stacked


@contextlib.contextmanager
def two_stacks(folder: Path, images: dict[str, str], model: Path) -> Generator[Killing]:
    """Yield two stacks that differ in the name of their engine; of each there is a backup."""
    with stacked(folder, images, model, MAX_CONTEXT_LENGTH="512") as it:
        replace = {
            "    setting: LLAMACPP_IMAGE\n": "",
            "ghcr.io/ggml-org/llama.cpp:server-b11429": images["LLAMACPP_IMAGE"],
        }
        it.own_stack("second", replace=replace)
        it.cli.ok("stack", "select", "llamacpp")
        it.cli.ok("start")
        it.cli.ok("backup", "create", "--name", "llamacpp")
        it.cli.ok("stack", "select", "second")
        it.cli.ok("backup", "create", "--name", "second")
        yield Killing(it)


@dataclass(frozen=True)
class Scenario:
    """One command to kill.

    Attributes:
        prepare: Brings the workspace to where it begins; returns the words of the command.
        note: What it is called when it was interrupted, where that is not its words.
        changes_stack: Its end is the other stack.
    """

    prepare: Callable[[Killing], list[str]]
    note: str = ""
    changes_stack: bool = True


def select(killing: Killing) -> list[str]:
    return ["stack", "select", killing.other]


def select_stopped(killing: Killing) -> list[str]:
    killing.it.cli.ok("stop")
    return select(killing)


def start_stopped(killing: Killing) -> list[str]:
    killing.it.cli.ok("stop")
    return ["start"]


def start_changed(killing: Killing) -> list[str]:
    """Ask for another setting: the engine, which fits only once, is exchanged for itself."""
    value = killing.it.cli.json("config", "get", "CACHE_SIZE")["value"]
    killing.it.cli.ok("config", "set", "CACHE_SIZE", "96" if value == "128" else "128")
    return ["start"]


def roll_back(killing: Killing) -> list[str]:
    return ["rollback", killing.snapshot_of(killing.other)]


def restore(killing: Killing) -> list[str]:
    return ["backup", "restore", killing.other, "--yes"]


SCENARIOS = {
    "select": Scenario(select),
    "select, stopped": Scenario(select_stopped),
    "start, stopped": Scenario(start_stopped, changes_stack=False),
    "start, changed": Scenario(start_changed, changes_stack=False),
    "rollback": Scenario(roll_back, note="rollback"),
    "restore": Scenario(restore),
    "stop": Scenario(lambda _: ["stop"], changes_stack=False),
}


def kill_once(killing: Killing, scenario: Scenario, where: str) -> tuple[Killed, str]:
    """Kill the command before the step *where*; return what it left, and the stack that counts.

    Args:
        killing: Stays whole: what the kill broke is mended.
        scenario: What is killed.
        where: A step's number, or its name with ``{}`` for the engine that it starts or stops.
    """
    words, was = scenario.prepare(killing), killing.selected
    new = killing.other if scenario.changes_stack else was
    is_exchange = words[:2] == ["stack", "select"] or words[0] == "rollback"
    killed = killing.run(where.format(new if is_exchange else was), *words)
    stack = killing.told(
        killed, scenario.note or " ".join(word for word in words if word != "--yes")
    )
    assert stack in (was, new), f"{stack} after {killed}"
    killing.require_whole(stack)
    return killed, stack
