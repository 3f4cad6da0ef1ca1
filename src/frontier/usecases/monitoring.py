"""The configuration of a Prometheus of the user's own, and what starts it."""

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitoring:
    """What `frontier stack monitoring` writes.

    Attributes:
        folder: Where the files lie.
        files: Relative to the folder.
        commands: What starts Prometheus, and Alertmanager where it has somebody to tell.
        jobs: What is scraped beside the gateway and the engines.
        applied: They were written.
    """

    folder: str
    files: tuple[str, ...]
    commands: tuple[str, ...]
    jobs: tuple[str, ...]
    applied: bool


def commands(
    folder: str, data: str, *, retention: str, port: int, alertmanager_port: int
) -> tuple[str, ...]:
    """Return what starts Prometheus, and Alertmanager unless its port is 0.

    Args:
        folder: Of the configuration.
        data: The folder below which both keep what they measure.
        retention: How long Prometheus keeps it, as it writes durations.
        port: Of Prometheus, on loopback like the other one.
        alertmanager_port: 0 for none.
    """
    prometheus = (
        "prometheus",
        f"--config.file={folder}/prometheus/prometheus.yml",
        f"--storage.tsdb.path={data}/prometheus",
        f"--storage.tsdb.retention.time={retention}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    alertmanager = (
        "alertmanager",
        f"--config.file={folder}/alertmanager/alertmanager.yml",
        f"--storage.path={data}/alertmanager",
        f"--web.listen-address=127.0.0.1:{alertmanager_port}",
        "--cluster.listen-address=",
    )
    wanted = [prometheus, alertmanager] if alertmanager_port else [prometheus]
    return tuple(shlex.join(command) for command in wanted)
