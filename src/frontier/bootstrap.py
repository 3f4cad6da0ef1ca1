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
from frontier.domain.wanted import Listening, Wanted

if TYPE_CHECKING:
    from frontier.adapters.folders import StackFolders
    from frontier.adapters.llama_server import Engine
    from frontier.adapters.logs import Logs
    from frontier.adapters.native import NativeRuntime
    from frontier.adapters.openai_client import OpenAiClient
    from frontier.adapters.project_file import ProjectFile
    from frontier.adapters.snapshots import Snapshots
    from frontier.configuration import Configuration
    from frontier.domain.machine import Machine
    from frontier.domain.model import Model
    from frontier.domain.project import Project
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

    def machine(self) -> "Machine":
        """Look at the machine, and at the disk that the models lie on."""
        from frontier.adapters.machine import probe_machine

        return probe_machine(self.workspace.models)

    @cached_property
    def project(self) -> "ProjectFile":
        """What was brought up last."""
        from frontier.adapters.project_file import ProjectFile

        return ProjectFile(self.workspace.project_file)

    @cached_property
    def logs(self) -> "Logs":
        """What the services wrote."""
        from frontier.adapters.logs import Logs

        return Logs(self.workspace.logs)

    @cached_property
    def chat(self) -> "OpenAiClient":
        """The gateway, as users reach it."""
        from frontier.adapters.openai_client import OpenAiClient

        return OpenAiClient(
            f"{self.listening.urls[0]}/v1",
            api_key=self.listening.api_key,
            timeout_s=self.settings.model_timeout,
        )

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
        )
        listening.require_safe(needs_key=settings.enable_auth)
        return listening

    @property
    def wanted(self) -> Wanted:
        """Return settings and command line as one wish."""
        return Wanted(
            stack=self.settings.current_stack,
            model=self.settings.default_model,
            listening=self.listening,
        )

    def build(self, model: "Model", machine: "Machine") -> "Project":
        """Return the project that serves *model* with the engine at hand."""
        from frontier.renderers import native

        settings, python = self.settings, sys.executable
        engine = native.EngineSpec(
            argv=self.engine.argv,
            model=model.name,
            path=model.path,
            aliases=model.aliases,
            context=min(settings.max_context_length, model.context or settings.max_context_length),
            parallel=settings.num_parallel,
            threads=settings.num_workers or machine.cpu.usable,
            cache_mib=settings.cache_size if settings.enable_cache else 0,
            flash_attention=settings.enable_flash_attention,
            start_timeout_s=settings.model_timeout,
        )
        gateway = native.GatewaySpec(
            python=python,
            bind=self.listening.address,
            ports=self.listening.ports,
            routes=self.workspace.run / "routes.yaml",
            models=self.workspace.models_yaml,
            api_key_file=self.key_file,
            drain_timeout_s=settings.drain_timeout,
            max_body_bytes=settings.max_request_bytes,
        )
        return native.render(settings.current_stack, engine, gateway)

    @cached_property
    def engine(self) -> "Engine":
        """The llama.cpp server to start, and why this one."""
        from frontier.adapters.llama_server import find_engine

        return find_engine(sys.executable)

    @property
    def key_file(self) -> Path | None:
        """The file that tells the gateway its key, None for an open gateway."""
        from frontier.adapters.secrets_folder import secret_file

        key = self.listening.api_key
        return secret_file(self.workspace.secrets, "api-key", key) if key else None

    def free_ports(self, listening: Listening) -> None:
        """Check that the gateway can listen.

        Raises:
            PortTakenError: another process listens there.
        """
        from frontier.adapters.ports_free import ensure_port_free

        for port, variable in zip(listening.ports, ("API_PORT", "GATEWAY_PORT"), strict=False):
            ensure_port_free(listening.address, port, variable=variable)

    def clients(self, model: str) -> dict[str, str]:
        """Return the line to paste into each client."""
        from frontier.adapters.folders import templates
        from frontier.renderers.clients import render

        return render(
            templates("clients"),
            url=self.listening.urls[0],
            model=model,
            needs_key=bool(self.listening.api_key),
        )

    @property
    def running_model(self) -> str:
        """The first model that runs, empty when nothing does."""
        from frontier.usecases.lifecycle import running_model

        return running_model(self.runtime, self.project)

    @staticmethod
    def memory_of(pid: int) -> int | None:
        """Return the resident memory of a process, bytes; None where it cannot be read."""
        import psutil

        try:
            resident: int = psutil.Process(pid).memory_info().rss
        except psutil.Error:
            return None
        return resident

    @contextlib.contextmanager
    def changing(self, command: str) -> Iterator[None]:
        """Hold the workspace's lock while *command* changes it.

        A restore that an earlier command was killed in is finished first.
        """
        from frontier.adapters.files import locked

        with locked(self.workspace.lock, doing=f"frontier {command}"):
            self.snapshots.recover()
            yield
