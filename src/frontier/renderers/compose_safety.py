"""What every container must be: hardened, bounded, watched, and closed to the outside; pure."""

import posixpath
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from ipaddress import ip_address
from typing import Any, Final, cast

from frontier.domain.errors import ConfigError
from frontier.renderers.compose_text import SERVICE_KEYS

NETWORKS: Final = ("llm-network", "monitoring")
"""Networks that there are, by key; their names have the project's in front."""

OPEN_SERVICES: Final = ("gateway", "nginx", "grafana")
"""What people open from other machines; everything else is published on loopback at most."""

_Service = Mapping[str, Any]
_Problem = tuple[str, str]  # key, what is wrong with it
_PINNED = re.compile(r"\S+(:(?!latest$)[\w][\w.-]*(@sha256:[0-9a-f]{64})?|@sha256:[0-9a-f]{64})")
_SECONDS = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_HOST_FOLDERS = ("/proc", "/sys")
_GPU_DEVICES = ("/dev/kfd", "/dev/dri")
_OURS = (".env", ".frontier", "backups", "logs")


def check_safe(
    document: Mapping[str, Any],
    *,
    where: str,
    prefix: str = "../..",
    allowed: Collection[str] = (),
    may_be_root: bool = False,
) -> None:
    """Refuse a document with a service that is not safe.

    A service says why it needs more in ``x-frontier``: ``writable``, ``root``, ``unchecked`` or
    ``host``, each with its reason.

    Args:
        document: The whole Compose document.
        where: Where the services come from, for the message.
        prefix: The workspace as seen from the project folder.
        allowed: Paths of the machine that settings name.
        may_be_root: Root in a container is an ordinary user outside.

    Raises:
        ConfigError: the first problem: service, key, what is wanted.
    """
    name = str(document["name"])
    for key, network in document.get("networks", {}).items():
        if key not in NETWORKS or network.get("name") != f"{name}-{key}":
            raise ConfigError(
                f"{where}: network {key!r}: there are {' and '.join(NETWORKS)}, no others"
            )
    for service, definition in document["services"].items():
        for key, reason in _problems(service, definition, prefix, allowed):
            if key == "user" and may_be_root and str(definition[key]).startswith("0:"):
                continue
            raise ConfigError(
                f"{where}: service {service!r}: {key}: {reason}",
                hint="The how-to on stacks explains what every service must have, and why.",
            )


def seconds(duration: str) -> float:
    """Return a Compose duration such as ``1m30s`` in seconds.

    Raises:
        ValueError: it is none.
    """
    found = _SECONDS.fullmatch(duration)
    if not found or not duration:
        raise ValueError(f"{duration!r} is no duration such as 1m30s")
    hours, minutes, rest = (int(group or 0) for group in found.groups())
    return float(hours * 3600 + minutes * 60 + rest)


def _problems(
    name: str, service: _Service, prefix: str, allowed: Collection[str]
) -> Iterator[_Problem]:
    excuses: Mapping[str, str] = service.get("x-frontier", {})
    for key in service:
        if key not in SERVICE_KEYS:
            yield key, "is not allowed in a stack"
    for key, is_right, wanted in _DEMANDS:
        if not is_right(service.get(key)):
            yield key, f"wants {wanted}"
    yield from _identity(service, excuses)
    yield from _health(service, excuses)
    yield from _ports(name, service)
    for volume in service.get("volumes", ()):
        if reason := _volume(volume, prefix, allowed, excuses):
            yield "volumes", f"{volume}: {reason}"


def _identity(service: _Service, excuses: Mapping[str, str]) -> Iterator[_Problem]:
    user = str(service.get("user", ""))
    if not re.fullmatch(r"\d+:\d+", user):
        yield "user", "wants numbers, such as {{ user }}"
    elif user.startswith("0:") and not excuses.get("root"):
        yield "user", "is root, and x-frontier has no `root: reason`"
    if service.get("read_only") is not True and not excuses.get("writable"):
        yield "read_only", "wants true, or `writable: reason` in x-frontier"


