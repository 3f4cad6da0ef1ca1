"""Whether Docker can be used here, and what it offers."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from frontier.adapters.docker_cli import QUICK_S, docker, text
from frontier.adapters.docker_errors import COMPOSE_HINT, explain
from frontier.domain.docker import OLDEST_COMPOSE, OLDEST_ENGINE, DockerFacts, version_of
from frontier.domain.errors import RuntimeFailedError

if TYPE_CHECKING:
    from python_on_whales import DockerClient

_DESKTOPS = ("docker desktop", "orbstack", "colima", "rancher")


def check(*, limit_s: float = QUICK_S) -> DockerFacts:
    """Return what the Docker of this machine offers; asked for at most *limit_s* seconds.

    Raises:
        RuntimeFailedError: Docker or Compose is missing, too old, not running, or not ours to use;
            the hint tells what to do.
    """
    asked = docker("asking for its version", limit_s=limit_s)
    with asked as client, ThreadPoolExecutor(2) as pool:
        version = pool.submit(_json, client, "version")
        info = pool.submit(_json, client, "info")
        return _facts(version.result(), info.result())


def _json(client: "DockerClient", command: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(text(client, command, "--format", "{{json .}}") or "{}")
    return answer


def _facts(version: dict[str, Any], info: dict[str, Any]) -> DockerFacts:
    if errors := info.get("ServerErrors"):  # an old client tells of a dead daemon and ends with 0
        raise explain("asking for its version", "\n".join(errors))
    server: dict[str, Any] = version.get("Server") or {}
    client: dict[str, Any] = info.get("ClientInfo") or {}
    engine = str(server.get("Version", ""))
    _require_engine(engine)
    return DockerFacts(
        engine=engine,
        api=str(server.get("ApiVersion", "")),
        compose=_compose_version(client),
        memory_bytes=int(info["MemTotal"]),
        cpus=int(info["NCPU"]),
        arch=str(info["Architecture"]),
        is_desktop=_is_desktop(info),
        is_rootless="name=rootless" in (info.get("SecurityOptions") or ()),
        runtimes=tuple(sorted(info.get("Runtimes") or ())),
        cdi_devices=tuple(d["ID"] for d in info.get("DiscoveredDevices") or () if "ID" in d),
        context=str(client.get("Context", "")),
    )


def _is_desktop(info: dict[str, Any]) -> bool:
    names = f"{info.get('OperatingSystem', '')} {info.get('Name', '')}".lower()
    return any(desktop in names for desktop in _DESKTOPS)


def _require_engine(engine: str) -> None:
    if not engine:
        raise RuntimeFailedError(
            "the program named docker is not Docker's, or talks to no Docker Engine",
            hint="Install Docker Engine: https://docs.docker.com/engine/install/; podman's "
            "imitation is not enough.",
        )
    if version_of(engine) < OLDEST_ENGINE:
        raise RuntimeFailedError(
            f"Docker Engine {engine} is too old; {_dotted(OLDEST_ENGINE)} is the oldest that works",
            hint="Upgrade it: https://docs.docker.com/engine/install/",
        )


def _compose_version(client: dict[str, Any]) -> str:
    plugins: list[dict[str, Any]] = client.get("Plugins") or []
    found = next((p for p in plugins if p.get("Name") == "compose" and not p.get("Err")), None)
    if found is None:
        raise RuntimeFailedError("Docker has no Compose", hint=COMPOSE_HINT, details=_v1())
    version = str(found.get("Version", "")).removeprefix("v")
    if version_of(version) < OLDEST_COMPOSE:
        raise RuntimeFailedError(
            f"Docker Compose {version} is too old; {_dotted(OLDEST_COMPOSE)} is the oldest that "
            "works",
            hint=COMPOSE_HINT,
        )
    return version


def _v1() -> str:
    import shutil

    found = shutil.which("docker-compose")
    return f"{found} is Compose v1 or stands alone; the plugin is needed" if found else ""


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
