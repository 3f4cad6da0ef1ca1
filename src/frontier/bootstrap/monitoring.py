"""The configuration of a Prometheus of the user's own, for what runs without Docker."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from frontier.bootstrap.core import Core

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import SecretStr

    from frontier.renderers.monitoring import Watch
    from frontier.usecases.monitoring import Monitoring as Written


@dataclass
class Monitoring:
    """Prometheus and Alertmanager beside a native stack."""

    core: Core

    def write(self, *, dry_run: bool) -> "Written":
        """Write the configuration; with *dry_run* only name the files.

        Raises:
            ConfigError: a template is wrong.
            StorageError: the workspace cannot be written.
        """
        from frontier.adapters.files import write_atomic
        from frontier.usecases.monitoring import Monitoring as Written
        from frontier.usecases.monitoring import commands

        workspace, settings = self.core.workspace, self.core.settings
        watch = self._watch()
        files = self._files(watch)
        if not dry_run:
            for path, text in files.items():
                write_atomic(workspace.monitoring / path, text)
        return Written(
            folder=str(workspace.monitoring),
            files=tuple(sorted(files)),
            commands=commands(
                str(workspace.monitoring),
                str(workspace.root / "data"),
                retention=settings.prometheus_retention,
                port=settings.prometheus_port,
                alertmanager_port=settings.alertmanager_port if watch.alertmanager else 0,
            ),
            jobs=tuple(watch.jobs),
            applied=not dry_run,
        )

    def _files(self, watch: "Watch") -> dict[str, str]:
        from frontier.adapters.folders import templates
        from frontier.renderers import monitoring

        values = {name.upper(): value for name, value in self.core.settings.model_dump().items()}
        fragment = self.core.stacks.fragments()["monitoring"]
        return monitoring.files(fragment, templates("compose"), watch, values)

    def _watch(self) -> "Watch":
        from frontier.renderers.monitoring import Watch

        core, settings = self.core, self.core.settings
        webhook = self._kept("alert-webhook-url", settings.alert_webhook_url)
        deadman = self._kept("alert-deadman-url", settings.alert_deadman_url)
        return Watch(
            gateway=_local(core.listening.ports[0]),
            gateway_key=str(core.secrets.generated("metrics-key")),
            targets=str(core.workspace.targets),
            machine=_local(settings.node_exporter_port),
            prometheus=_local(settings.prometheus_port),
            alertmanager=_local(settings.alertmanager_port) if webhook or deadman else "",
            webhook=webhook,
            deadman=deadman,
        )

    def _kept(self, kind: str, url: "SecretStr | None") -> str:
        """Return the file that holds the address *url*, "" without one."""
        kept: Path | None = self.core.secrets.keep(kind, url.get_secret_value()) if url else None
        return str(kept) if kept else ""


def _local(port: int) -> str:
    """Return the loopback address of *port*, "" for none."""
    return f"127.0.0.1:{port}" if port else ""
