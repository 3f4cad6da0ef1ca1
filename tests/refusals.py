"""What a refused command must be: one screen, a next command that exists, and nothing changed."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer.exceptions import TyperException

from docker_fixtures import KINDS, ComposeProject
from docker_images import docker
from frontier.cli.app import app
from frontier.cli.session import Session
from frontier_cli import Frontier

SCREEN_LINES = 20
_LOCKS = ("lock", "apply.lock", "format")  # they say nothing of what runs
_ADDED = ("models", "secrets")  # a secret has its own name by its content: none is replaced


@dataclass(frozen=True)
class Refusal:
    """What a person reads at the end."""

    message: str
    hint: str
    details: str

    @property
    def text(self) -> str:
        return f"{self.message}\n{self.details}\n{self.hint}"


def refused(
    cli: Frontier, project: ComposeProject, exit_code: int, *args: str, **env: str
) -> Refusal:
    """Run a command that must be refused, and return what it says.

    Fails where it says more than a screen or what is no command, or where it changes anything.
    """
    before = picture(cli.workspace, project)

    said = Frontier(cli.workspace, {**cli.env, **env}).fails(exit_code, *args)

    after = picture(cli.workspace, project)
    changed = sorted(k for k in before.keys() | after if before.get(k) != after.get(k))
    assert not changed, f"{changed} changed:\n{said}"
    assert len(said.splitlines()) <= SCREEN_LINES, said
    refusal = _read(said)
    assert refusal.hint, said
    for words in typed(refusal.hint):
        assert exists(words), f"there is no `frontier {' '.join(words)}`: {refusal.hint}"
    return refusal


def picture(workspace: Path, project: ComposeProject) -> dict[str, object]:
    """Return what a refused command may not touch: files by digest, what runs by its start."""
    folders = (workspace / name for name in (".frontier", "config", "backups"))
    files = [workspace / ".env", *(path for folder in folders for path in folder.rglob("*"))]
    found: dict[str, object] = {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and path.name not in _LOCKS and not {*_ADDED} & {*path.parts}
    }
    for kind in KINDS:
        found |= {f"{kind} {id_}": _since(kind, id_) for id_ in project.all(kind)}
    return found


def _since(kind: str, id_: str) -> object:
    inspected: dict[str, Any] = json.loads(docker(kind, "inspect", id_))[0]
    return inspected["State"]["StartedAt"] if kind == "container" else inspected["Name"]


def _read(said: str) -> Refusal:
    message, *rest = said.rpartition("error: ")[2].splitlines()
    hints = [line.removeprefix("hint: ") for line in rest if line.startswith("hint: ")]
    details = [line for line in rest if line.startswith("  | ")]
    return Refusal(message, " ".join(hints), "\n".join(details))


def typed(hint: str) -> list[list[str]]:
    """Return the words after each ``frontier`` in *hint*, up to the end of its sentence."""
    found = re.findall(r"\bfrontier ((?:--)?[a-z][^;,()`\n]*)", hint.replace("&& ", "; "))
    return [re.sub(r"\.( .*)?$", "", text).split() for text in found if "..." not in text]


def exists(words: list[str]) -> bool:
    """Tell whether ``frontier WORDS`` can be typed; prose may follow, as in `x lists them`."""
    while words[0].startswith("--workspace"):
        words = words[2:]
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        if not words or words[0] not in command.commands:
            return False
        command, words = command.commands[words[0]], words[1:]
    return any(_parses(command, words[:n]) for n in range(len(words), -1, -1))


def commands() -> dict[str, Any]:
    """Map ``stack select`` and all others to their commands."""
    return dict(_leaves(typer.main.get_command(app), ()))


def _leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
        return
    for name, child in inner.items():
        yield from _leaves(child, (*path, name))


def _parses(command: Any, words: list[str]) -> bool:
    try:
        command.make_context(command.name, list(words), obj=Session())
    except TyperException:
        return False
    return True
