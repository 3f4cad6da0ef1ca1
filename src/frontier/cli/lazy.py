"""The root's commands by name: listed with their help, imported when one of them is called."""

import re
from collections.abc import Iterator, MutableMapping
from copy import copy
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

SUMMARIES: Final = {
    "setup": {
        "setup": "Set everything up, with questions: engine, model, context, address and key."
    },
    "lifecycle": {
        "up": "Bring a stack up and prove it with a streamed token.",
        "down": "Stop everything and forget what was brought up.",
        "start": "Start the selected stack, or again what the last `frontier up` brought up.",
        "stop": "Stop everything; `frontier start` starts it again.",
        "restart": "Stop and start one service, or all.",
        "status": "Show what runs, where, since when, with how much memory.",
    },
    "logs": {"logs": "Print what engine, gateway and daemon wrote, in order of time."},
    "top": {"top": "Watch what runs: requests, tokens, models, engines and errors, live."},
    "launch": {
        "launch": "Start aider, Claude Code, Codex or another tool in front of the gateway."
    },
    "chat": {"chat": "Talk to the running model."},
    "doctor": {"doctor": "Show the machine, and check it and the installation."},
    "test": {"test": "Ask the running stack through every API, as its users do."},
    "explain": {"explain": "Explain an error text: what is behind it, and what to type."},
    "validate": {"validate": "Check the workspace and what runs in it."},
    "rollback": {
        "rollback": "Go back to the last other configuration that gave a token, or to any snapshot."
    },
    "models": {"models": "Models: get, list, inspect, verify and remove them."},
    "config": {"config": "Show and change settings."},
    "backup": {"backup": "Make backups and put them back."},
    "keys": {"keys": "API keys of the gateway."},
    "gateway": {"gateway": "The gateway by itself."},
    "bench": {"bench": "Benchmarks: measure, compare and report how fast a server answers."},
    "stack": {"stack": "Stacks: list, explain, render, compare, pin."},
}
"""The first line of each command's help, by module of this package, in the order of the help.

A module has either `register`, which adds its commands to the root, or `app`, a group.
"""


class LazyCommands(MutableMapping[str, Any]):
    """Maps a name to its command; a value is made when it is asked for.

    Attributes:
        loaded: Those made so far.

    Importing all of them took half of the time of `frontier --help`.
    """

    def __init__(self) -> None:
        self._module = {n: m for m, commands in SUMMARIES.items() for n in commands}
        self.loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self.loaded:
            self.loaded |= load(self._module[name])
        return self.loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self.loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._module[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._module)

    def __len__(self) -> int:
        return len(self._module)


class LazyGroup(TyperGroup):
    """The root: its help needs no command, only their summaries."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = LazyCommands()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the help."""
        return list(self.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        self._listed().format_commands(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Return the names and options that begin with *incomplete*."""
        listed = copy(ctx)
        listed.command = self._listed()
        return listed.command.shell_complete(listed, incomplete)

    def _listed(self) -> TyperGroup:
        """Return this group with commands that have a name and a summary, no more."""
        every = {name: line for commands in SUMMARIES.values() for name, line in commands.items()}
        commands: Any = {name: TyperCommand(name, help=line) for name, line in every.items()}
        return TyperGroup(commands=commands, params=self.params)


def load(module: str) -> dict[str, Any]:
    """Return the commands of *module* by name."""
    holder = typer.Typer(rich_markup_mode=None)
    source = import_module(f"frontier.cli.{module}")
    if hasattr(source, "register"):
        source.register(holder)
    else:
        holder.add_typer(source.app, name=module)
    _keep_example_lines(holder)
    return dict(typer.main.get_group(holder).commands)


def _keep_example_lines(group: typer.Typer) -> None:
    """Mark examples so that help prints them line by line, not as a paragraph."""
    for command in group.registered_commands:
        if command.callback and command.callback.__doc__:
            marked = re.sub(r"\n( *)(Examples?:)", "\n\\1\b\n\\1\\2", command.callback.__doc__)
            command.callback.__doc__ = marked
    for inner in group.registered_groups:
        if inner.typer_instance:
            _keep_example_lines(inner.typer_instance)
