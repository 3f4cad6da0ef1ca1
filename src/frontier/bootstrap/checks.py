"""The checks of `doctor`, `validate` and `test`, with what they look at."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from frontier.bootstrap.core import Core
from frontier.domain.errors import ConfigError, FrontierError

if TYPE_CHECKING:
    from frontier.adapters.check_host import LocalHost
    from frontier.adapters.check_web import LocalWeb
    from frontier.adapters.check_workspace import WorkspaceFolder
    from frontier.adapters.package_index_config import IndexConfig
    from frontier.bootstrap.access import Access
    from frontier.bootstrap.models import Models
    from frontier.bootstrap.running import Running
    from frontier.domain.change import Interrupted
    from frontier.domain.check import Finding
    from frontier.domain.docker import DockerFacts
    from frontier.domain.machine import Machine
    from frontier.domain.placement import Placement
    from frontier.domain.project import Project
    from frontier.domain.stack import Stack
    from frontier.usecases.checking import Check
    from frontier.usecases.doctor import Around
    from frontier.usecases.stacks import StackLine

_REGISTRY: Final = "https://registry-1.docker.io/v2/"
_DOCKER_S: Final = 8.0
_GATEWAY_S: Final = 8.0
_CONTAINERS: Final = ("GRAFANA_PORT", "PROMETHEUS_PORT", "ALERTMANAGER_PORT")


@dataclass
class Checks:
    """Builds lists of checks for one workspace.

    Attributes:
        place: Decides where a stack would run on a machine.
        foreseen: Returns the project that `up` would run now.
    """

    core: Core
    running: "Running"
    access: "Access"
    models: "Models"
    place: "Callable[[Stack, Machine], Placement]"
    foreseen: "Callable[[Stack], Project]"

    @cached_property
    def host(self) -> "LocalHost":
        """This machine beside its hardware."""
        from frontier.adapters.check_host import LocalHost

        ca_file = ""
        with contextlib.suppress(FrontierError):
            ca_file = self._index.ca_file
        return LocalHost(ca_file=ca_file)

    def doctor(
        self,
        *,
        machine: "Callable[[], Machine]",
        docker: "Callable[[], DockerFacts]",
        may_ask: bool,
    ) -> "list[Check]":
        """Return the checks of the machine; *may_ask* allows questions to other machines."""
        from frontier.usecases import doctor

        return doctor.checks(self._around(machine, docker, may_ask=may_ask))

    def _around(
        self,
        machine: "Callable[[], Machine]",
        docker: "Callable[[], DockerFacts]",
        *,
        may_ask: bool,
    ) -> "Around":
        from frontier.adapters.compute_host import read_devices
        from frontier.usecases import doctor

        core = self.core
        return doctor.Around(
            machine=machine,
            docker=docker,
            host=self.host,
            workspace=core.workspace.root,
            needs_docker=self._needs_docker,
            cdi=lambda: read_devices().cdi_specs,
            port=self._port,
            place=lambda: self.place(core.stacks.load(core.settings.current_stack), machine()),
            docker_root=self._docker_root,
            servers=self._server,
            may_ask=may_ask,
        )

    def validate(self, *, must_run: bool, deep: bool) -> "list[Check]":
        """Return the checks of the workspace; see `Standing` for both flags."""
        from frontier.usecases import doctor, validate
        from frontier.usecases.checking import Once
        from frontier.usecases.validate_standing import Standing

        core = self.core
        around = self._around(Once(core.machine), Once(self.docker_facts), may_ask=False)
        standing = Standing(
            root=core.workspace.root,
            is_there=core.workspace.state.is_dir(),
            look=self._folder,
            settings=core.configuration.describe,
            listening=lambda: core.listening,
            stack=lambda: core.stacks.load(core.settings.current_stack),
            stacks=self._stack_lines,
            routes_problem=self._routes_problem,
            catalog=self.models.catalog,
            store=self.models.store,
            own_model=lambda stack: self.models.own(stack, core.settings.default_model),
            wanted_model=lambda: core.settings.default_model,
            keys=core.keys,
            active_keys=core.keys.has_active,
            project=core.project,
            foreseen=self.foreseen,
            interrupted=self._interrupted,
            runtime=self.running.runtime,
            reachable=self._reachable,
            web=self.web,
            host=self.host,
            has_docker=lambda: self._has_docker(around.docker),
            certificate=self._certificate,
            must_run=must_run,
            deep=deep,
        )
        used = [c for c in doctor.checks(around) if c.id.startswith(("docker.", "git."))]
        return validate.checks(standing, used, self._needs_docker)

    def test(self, *, model: str) -> "list[Check]":
        """Return the checks of the running stack, asked by its own key."""
        from frontier.adapters.check_aider import Aider
        from frontier.usecases import smoke

        url, key = self._reachable()
        return smoke.checks(
            smoke.Stack(
                url=url,
                key=key,
                project=self.core.project.load(),
                model=model,
                web=self.web,
                aider=Aider.found(),
                patience_s=self.core.settings.model_timeout,
            )
        )

    @property
    def web(self) -> "LocalWeb":
        """Servers on this machine."""
        from frontier.adapters.check_web import LocalWeb

        return LocalWeb()

    @staticmethod
    def docker_facts() -> "DockerFacts":
        """Return what Docker offers, asked with more haste than by a command that needs it."""
        from frontier.adapters.docker_check import check

        return check(limit_s=_DOCKER_S)

    @property
    def _folder(self) -> "WorkspaceFolder":
        from frontier.adapters.check_workspace import WorkspaceFolder

        return WorkspaceFolder(self.core.workspace)

    def _stack_lines(self) -> "Iterable[StackLine]":
        from frontier.usecases.stacks import listed

        stacks = self.core.stacks
        return listed(stacks, stacks.is_own, self.core.settings.current_stack)

    def _certificate(self, project: "Project") -> Path | None:
        names = project.containers.secrets.values() if project.containers else ()
        name = next((name for name in names if name.startswith("tls-certificate")), "")
        return self.core.workspace.secrets / name if name else None

    def _interrupted(self) -> "Interrupted | None":
        return self.core.journal.interrupted() if self.core.workspace.changing.exists() else None

    def _reachable(self) -> tuple[str, str]:
        project = self.core.project.load()
        key = self.access.key_of(project) if project else self.access.own_key
        return self.access.reachable.urls[0], key

    def _routes_problem(self) -> str:
        """Ask the gateway, which alone knows its files; it is a program of its own."""
        from frontier.adapters.machine.tools import ToolError, runner

        file = self.core.workspace.models_yaml
        if not file.exists():
            return ""
        check = (sys.executable, "-m", "frontier.gateway", "--check", "--config", str(file))
        try:
            runner(_GATEWAY_S)(check)
        except ToolError as error:
            said = str(error).partition("error: ")[2] or str(error)
            return said.partition(" hint: ")[0]
        return ""

    def _needs_docker(self) -> bool:
        """Tell whether what is selected or declared cannot run without Docker."""
        with contextlib.suppress(FrontierError):
            declared = self.core.project.load()
            if declared and declared.containers:
                return True
            if self.core.settings.runtime in ("docker", "hybrid"):
                return True
            return "native" not in self.core.stacks.load(self.core.settings.current_stack).runtimes
        return False

    def _has_docker(self, ask: "Callable[[], DockerFacts]") -> bool:
        """Tell whether *ask* answers, True where nothing here needs Docker."""
        if not (self.core.workspace.compose_file.exists() or self._needs_docker()):
            return True
        try:
            ask()
        except FrontierError:
            return False
        return True

    def _docker_root(self) -> str:
        said = self.host.said(("docker", "info", "--format", "{{.DockerRootDir}}"))
        return said if said and said.startswith("/") else ""

    @cached_property
    def _index(self) -> "IndexConfig":
        from frontier.adapters.package_index_config import read_index_config

        return read_index_config(os.environ, home=Path.home(), prefix=Path(sys.prefix))

    def _server(self, name: str) -> str:
        if name == "index":
            return next(iter(self._index.indexes), "") if not self._index.is_offline else ""
        if name == "hub":
            offline = os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "on", "yes", "true")
            return "" if offline else os.environ.get("HF_ENDPOINT", "") or "https://huggingface.co"
        return _REGISTRY if self._needs_docker() else ""

    def _port(self, setting: str) -> "Finding":
        from frontier.adapters.ports_free import ensure_port_free
        from frontier.domain.check import passed, skipped

        try:
            settings = self.core.settings
        except ConfigError:  # machine.placement says which
            return skipped("a setting is wrong: frontier validate --only settings")
        port: int = getattr(settings, setting.lower())
        if why := self._unused(setting, port):
            return skipped(why)
        if port in self._ours:
            return passed(f"{port}, where this workspace's own services listen")
        address = settings.bind_address
        ensure_port_free(address, port, variable=setting)
        return passed(f"{port} is free on {address}")

    def _unused(self, setting: str, port: int) -> str:
        """Return why nothing will listen on the port of *setting*, "" where something may."""
        settings = self.core.settings
        if not port:
            return f"{setting} is 0"
        if setting in _CONTAINERS and not (settings.enable_monitoring and self._may_use_docker):
            return "no monitoring: it runs in Docker only"
        told = settings.alert_webhook_url or settings.alert_deadman_url
        if setting == "ALERTMANAGER_PORT" and not told:
            return "no Alertmanager: neither ALERT_WEBHOOK_URL nor ALERT_DEADMAN_URL is set"
        if setting.startswith("NGINX_") and not (settings.enable_nginx or settings.enable_ssl):
            return "nginx is not part of the stack"
        return ""

    @property
    def _may_use_docker(self) -> bool:
        if self._needs_docker():
            return True
        return self.core.settings.runtime != "native" and bool(self.host.said(("docker", "-v")))

    @cached_property
    def _ours(self) -> frozenset[int]:
        """The ports that this workspace's own services hold now."""
        from frontier.usecases.stacks import ports_of

        with contextlib.suppress(FrontierError):
            project: Project | None = self.running.project
            if project:
                return frozenset(endpoint.port for endpoint in ports_of(project))
        return frozenset()
