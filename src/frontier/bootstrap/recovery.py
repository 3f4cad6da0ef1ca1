"""What a killed command left: finished or told before the next one works."""

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from frontier.bootstrap.core import Core
from frontier.domain.errors import BusyError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontier.domain.change import Interrupted

_SELECT: Final = "stack select "  # how such a command begins, in snapshots and in the journal


@dataclass
class Recovery:
    """Puts a workspace in order."""

    core: Core

    def open_workspace(self) -> tuple[str, ...]:
        """Finish a restore that was killed, before anything reads what it left half done.

        Returns:
            What the person should know about the workspace.

        Raises:
            WorkspaceFormatError: a newer Frontier wrote the workspace; nothing was changed.
        """
        from frontier.adapters import workspace_format

        core = self.core
        workspace_format.require_known(core.workspace)
        notes = [workspace_format.note(core.workspace)]
        if core.snapshots.is_interrupted:
            with core.changing("restore"):
                notes.append(f"finished a restore that was killed: {core.snapshots.recover()}")
        notes.append(self._finish_change())
        return tuple(note for note in notes if note)

    def _finish_change(self) -> str:
        """Return what to know of a change that was killed; a selection that counts is completed."""
        core = self.core
        if not core.workspace.changing.exists() or not (found := core.journal.interrupted()):
            return ""
        if found.declared == "new" and found.command.startswith(_SELECT) and found.stack:
            self._complete(found)
        return str(found)

    def _complete(self, found: "Interrupted") -> None:
        """Write down the stack that *found* selects, once, unless another command is at work."""
        if found.is_completed:
            return
        with contextlib.suppress(BusyError), self.core.changing(found.command):
            if self.core.journal.interrupted() == found:
                self.core.configuration.set("CURRENT_STACK", found.stack)
                self.core.journal.complete()

    def declared_now(self, command: str) -> None:
        """Write down the stack that *command* selects, now that its project counts."""
        if command.startswith(_SELECT):
            self.core.configuration.set("CURRENT_STACK", command.removeprefix(_SELECT))

    def select(self, stack: str) -> None:
        """Make *stack* the one that the next `start` starts, while nothing runs."""
        core, command = self.core, f"{_SELECT}{stack}"
        with core.changing(command):
            core.snapshots.take(command)
            self.declared_now(command)
            self._forget_asked_stack()  # after .env: killed between both, the old one is meant
            core.journal.clear()

    def settle(self, asked: "Mapping[str, object]") -> None:
        """Write *asked*, settings by field name, to ``.env``, now that their project counts.

        The project keeps them as asked for until they stand there: killed between both, the
        next `start` asks for them as well.
        """
        core = self.core
        for name, value in asked.items():
            if str(value) == core.configuration.default(name):
                core.configuration.unset(name)
            elif core.configuration.written(name) != str(value):
                core.configuration.set(name, str(value))
        if declared := core.project.load():
            kept = {k: v for k, v in declared.asked.items() if k not in asked}
            core.project.save(replace(declared, asked=kept))

    def _forget_asked_stack(self) -> None:
        """Let `start` ask for what the last `up` asked for, but for the stack."""
        with contextlib.suppress(ConfigError):  # damaged: rendered anew
            if declared := self.core.project.load():
                asked = {k: v for k, v in declared.asked.items() if k != "current_stack"}
                self.core.project.save(replace(declared, asked=asked))
