"""The gateway: how it is started, where it listens, who may, and the way to it."""

import contextlib
import itertools
import sys
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from frontier.bootstrap.core import Core
from frontier.domain.errors import ConfigError
from frontier.domain.wanted import Listening

if TYPE_CHECKING:
    from frontier.adapters.gateway_control import HttpGatewayControl
    from frontier.adapters.ollama_pull import OllamaPull
    from frontier.adapters.openai_client import OpenAiClient
    from frontier.bootstrap.running import Running
    from frontier.domain.project import Project
    from frontier.renderers.native import GatewaySpec


@dataclass
class Access:
    """The gateway of one workspace, seen from the command line."""

    core: Core
    running: "Running"

    @property
    def reachable(self) -> Listening:
        """Where the running gateway listens, or would listen if nothing runs."""
        if project := self.running.project:
            return Listening(address=project.address, ports=project.ports)
        return self.core.listening

    @cached_property
    def chat(self) -> "OpenAiClient":
        """The running gateway, as users reach it."""
        project = self.running.project
        key = self.key_of(project) if project else self.own_key
        return self.client(self.reachable, key)

    @property
    def ollama(self) -> "OllamaPull":
        """The Ollama server behind the running gateway.

        Raises:
            NotRunningError: another stack runs, which has none.
        """
        from frontier.adapters.ollama_pull import OllamaPull
        from frontier.domain.errors import NotRunningError

        project = self.running.project
        if project and all(route.backend != "ollama" for route in project.routes):
            raise NotRunningError(
                f"the stack {project.stack} runs, and no Ollama server in it",
                hint="frontier up ollama",
            )
        key = self.key_of(project) if project else self.own_key
        return OllamaPull(self.reachable.urls[0], api_key=key)

    @property
    def own_key(self) -> str:
        """The key that Frontier itself presents."""
        return _text(self._admin_key_file)

    def client(self, listening: Listening, api_key: str) -> "OpenAiClient":
        """Return the gateway that listens at *listening*, as users reach it."""
        from frontier.adapters.openai_client import OpenAiClient

        return OpenAiClient(
            f"{listening.urls[0]}/v1",
            api_key=api_key,
            timeout_s=self.core.settings.model_timeout,
        )

    def control(self, project: "Project") -> "HttpGatewayControl":
        """Return the running gateway of *project*, to be steered."""
        from frontier.adapters.gateway_control import HttpGatewayControl

        listening = Listening(address=project.address, ports=project.ports)
        return HttpGatewayControl(
            listening.urls[0], api_key=self.key_of(project), routes=project.routes
        )

    def key_of(self, project: "Project") -> str:
        """Return a key that the gateway of *project* was started with; "" for an open one.

        Frontier's own; a gateway that an older Frontier started has only that of API_KEY.
        """
        if project.containers:
            given, folder = project.containers.secrets, self.core.workspace.secrets
            name = given.get("secrets/admin-key") or given.get("secrets/api-key")
            return _text(folder / name if name else None)
        gateway = next((s.argv for s in project.services if s.name == "gateway"), ())
        words = dict(itertools.pairwise(gateway))
        file = words.get("--admin-key-file") or words.get("--api-key-file")
        return _text(Path(file) if file else None)

    def clients(self, model: str) -> dict[str, str]:
        """Return the line to paste into each client."""
        from frontier.adapters.folders import templates
        from frontier.renderers.clients import render

        return render(
            templates("clients"),
            url=self.core.listening.urls[0],
            model=model,
            needs_key=bool(self.core.listening.api_key or self.core.keys.load()),
        )

    def free_ports(self, listening: Listening, ours: Collection[int] = ()) -> None:
        """Check that the gateway can listen; processes *ours* may hold its ports.

        Raises:
            PortTakenError: another process listens there.
        """
        from frontier.adapters.ports_free import ensure_port_free

        for port in set(listening.ports) - self._published():
            is_api = port == self.core.settings.api_port
            variable = "API_PORT" if is_api else "GATEWAY_PORT"
            ensure_port_free(listening.address, port, variable=variable, ours=ours)

    def _published(self) -> set[int]:
        """Return the ports that containers of this workspace hold for the host."""
        from frontier.domain.docker import endpoints

        with contextlib.suppress(ConfigError):
            declared = self.core.project.load()
            if declared and declared.containers and self.core.workspace.compose_file.exists():
                return {endpoint.port for endpoint in endpoints(declared.containers)}
        return set()

    def foreground(self, config: tuple[Path, ...]) -> tuple[str, ...]:
        """Return the flags of a gateway in the foreground, the user's own routes by default."""
        from frontier.renderers import native

        return native.gateway_flags(self._spec(config or (self.core.workspace.models_yaml,)))

    @property
    def spec(self) -> "GatewaySpec":
        """The gateway as a host process in front of a stack."""
        workspace = self.core.workspace
        return self._spec((workspace.run / "routes.yaml", workspace.models_yaml))

    def _spec(self, config: tuple[Path, ...]) -> "GatewaySpec":
        from frontier.renderers.native import GatewaySpec

        settings = self.core.settings
        return GatewaySpec(
            python=sys.executable,
            bind=self.core.listening.address,
            ports=self.core.listening.ports,
            config=config,
            keys=self.core.workspace.keys_yaml,
            api_key_file=self._key_file,
            admin_key_file=self._admin_key_file,
            metrics_key_file=self.core.secrets.generated("metrics-key"),
            require_key=self.core.needs_key,
            rate_limit=settings.rate_limit,
            origins=tuple(filter(None, settings.allowed_origins.split(","))),
            workers=settings.gateway_workers,
            usage_file=self.core.workspace.root / "data" / "gateway" / "usage.json",
            facts_file=self.core.workspace.facts_file,
            drain_timeout_s=settings.drain_timeout,
            max_body_bytes=settings.max_request_bytes,
            workspace=self.core.workspace.root,
        )

    @property
    def _admin_key_file(self) -> Path:
        """The file with the key that Frontier itself uses."""
        return self.core.secrets.generated("admin-key")

    @property
    def _key_file(self) -> Path | None:
        """The file that tells the gateway its key, None for an open gateway."""
        key = self.core.listening.api_key
        return self.core.secrets.keep("api-key", key) if key else None


def _text(file: Path | None) -> str:
    return file.read_text() if file and file.exists() else ""
