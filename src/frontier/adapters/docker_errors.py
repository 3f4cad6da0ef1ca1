"""What docker and Compose say when they fail, as errors with the next move."""

import contextlib
import json
import os
import re
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from frontier.domain.errors import (
    ConfigError,
    DownloadError,
    FrontierError,
    PortTakenError,
    RefusedError,
    RuntimeFailedError,
    StorageError,
)

if TYPE_CHECKING:
    from python_on_whales.exceptions import DockerException

_TAIL_LINES = 8
_ON_MAC: Final = sys.platform == "darwin"
_NATIVE: Final = "or go without: frontier up --runtime native"
COMPOSE_HINT: Final = (
    "Install the plugin (docker-compose-plugin): https://docs.docker.com/compose/install/; "
    f"{_NATIVE}"
)


@contextlib.contextmanager
def translated(doing: str) -> Generator[None]:
    """Turn a failure of docker inside the block into a FrontierError."""
    from python_on_whales.exceptions import DockerException

    try:
        yield
    except DockerException as error:
        raise explain(doing, words(error)) from error


def words(error: "DockerException") -> str:
    """Return what docker itself said; Compose says its errors as JSON among its progress."""
    said = (error.stderr or error.stdout or "").strip()
    messages = [message for line in said.splitlines() if (message := _message(line))]
    return "\n".join(messages) or f"it ended with exit code {error.return_code}"


def _message(line: str) -> str:
    if not line.startswith("{"):
        return line.strip()
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return line
    if event.get("error"):
        return str(event.get("message", ""))
    return str(event.get("msg", "")) if event.get("level") in ("error", "fatal") else ""


def explain(doing: str, said: str) -> FrontierError:
    """Return the error for what docker *said* while *doing*."""
    lines = said.splitlines()
    last = lines[-1].removeprefix("Error response from daemon: ").removeprefix("Error: ")
    for kind, pattern, message, hint in _EXPLANATIONS:
        if match := re.search(pattern, said, re.IGNORECASE | re.MULTILINE):
            found = {**match.groupdict(), "last": last}
            if pattern == _UNREACHABLE and (host := os.environ.get("DOCKER_HOST")):
                say = f"DOCKER_HOST says {host}: correct it, or unset DOCKER_HOST; {_NATIVE}"
                return kind(message, hint=say, details=last)
            return kind(message.format(**found), hint=hint.format(**found), details=last)
    return RuntimeFailedError(
        f"docker failed while {doing}: {last}",
        hint="frontier doctor",
        details="\n".join(lines[-_TAIL_LINES:-1]),
    )


def missing_docker() -> RuntimeFailedError:
    """Return the error of a machine without Docker."""
    where = "desktop/setup/install/mac-install/" if _ON_MAC else "engine/install/"
    return RuntimeFailedError(
        "Docker is not installed: there is no program named docker",
        hint=f"Install it: https://docs.docker.com/{where}; {_NATIVE}",
    )


def silent_docker(limit_s: float) -> RuntimeFailedError:
    """Return the error of a daemon that hangs."""
    restart = "Restart Docker Desktop" if _ON_MAC else "sudo systemctl restart docker"
    return RuntimeFailedError(
        f"Docker did not answer within {limit_s:.0f} s", hint=f"{restart}, then try again."
    )


_UNREACHABLE: Final = (
    r"cannot connect to the docker daemon|error during connect|is the docker daemon running"
)


class _Explanation(NamedTuple):
    """Words of docker, and the error that they mean; ``{last}`` is docker's last line."""

    kind: type[FrontierError]
    pattern: str
    message: str
    hint: str


