"""The configuration of Prometheus and Alertmanager, and what it is filled with; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from frontier.domain.stack import Fragment
from frontier.renderers.compose_template import fill

_FOLDERS: Final = ("config/prometheus/", "config/alertmanager/")
_DASHBOARDS: Final = "live/grafana/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Where Prometheus and Alertmanager find things; what is "" is not there.

    Attributes:
        gateway: Address, like all others ``host:port`` as Prometheus sees it.
        gateway_key: File with the key for the gateway's metrics.
        gateway_memory_bytes: What the gateway's container may take, 0 for no bound.
        targets: File of targets.
        machine: The node exporter.
        prometheus: Prometheus itself.
        alertmanager: It runs where there is a webhook or a dead man's address.
        redis: The exporter of Redis.
        tls: nginx shows a certificate.
        webhook: File with the address that alerts are posted to.
        deadman: File with the address that is called as long as all is well.
    """

    gateway: str
    targets: str
    gateway_key: str = ""
    gateway_memory_bytes: int = 0
    machine: str = ""
    prometheus: str = ""
    alertmanager: str = ""
    redis: str = ""
    tls: bool = False
    webhook: str = ""
    deadman: str = ""

    @property
    def jobs(self) -> dict[str, str]:
        """Map each job beside the gateway's to its address."""
        found = {
            "machine": self.machine,
            "prometheus": self.prometheus,
            "alertmanager": self.alertmanager,
            "redis": self.redis,
        }
        return {name: address for name, address in found.items() if address}


def files(
    fragment: Fragment, macros: Mapping[str, str], watch: Watch, settings: Mapping[str, object]
) -> dict[str, str]:
    """Return the configuration of a Prometheus, and an Alertmanager, outside containers.

    Dashboards, for a Grafana of the user's own, come along as they are.

    Args:
        fragment: ``stacks/common/monitoring``.
        macros: Templates that others import, by file name.
        watch: What they watch.
        settings: By upper-case name.

    Raises:
        ConfigError: a template is wrong.
    """
    values, texts = {**settings, "watch": watch}, tuple(sorted(macros.items()))
    found = {
        path.removeprefix("config/").removesuffix(".j2"): fill(
            f"{fragment.origin}/{path}", text, texts, values
        )
        for path, text in fragment.texts.items()
        if path.startswith(_FOLDERS)
    }
    dashboards = {
        path.removeprefix("live/"): text
        for path, text in fragment.texts.items()
        if path.startswith(_DASHBOARDS)
    }
    return {path: text for path, text in found.items() if text.strip()} | dashboards
