"""What Docker offers, what a project asks of it, and why a container ended, as values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from frontier.domain.containers import Containers
from frontier.domain.errors import DoesNotFitError
from frontier.domain.units import size

OLDEST_ENGINE: Final = (20, 10)
OLDEST_COMPOSE: Final = (2, 30)

_MEMORY_UNITS: Final = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_SIGNALS: Final = {129: "SIGHUP", 130: "SIGINT", 134: "SIGABRT", 137: "SIGKILL", 139: "SIGSEGV"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerFacts:
    """The Docker of this machine.

    Attributes:
        engine: Version of the daemon.
        api: Version of the API that client and daemon agreed on.
        compose: Version of the Compose plugin.
        memory_bytes: Memory that all containers share; of the virtual machine, where there is one.
        cpus: Processors that containers share.
        arch: As the daemon's kernel calls it: ``x86_64``, ``aarch64``.
        is_desktop: Docker Desktop, or another one that runs a virtual machine.
        is_rootless: The daemon is not root.
        runtimes: Names of container runtimes, such as ``nvidia``.
        cdi_devices: Devices that the daemon found through CDI, such as ``nvidia.com/gpu=all``;
            Docker 28.2 and later tell.
        context: Name of the docker context in use.
    """

    engine: str
    api: str
    compose: str
    memory_bytes: int
    cpus: int
    arch: str
    is_desktop: bool = False
    is_rootless: bool = False
    runtimes: tuple[str, ...] = ()
    cdi_devices: tuple[str, ...] = ()
    context: str = ""

    @property
    def has_nvidia(self) -> bool:
        """Tell whether containers can be given an NVIDIA GPU."""
        return "nvidia" in self.runtimes or any(d.startswith("nvidia") for d in self.cdi_devices)


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """An address and TCP port of the host that a container listens on."""

    address: str
    port: int

    def collides(self, other: "Endpoint") -> bool:
        """Tell whether only one of both can be listened on."""
        same = self.address == other.address or not _EVERYWHERE.isdisjoint(
            (self.address, other.address)
        )
        return self.port == other.port and same


_EVERYWHERE: Final = {"0.0.0.0", "::", ""}  # noqa: S104 compared, not bound


def version_of(text: str) -> tuple[int, ...]:
    """Return the first two numbers of a version such as ``v2.30.1-desktop.1``; () where none."""
    match = re.search(r"(\d+)\.(\d+)", text)
    return tuple(int(number) for number in match.groups()) if match else ()


def bytes_of(text: object) -> int:
    """Return the bytes that Compose means by ``8g``, ``512m``, ``1.5gb`` or a number; 0 by none."""
    match = re.fullmatch(r"([\d.]+)\s*([bkmgt]?)i?b?", str(text).strip().lower())
    return int(float(match[1]) * _MEMORY_UNITS[match[2]]) if match else 0


def memory_limit_bytes(service: Mapping[str, Any]) -> int:
    """Return the most that one container of *service* may take; 0 where it has no limit."""
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    return bytes_of(limits.get("memory") or service.get("mem_limit", 0))


def require_memory(containers: Containers, facts: DockerFacts) -> None:
    """Check that Docker has the memory that *containers* may take together.

    Raises:
        DoesNotFitError: the limits add up to more than Docker has.
    """
    limits = {name: memory_limit_bytes(s) for name, s in containers.services.items()}
    total = sum(limits.values())
    if total <= facts.memory_bytes:
        return
    largest = max(limits, key=lambda name: limits[name])
    left = (facts.memory_bytes - total + limits[largest]) // 2**20
    lower = f"frontier config set MEMORY_LIMIT {max(left, 1)}m"
    raise DoesNotFitError(
        f"the containers may take {size(total)} together, Docker has "
        f"{size(facts.memory_bytes)}; the most is {largest}'s: "
        f"{size(limits[largest])}",
        hint=(
            "Docker Desktop > Settings > Resources > Memory limit: raise it; or take a smaller "
            f"model; or {lower}"
            if facts.is_desktop
            else f"Take a smaller model; or lower the limit: {lower}"
        ),
    )


def endpoints(containers: Containers) -> dict[Endpoint, str]:
    """Map what *containers* publish on the host to the service that does."""
    return {
        endpoint: name
        for name, service in containers.services.items()
        for port in service.get("ports", ())
        for endpoint in _endpoints(port)
    }


PAGES: Final = ("grafana", "prometheus", "alertmanager")
"""Services that people open in a browser."""


def pages(containers: Containers) -> dict[str, str]:
    """Map each of `PAGES` that is published to its address on this machine."""
    return {
        name: f"http://{_reached(endpoint.address)}:{endpoint.port}"
        for endpoint, name in endpoints(containers).items()
        if name in PAGES
    }


def _reached(address: str) -> str:
    """Return where a browser on this machine finds what listens at *address*."""
    if address in _EVERYWHERE:
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def _endpoints(port: str | int | Mapping[str, object]) -> list[Endpoint]:
    """Return what one entry of ``ports`` publishes; a free port that Docker chooses is none."""
    if isinstance(port, Mapping):
        published, address = str(port.get("published", "")), str(port.get("host_ip", ""))
    else:
        address, _, published = str(port).rpartition(":")[0].rpartition(":")
    first, _, last = published.partition("-")
    if not first.isdigit() or first == "0":
        return []
    address = address.strip("[]") or "0.0.0.0"  # noqa: S104 what Compose means by none
    return [Endpoint(address, n) for n in range(int(first), int(last or first) + 1)]


def images(containers: Containers) -> dict[str, str]:
    """Map each service to the image that it runs."""
    return {name: str(s["image"]) for name, s in containers.services.items() if "image" in s}


def why_ended(exit_code: int, *, is_oom: bool, error: str) -> str:
    """Return for people why a container is not running any more."""
    if is_oom:
        return "out of memory: it took more than its limit"
    if error:
        return error
    if name := _SIGNALS.get(exit_code):
        return f"killed by {name}"
    return f"ended with exit code {exit_code}"


def hint_for(service: str, reason: str, log: str) -> str:
    """Return the next move after *service* failed with *reason* and these last words."""
    said = f"{reason}\n{log}".lower()
    found = (hint for pattern, hint in _HINTS if re.search(pattern, said))
    return next(found, f"frontier logs {service}")


_HINTS: Final = (
    (
        r"out of memory: it took|oomkilled",
        "Give it more memory: frontier config set MEMORY_LIMIT 8g; or take a smaller model.",
    ),
    (
        r"cuda out of memory|outofmemoryerror|hip out of memory|failed to allocate .*buffer",
        "The GPU's memory is too small: take a smaller model, or lower MAX_CONTEXT_LENGTH.",
    ),
    (
        r"exec format error",
        "The image is made for another kind of processor: pull the one for this machine's.",
    ),
    (
        r"exit code 12[67]\b|executable file not found",
        "Is it the image that the stack expects? frontier config show lists the *_IMAGE settings.",
    ),
    (r"address already in use", "Another process in the container's network has its port."),
    (
        r"could not select device driver|nvidia-container-cli|no cuda-capable device"
        r"|cuda driver version is insufficient|libcuda\.so",
        "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
    ),
    (r"gated repo|401 client error|403 client error", "frontier config set HF_TOKEN hf_..."),
    (r"no space left on device", "Free space: docker system df shows what takes it."),
    (
        r"permission denied",
        "A file is not readable for the container's user: docker compose config shows `user`.",
    ),
)
