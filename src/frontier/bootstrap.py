"""Settings become adapters; the only place that chooses them."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.adapters.workspace import Workspace, discover

if TYPE_CHECKING:
    from frontier.adapters.folders import StackFolders
    from frontier.adapters.native import NativeRuntime
    from frontier.adapters.snapshots import Snapshots
    from frontier.configuration import Configuration
    from frontier.ports import MachineProbe
    from frontier.settings import Settings


@dataclass
class Services:
    """One property per port, built on first use, its adapter imported only then.

    Attributes:
        chosen: The workspace of the command line, None for discovery.
        overrides: Settings of the command line, by field name.
    """

    chosen: Path | None = None
    overrides: Mapping[str, object] = field(default_factory=dict[str, object])

    @cached_property
    def workspace(self) -> Workspace:
        """The folder this command works in."""
        return discover(self.chosen, os.environ, Path.cwd(), Path.home())

    @cached_property
    def configuration(self) -> "Configuration":
        """The variables, where each comes from, and the way to change them."""
        from frontier.configuration import Configuration

        return Configuration(self.workspace.env_file, self.overrides, os.environ)

    @cached_property
    def settings(self) -> "Settings":
        """All settings, validated.

        Raises:
            ConfigError: a value is wrong; the message names where it stands.
        """
        return self.configuration.load()

    @cached_property
    def snapshots(self) -> "Snapshots":
        """What was before each change."""
        from frontier.adapters.snapshots import Snapshots

        return Snapshots(self.workspace)

    @cached_property
    def stacks(self) -> "StackFolders":
        """The stacks that can be named."""
        from frontier.adapters.folders import StackFolders

        return StackFolders(self.workspace.stacks)

    @cached_property
    def runtime(self) -> "NativeRuntime":
        """Runs services as supervised host processes."""
        from frontier.adapters.native import NativeRuntime

        return NativeRuntime(self.workspace, python=sys.executable)

    @cached_property
    def machine(self) -> "MachineProbe":
        """Looks at the machine."""
        from frontier.adapters.machine import probe_machine

        return probe_machine

    @contextlib.contextmanager
    def changing(self, command: str) -> Iterator[None]:
        """Hold the workspace's lock while *command* changes it.

        A restore that an earlier command was killed in is finished first.
        """
        from frontier.adapters.files import locked

        with locked(self.workspace.lock, doing=f"frontier {command}"):
            self.snapshots.recover()
            yield
