"""Pointing a coding tool or a chat at the running gateway, once it is shown that it can work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from frontier.domain.errors import ModelNotFoundError, NotFoundError
from frontier.domain.launch import (
    TOOLS,
    Recipe,
    Target,
    Tool,
    Trial,
    require_context,
    require_trial,
)
from frontier.ports import Reporter, ToolFiles, ToolTrial
from frontier.renderers import launch as renderer

_MOST_WORDS: Final = 1024  # enough to see a prompt cut off, little enough for a slow machine
_FEW_WORDS: Final = 256

NOT_YET: Final = "made-when-it-is-launched"
"""Stands for the key of a tool that has none yet, where nothing is to be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """One tool, ready to be started.

    Attributes:
        env: What is added to its environment.
        command: Program and arguments; () for one that only is configured.
        file: Its configuration file that was or would be written, "" for none.
        text: What the file holds then.
        trial: What a real request showed; None where it was not asked for.
        applied: Files are written.
        note: What the person should know.
    """

    tool: str
    title: str
    model: str
    url: str
    context: int
    env: Mapping[str, str] = field(repr=False)
    command: tuple[str, ...]
    file: str
    text: str = field(repr=False)
    trial: Trial | None
    applied: bool
    note: str


@dataclass(frozen=True, slots=True)
class Restored:
    """A file that is again what it was before the tool was launched."""

    tool: str
    file: str


@dataclass(frozen=True, slots=True)
class ToolLine:
    """One line of the list of tools.

    Attributes:
        program: Where it is installed, "" where it is not or is an extension.
    """

    name: str
    title: str
    program: str
    install: str


@dataclass(frozen=True, slots=True)
class ToolList:
    """What `launch` prints without a tool."""

    tools: tuple[ToolLine, ...]


def listed(program: Callable[[Tool], str]) -> ToolList:
    """Return all tools, and where *program* finds them."""
    return ToolList(tuple(ToolLine(t.name, t.title, program(t), t.install) for t in TOOLS.values()))


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One launch, with all it asks of the outside.

    Attributes:
        url: The gateway, without a path.
        default_model: What is asked for where the person names none; "" for the first there is.
        key: Returns the key of a tool and the file that holds it; with True none is made, and
            `NOT_YET` stands for it. Both are "" where the gateway asks for none.
        trial: The gateway, asked with a key, or with Frontier's own for `NOT_YET`.
        files: The tools' configuration files.
        program: Returns where a tool is installed, "" where it is not.
        reporter: Hears what is tried.
    """

    url: str
    default_model: str
    key: Callable[[str, bool], tuple[str, str]]
    trial: Callable[[str], ToolTrial]
    files: ToolFiles
    program: Callable[[Tool], str]
    reporter: Reporter

    def run(
        self,
        tool: Tool,
        *,
        model: str = "",
        arguments: tuple[str, ...] = (),
        check: bool = True,
        preview: bool = False,
    ) -> Launched:
        """Try *tool*'s API on the gateway, and write what it needs; starts nothing.

        Args:
            tool: What is to be started.
            model: What it asks for; the first model of the gateway where left out.
            arguments: The person's own, after those that point it at the gateway.
            check: Send a real request, and refuse what could not work.
            preview: Ask nothing but the list of models, and write nothing.

        Raises:
            NotFoundError: it is not installed.
            NotRunningError: no gateway answers.
            ModelNotFoundError: the gateway does not have *model*.
            RefusedError: its context or its tool calls are not what *tool* needs.
            ConfigError: its configuration file cannot be changed.
        """
        program = self._program(tool, preview=preview)
        secret, key_file = self.key(tool.name, preview)
        trial = self.trial(secret)
        target = self._target(trial.contexts(), model, secret, key_file)
        shown = None
        if check and not preview:
            shown = self._try(tool, target, trial)
        recipe = renderer.recipe(tool.name, target)
        file, text = self._configure(tool, target, preview=preview)
        return Launched(
            tool=tool.name,
            title=tool.title,
            model=target.model,
            url=self.url,
            context=target.context,
            env=recipe.env,
            command=(program, *self._own(recipe, preview=preview), *arguments) if program else (),
            file=file,
            text=text,
            trial=shown,
            applied=not preview,
            note=_note(tool, recipe, shown),
        )

    def _program(self, tool: Tool, *, preview: bool) -> str:
        found = self.program(tool)
        if tool.program and not found and not preview:
            raise NotFoundError(
                f"{tool.title} is not installed", hint=f"Install it: {tool.install}"
            )
        return found or tool.program

    def _target(
        self, contexts: Mapping[str, int], model: str, secret: str, key_file: str
    ) -> Target:
        if model and model not in contexts:
            raise ModelNotFoundError(
                f"the gateway has no model {model!r}",
                hint=f"Known: {', '.join(contexts) or 'none; start one: frontier up'}.",
            )
        known = [name for name in (model, self.default_model, *contexts) if name in contexts]
        if not known:
            raise ModelNotFoundError("the gateway has no model", hint="Start one: frontier up")
        return Target(
            url=self.url,
            key=secret or "none",
            key_file=key_file,
            model=known[0],
            context=contexts[known[0]],
        )

    def _try(self, tool: Tool, target: Target, trial: ToolTrial) -> Trial:
        require_context(tool, target)
        words = min(_MOST_WORDS, target.context // 2 or _FEW_WORDS)
        with self.reporter.task(
            f"{target.model}: a prompt of {words:,} words, as {tool.title} asks"
        ):
            shown = trial.ask(tool.api, target.model, words=words, with_tool=tool.tools != "unused")
        require_trial(tool, target, shown)
        return shown

    def _own(self, recipe: Recipe, *, preview: bool) -> tuple[str, ...]:
        """Return the arguments of *recipe* with the paths of Frontier's own files."""
        paths = {
            name: str(self.files.own(name) if preview else self.files.write_own(name, text))
            for name, text in recipe.files.items()
        }
        return tuple(paths.get(argument, argument) for argument in recipe.arguments)

    def _configure(self, tool: Tool, target: Target, *, preview: bool) -> tuple[str, str]:
        if not tool.file:
            return "", ""
        text = renderer.file_text(tool.name, target, self.files.read(tool.file))
        if not preview:
            self.files.replace(tool.name, tool.file, text)
        return str(self.files.path(tool.file)), text

    def undo(self, tool: Tool) -> Restored:
        """Bring back the file that a launch of *tool* changed.

        Raises:
            NotFoundError: none was changed.
            RefusedError: somebody changed it since.
        """
        if not tool.file:
            raise NotFoundError(
                f"a launch of {tool.title} changes no file, so there is nothing to undo",
                hint=f"Look: frontier launch {tool.name} --print",
            )
        return Restored(tool.name, str(self.files.restore(tool.name)))


def _note(tool: Tool, recipe: Recipe, trial: Trial | None) -> str:
    lacks = "the model called no tool: only chat will work" if tool.tools == "used" else ""
    notes = [lacks if trial and not trial.calls_tool else "", recipe.note]
    return "; ".join(filter(None, notes))
