"""What a rendered Compose project depends on, as plain values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from frontier.domain.model import Details
from frontier.domain.stack import Accelerator, Stack

_LOAD_BYTES_PER_S: Final = 100e6  # a slow disk; a larger model gets more time


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """The model that the engine serves.

    Attributes:
        name: What clients ask for; for engines that fetch models themselves also what they fetch.
        blob: The model file below the workspace's root, "" where the engine fetches it.
        size_bytes: Of the file, 0 if unknown.
        context: Context of each request slot, tokens.
        aliases: More names.
        details: What clients are told of it.
    """

    name: str
    blob: str = ""
    size_bytes: int = 0
    context: int = 4096
    aliases: tuple[str, ...] = ()
    details: Details | None = None

    @property
    def file(self) -> str:
        """Return the name of the model file as containers see it."""
        return re.sub(r"[^a-z0-9._-]+", "-", self.name.lower()).strip("-.") + ".gguf"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposeSpec:
    """All that a rendered project depends on.

    Attributes:
        project: Compose project; also the beginning of the networks' names.
        prefix: The workspace as seen from the project folder.
        settings: Every setting but secrets, and the stack's variables, by upper-case name.
        secrets: Kind of secret to its file below the workspace's secrets folder: ``api-key``,
            ``grafana-admin-password``, ``hf-token``, ``tls-certificate``, ``tls-key``.
        accelerator: What the engine computes on; `compute_capability` is that of its GPU.
        arch: Of the images: ``amd64``, ``arm64``.
        gpu: What the engine's service needs for its GPU, as Compose has it.
        user: ``uid:gid`` of all containers that have no reason for another one.
        may_be_root: Root in a container is an ordinary user outside, as under a rootless daemon.
        model: None leaves out an engine that cannot start without one.
        gateway_image: Built by Frontier.
        monitoring: With Prometheus and Grafana; `gpu_exporter` adds NVIDIA's.
        nginx: With nginx in front, for plain HTTP or with `ssl` for HTTPS.
        digests: Image reference to ``sha256:...``, from the lock file.
        has_start_interval: The Docker Engine is 25 or newer: health checks can be frequent
            while a service starts and rare afterwards.
        engine_url: Where the engine listens on the host; "" runs it in a container.
        host_paths: Paths of the machine that settings name, which may be mounted.
    """

    stack: Stack
    gateway_image: str
    settings: Mapping[str, object]
    project: str = "frontier"
    prefix: str = "../.."
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    accelerator: Accelerator = "cpu"
    arch: Literal["amd64", "arm64"] = "amd64"
    compute_capability: str = ""
    gpu: Mapping[str, Any] = field(default_factory=dict[str, Any])
    user: str = "1000:1000"
    may_be_root: bool = False
    model: ModelSpec | None = None
    monitoring: bool = False
    gpu_exporter: bool = False
    nginx: bool = False
    ssl: bool = False
    digests: Mapping[str, str] = field(default_factory=dict[str, str])
    has_start_interval: bool = True
    engine_url: str = ""
    host_paths: frozenset[str] = frozenset()

    @property
    def listens(self) -> str:
        """Return the engine's URL as containers see it."""
        return self.engine_url or f"http://{self.stack.engine}:{self.stack.port}"

    @property
    def start_budget_s(self) -> float:
        """Return the seconds that the engine may take from its creation to healthy."""
        timeout = self.settings.get("MODEL_TIMEOUT", 0)
        limit = float(timeout) if isinstance(timeout, int | float) else 0.0
        size = self.model.size_bytes if self.model else 0
        return self.stack.start_timeout_s + max(limit, size / _LOAD_BYTES_PER_S)


def gpu_keys(accelerator: Accelerator) -> dict[str, Any]:
    """Return what a service needs for the GPUs of a machine that nobody has looked at."""
    devices = [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    keys: dict[Accelerator, dict[str, Any]] = {
        "cpu": {},
        "cuda": {"deploy": {"resources": {"reservations": {"devices": devices}}}},
        "rocm": {"devices": ["/dev/kfd", "/dev/dri"]},
    }
    return keys[accelerator]
