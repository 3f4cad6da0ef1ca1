"""The workspace, its settings and its state: what everything else is built on."""

import contextlib
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from frontier.adapters.workspace import Workspace, discover
from frontier.domain.errors import StalePlanError
from frontier.domain.wanted import Listening

if TYPE_CHECKING:
    from frontier.adapters.change_journal import ChangeJournal
    from frontier.adapters.folders import StackFolders
    from frontier.adapters.key_store import KeyStore
    from frontier.adapters.project_file import ProjectFile
    from frontier.adapters.secrets_folder import SecretsFolder
    from frontier.adapters.snapshots import Snapshots
    from frontier.configuration import Configuration
    from frontier.domain.docker import DockerFacts
    from frontier.domain.machine import Machine
    from frontier.settings import Settings

_BUSY_S: Final = 3.0  # most commands that change something are done by then


@dataclass
class Core:
    """One property per port, built on first use, its adapter imported only then.

    Attributes:
        chosen: The workspace of the command line, None for discovery.
        overrides: Settings of the command line, by field name.
        selects: The stack among them is about to be written to .env.
        settles: All of them are to be written to .env once they have given a token.
        is_preview: Nothing may be written.
        seen: Who had changed the workspace last when this was planned, None for no plan.
    """

    chosen: Path | None = None
    overrides: Mapping[str, object] = field(default_factory=dict[str, object])
    selects: bool = False
    settles: bool = False
    is_preview: bool = False
    seen: str | None = None
    has_begun: ClassVar[bool] = False
    """This process has begun to change something, through whichever object."""

    @cached_property
    def workspace(self) -> Workspace:
        """The folder this command works in."""
        return discover(self.chosen, os.environ, cwd=Path.cwd, home=Path.home)

    @cached_property
    def configuration(self) -> "Configuration":
        """The variables, where each comes from, and the way to change them."""
        from frontier.configuration import Configuration

        return Configuration(
            self.workspace.env_file, self.overrides, os.environ, self.stacks.variables
        )

    @cached_property
    def settings(self) -> "Settings":
        """All settings, validated.

        Raises:
            ConfigError: a value is wrong; the message names where it stands.
        """
        return self.configuration.load()

    @property
    def asked(self) -> dict[str, str]:
        """The settings that the command line gave, as text; a selected stack stands in .env."""
        asked = {name: str(value) for name, value in self.overrides.items()}
        return {k: v for k, v in asked.items() if k != "current_stack" or not self.selects}

    @cached_property
    def listening(self) -> Listening:
        """Where the gateway listens.

        Raises:
            RefusedError: a key is demanded and there is none.
            UsageError: no port is left to listen on.
        """
        settings = self.settings
        ports = (settings.api_port, settings.gateway_port)
        listening = Listening(
            address=settings.bind_address,
            ports=tuple(dict.fromkeys(port for port in ports if port)),
            api_key=settings.api_key.get_secret_value() if settings.api_key else "",
            has_keys=self.needs_key and self.keys.has_active(),
        )
        listening.require_safe(needs_key=settings.enable_auth)
        return listening

    @property
    def needs_key(self) -> bool:
        """Tell whether the gateway answers nobody while it has no key."""
        address = Listening(address=self.settings.bind_address, ports=())
        return self.settings.enable_auth or not address.is_loopback

    @cached_property
    def stacks(self) -> "StackFolders":
        """The stacks that can be named."""
        from frontier.adapters.folders import StackFolders

        return StackFolders(self.workspace.stacks)

    @cached_property
    def project(self) -> "ProjectFile":
        """What was brought up last."""
        from frontier.adapters.project_file import ProjectFile

        return ProjectFile(self.workspace.project_file)

    @cached_property
    def secrets(self) -> "SecretsFolder":
        """Keys and passwords that services get as files."""
        from frontier.adapters.secrets_folder import SecretsFolder

        return SecretsFolder(self.workspace.secrets, self.is_preview)

    @cached_property
    def snapshots(self) -> "Snapshots":
        """What was before each change."""
        from frontier.adapters.snapshots import Snapshots

        return Snapshots(self.workspace)

    @cached_property
    def keys(self) -> "KeyStore":
        """The API keys of the gateway."""
        from frontier.adapters.key_store import KeyStore

        return KeyStore(self.workspace.keys_yaml)

    @cached_property
    def journal(self) -> "ChangeJournal":
        """Remembers a change of what runs, so that a killed one is told and mended."""
        from frontier.adapters.change_journal import ChangeJournal

        return ChangeJournal(self.workspace.changing, self.project)

    @cached_property
    def docker_facts(self) -> "DockerFacts":
        """What the Docker of this machine offers, asked once per command.

        Raises:
            RuntimeFailedError: it is missing, too old, not running, or not ours to use.
        """
        from frontier.adapters.docker_check import check

        return check()

    def machine(self) -> "Machine":
        """Look at the machine, and at the disk that the models lie on."""
        from frontier.adapters.machine import probe_machine

        return probe_machine(self.workspace.models)

    @contextlib.contextmanager
    def changing(self, command: str) -> Generator[None]:
        """Hold the workspace's lock while *command* changes it.

        Raises:
            BusyError: another command holds it.
            StalePlanError: another command has held it since this one began to plan.
        """
        from frontier.adapters import workspace_format
        from frontier.adapters.files import locked

        with locked(self.workspace.lock, doing=f"frontier {command}", wait_s=_BUSY_S) as before:
            if self.seen not in (None, before):
                raise StalePlanError(
                    "another command has changed the workspace meanwhile",
                    hint=f"frontier {command}",
                )
            if self.seen is not None:
                self.seen = self.last_holder
            Core.has_begun = True
            workspace_format.prepare(self.workspace, command)
            yield

    @property
    def last_holder(self) -> str:
        """Who has changed the workspace last: what a plan begins with, see `seen`."""
        from frontier.adapters.files import last_holder

        return last_holder(self.workspace.lock)