def _health(service: _Service, excuses: Mapping[str, str]) -> Iterator[_Problem]:
    health: Mapping[str, Any] = service.get("healthcheck", {})
    if excuses.get("unchecked"):
        return
    if not health.get("test") or health.get("disable"):
        yield "healthcheck", "wants a test, or `unchecked: reason` in x-frontier"
        return
    try:
        seconds(str(health.get("start_period", "")))
    except ValueError as error:
        yield "healthcheck.start_period", str(error)


def _ports(name: str, service: _Service) -> Iterator[_Problem]:
    for port in service.get("ports", ()):
        address, _, rest = str(port).rpartition("]") if "[" in str(port) else ("", "", str(port))
        host = address.removeprefix("[") or rest.partition(":")[0]
        try:
            is_loopback = ip_address(host).is_loopback
        except ValueError:
            yield "ports", f"{port} wants an address in front, such as 127.0.0.1:8000:8000"
            continue
        if not is_loopback and name not in OPEN_SERVICES:
            yield "ports", f"{port} opens it to other machines; only the gateway may be"


def _volume(
    volume: object, prefix: str, allowed: Collection[str], excuses: Mapping[str, str]
) -> str:
    """Return what is wrong with one bind or named volume, "" if nothing is."""
    if not isinstance(volume, str) or ":" not in volume:
        return "wants the short form, SOURCE:TARGET"
    source, _, target = volume.replace("$$", "$").partition(":")
    if "docker.sock" in source:
        return "hands the machine over to the container"
    if source in allowed:
        return ""
    if source in _HOST_FOLDERS:
        is_read_only = target.endswith(":ro")
        return "" if is_read_only and excuses.get("host") else "wants :ro and `host: reason`"
    if source.startswith(("/", "~")):
        return "is a path of one machine; use a relative one"
    return _relative(posixpath.normpath(source), posixpath.normpath(prefix))


def _relative(source: str, workspace: str) -> str:
    if source in (".", "secrets", workspace):
        return "has secrets in it"
    if not source.startswith(f"{workspace}/"):
        return "is outside the workspace" if source.startswith("..") else ""
    inside = source.removeprefix(f"{workspace}/").partition("/")[0]
    if inside == "..":
        return "is outside the workspace"
    return "is not for containers; use a folder below data/" if inside in _OURS else ""


def _has(*wanted: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and set(wanted) <= set(cast("list[str]", value))


def _is_bounded_log(value: Any) -> bool:
    logging = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    options: Mapping[str, str] = logging.get("options", {})
    return {"max-size", "max-file"} <= options.keys()


def _are_ours(value: Any) -> bool:
    names = cast("list[str]", value) if isinstance(value, list) else []
    return bool(names) and set(names) <= set(NETWORKS)


def _is_confined(value: Any) -> bool:
    return _has("no-new-privileges:true")(value) and not any("unconfined" in v for v in value)


def _are_gpus(value: Any) -> bool:
    return all(str(device).partition(":")[0] in _GPU_DEVICES for device in value or ())


_DEMANDS: Final[tuple[tuple[str, Callable[[Any], bool], str], ...]] = (
    ("image", lambda v: bool(_PINNED.fullmatch(str(v))), "an image pinned by tag or digest"),
    ("restart", lambda v: v in ("unless-stopped", "always", "on-failure"), "unless-stopped"),
    ("cap_drop", lambda v: v == ["ALL"], "[ALL]"),
    ("cap_add", lambda v: not v, "nothing"),
    ("security_opt", _is_confined, "[no-new-privileges:true]"),
    ("devices", _are_gpus, "no devices but " + ", ".join(_GPU_DEVICES)),
    ("pids_limit", lambda v: isinstance(v, int) and v > 0, "a number of processes"),
    ("logging", _is_bounded_log, "max-size and max-file"),
    ("networks", _are_ours, " or ".join(NETWORKS)),
)
"""Key, whether its value is right, and what it should be."""