# the first that is found in docker's words wins
_EXPLANATIONS: Final = (
    _Explanation(
        RuntimeFailedError,
        r"permission denied while trying to connect|dial unix .*permission denied",
        "this user may not use Docker: permission denied at its socket",
        "sudo usermod -aG docker $USER, then log in again (whoever is in that group can become "
        "root; rootless Docker needs none: https://docs.docker.com/engine/security/rootless/); "
        f"{_NATIVE}",
    ),
    _Explanation(
        RuntimeFailedError,
        _UNREACHABLE,
        "Docker is not running: nothing answers where its daemon should listen",
        f"{'open -a Docker' if _ON_MAC else 'sudo systemctl start docker'}, then try again; "
        f"{_NATIVE}",
    ),
    _Explanation(
        RuntimeFailedError,
        r"unknown flag: --project|compose' is not a docker command"
        r"|unknown command: docker \S*compose",
        "Docker has no Compose",
        COMPOSE_HINT,
    ),
    _Explanation(
        PortTakenError,
        r"(?:bind (?:for|host port(?: for)?) |listen tcp[46]? |exposing port tcp )"
        r"\S*?:(?P<port>\d+)\b.*(?:already|in use)",
        "port {port} is taken by another process",
        "Stop it, or choose another port: frontier config set API_PORT N",
    ),
    _Explanation(
        ConfigError,
        r"listen tcp[46]? (?P<address>\S+):\d+: bind: cannot assign",
        "cannot listen on {address}: it is not an address of this machine",
        "frontier config set BIND_ADDRESS 127.0.0.1",
    ),
    _Explanation(
        RuntimeFailedError,
        r"could not select device driver|nvidia-container-cli:|unresolvable CDI devices",
        "Docker cannot give containers the GPU: the NVIDIA Container Toolkit is not set up",
        "sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker",
    ),
    _Explanation(
        RuntimeFailedError,
        r'adding custom device "(?P<device>[^"]+)"',
        "this machine has no device {device}",
        "frontier doctor shows what the machine has.",
    ),
    _Explanation(
        StorageError,
        r"no space left on device|disk quota exceeded",
        "the disk that Docker writes to is full",
        "Free space: docker system df shows what takes it.",
    ),
    _Explanation(
        RuntimeFailedError,
        r"exec format error",
        "the image is made for another kind of processor",
        "docker pull --platform linux/$(uname -m) IMAGE brings the one for this machine.",
    ),
    _Explanation(
        RuntimeFailedError,
        r'exec: \\?"(?P<program>[^"\\]+)\\?":? (?:stat [^:]+: )?(?P<why>[^:\n]+)',
        "the image cannot run {program}: {why}",
        "Is it the image that the stack expects? frontier config show lists the *_IMAGE settings.",
    ),
    _Explanation(
        RuntimeFailedError,
        r"mounts denied|is not shared from the host",
        "Docker Desktop may not see the workspace's folder",
        "Docker Desktop > Settings > Resources > File sharing: add it.",
    ),
    _Explanation(
        RefusedError,
        r"address pools have been fully subnetted|could not find an available.*pool",
        "Docker has no free range of addresses left for another network",
        "docker network ls lists them; docker network rm NAME removes one that is unused.",
    ),
    _Explanation(
        DownloadError,
        r"pull access denied|unauthorized|denied:|no basic auth|manifest (?:unknown|for)",
        "the registry has no such image, or does not give it away without an account",
        "Check its name; docker login, where it needs an account.",
    ),
    _Explanation(
        RuntimeFailedError,
        r"no such image: \S+",
        "an image is not on this machine: {last}",
        "docker pull IMAGE, or load it from a file: docker load -i FILE.tar",
    ),
    _Explanation(
        DownloadError,
        r"no such host|connection refused|network is unreachable|no route to host|i/o timeout"
        r"|TLS handshake|request canceled|context deadline|unexpected EOF|server misbehaving|x509",
        "the registry cannot be reached",
        "Check the network.",
    ),
    _Explanation(
        ConfigError,
        r"validating \S*compose|false schema|invalid compose|yaml: |undefined (?:volume|network)",
        "Compose does not accept the rendered project: {last}",
        "frontier stack render prints it; the message names the key that is wrong.",
    ),
)
