"""Settings become adapters; the only place that chooses them."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.adapters.workspace import Workspace, discover
from frontier.domain.wanted import Listening, Wanted

if TYPE_CHECKING:
    from frontier.adapters.blobs import BlobStore
    from frontier.adapters.catalog import PackagedCatalog
    from frontier.adapters.folders import StackFolders
    from frontier.adapters.llama_server import Engine
    from frontier.adapters.logs import Logs
    from frontier.adapters.native import NativeRuntime
    from frontier.adapters.openai_client import OpenAiClient
    from frontier.adapters.project_file import ProjectFile
    from frontier.adapters.snapshots import Snapshots
    from frontier.adapters.sources import Sources
    from frontier.configuration import Configuration
    from frontier.domain.machine import Machine
    from frontier.domain.model import Model
    from frontier.domain.project import Project
    from frontier.ports import Reporter
    from frontier.renderers.native import GatewaySpec
    from frontier.settings import Settings
    from frontier.usecases.up import Up

_BUSY_S = 3.0  # most commands that change something are done by then


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
        return discover(self.chosen, os.environ, cwd=Path.cwd, home=Path.home)

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
        """The running gateway, as users reach it."""
        return self._client(self.reachable)

    def _client(self, listening: Listening) -> "OpenAiClient":
        from frontier.adapters.openai_client import OpenAiClient

        return OpenAiClient(
            f"{listening.urls[0]}/v1",
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
    def reachable(self) -> Listening:
        """Where the running gateway listens, or would listen if nothing runs."""
        if project := self.running:
            return Listening(address=project.address, ports=project.ports)
        return self.listening

    @property
    def wanted(self) -> Wanted:
        """Return settings and command line as one wish."""
        return Wanted(
            stack=self.settings.current_stack,
            model=self.settings.default_model,
            listening=self.listening,
            context=self.settings.max_context_length,
            parallel=self.settings.num_parallel,
        )

    def up(self, reporter: "Reporter", on_text: Callable[[str], None]) -> "Up":
        """Return the use-case behind `frontier up`, with all its ports."""
        from frontier.adapters.gguf import read_header
        from frontier.usecases import models
        from frontier.usecases.up import Up

        return Up(
            stacks=self.stacks,
            machine=self.machine,
            plan_model=lambda name: models.plan_pull(
                name, store=self.store, sources=self.sources, catalog=self.catalog
            ),
            obtain=lambda name: (
                models.pull(
                    name,
                    store=self.store,
                    sources=self.sources,
                    catalog=self.catalog,
                    reporter=reporter,
                ).model
            ),
            memory=self.memory_of,
            header=read_header,
            engine=lambda: self.engine.reason,
            build=self.build,
            free_ports=self.free_ports,
            runtime=self.runtime,
            project=self.project,
            snapshots=self.snapshots,
            chat=self._client(self.listening),
            clock=time.monotonic,
            clients=self.clients,
            changing=self.changing,
            reporter=reporter,
            on_text=on_text,
        )

    def build(self, model: "Model", machine: "Machine", context: int) -> "Project":
        """Return the project that serves *model* with the engine at hand."""
        from frontier.renderers import native

        settings = self.settings
        engine = native.EngineSpec(
            argv=self.engine.argv,
            model=model.name,
            path=model.path,
            aliases=(model.name.partition(":")[0],),
            context=context,
            parallel=settings.num_parallel,
            threads=settings.num_workers or machine.cpu.usable,
            cache_mib=settings.cache_size if settings.enable_cache else 0,
            flash_attention=settings.enable_flash_attention,
            start_timeout_s=settings.model_timeout,
        )
        routes = (self.workspace.run / "routes.yaml", self.workspace.models_yaml)
        return native.render(settings.current_stack, engine, self._gateway(routes))

    def gateway_arguments(self, config: tuple[Path, ...]) -> tuple[str, ...]:
        """Return the flags of a gateway in the foreground, the user's own routes by default."""
        from frontier.renderers import native

        return native.gateway_flags(self._gateway(config or (self.workspace.models_yaml,)))

    def _gateway(self, config: tuple[Path, ...]) -> "GatewaySpec":
        from frontier.renderers.native import GatewaySpec

        return GatewaySpec(
            python=sys.executable,
            bind=self.listening.address,
            ports=self.listening.ports,
            config=config,
            api_key_file=self.key_file,
            drain_timeout_s=self.settings.drain_timeout,
            max_body_bytes=self.settings.max_request_bytes,
        )

    @cached_property
    def store(self) -> "BlobStore":
        """The models on this machine."""
        from frontier.adapters.blobs import BlobStore

        return BlobStore(self.workspace.models)

    @cached_property
    def catalog(self) -> "PackagedCatalog":
        """The models that can be had by name."""
        from frontier.adapters.catalog import PackagedCatalog

        return PackagedCatalog()

    @cached_property
    def sources(self) -> "Sources":
        """The places that models come from."""
        from frontier.adapters.sources import Sources

        token = self.settings.hf_token
        return Sources(
            os.environ,
            home=Path.home(),
            prefix=Path(sys.prefix),
            hub_token=token.get_secret_value() if token else "",
        )

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

    def free_ports(self, listening: Listening, ours: Collection[int] = ()) -> None:
        """Check that the gateway can listen; processes *ours* may hold its ports.

        Raises:
            PortTakenError: another process listens there.
        """
        from frontier.adapters.ports_free import ensure_port_free

        for port in listening.ports:
            variable = "API_PORT" if port == self.settings.api_port else "GATEWAY_PORT"
            ensure_port_free(listening.address, port, variable=variable, ours=ours)

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
    def running(self) -> "Project | None":
        """What runs, None when nothing does."""
        from frontier.usecases.lifecycle import running

        return running(self.runtime, self.project)

    @property
    def running_model(self) -> str:
        """The first model that runs, empty when nothing does."""
        project = self.running
        return project.routes[0].model if project else ""

    @staticmethod
    def memory_of(pid: int) -> int | None:
        """Return the resident memory of a process, bytes; None where it cannot be read."""
        import psutil

        try:
            resident: int = psutil.Process(pid).memory_info().rss
        except psutil.Error:
            return None
        return resident

    def finish_restore(self) -> None:
        """Finish a restore that was killed, before anything reads what it left half done."""
        if self.snapshots.is_interrupted:
            with self.changing("restore"):
                self.snapshots.recover()

    @contextlib.contextmanager
    def changing(self, command: str) -> Generator[None]:
        """Hold the workspace's lock while *command* changes it."""
        from frontier.adapters.files import locked

        with locked(self.workspace.lock, doing=f"frontier {command}", wait_s=_BUSY_S):
            yield
