"""Containers as Docker tells of them, and the state of our services in that."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from frontier.adapters.docker_cli import text
from frontier.domain.containers import DIGEST_LABEL, WORKSPACE_LABEL
from frontier.domain.docker import Endpoint, why_ended
from frontier.domain.state import Phase, ServiceState

if TYPE_CHECKING:
    from python_on_whales import DockerClient

_PROJECT = "com.docker.compose.project"
_FOLDER = "com.docker.compose.project.working_dir"
_SERVICE = "com.docker.compose.service"
_LABELS = [f'{{{{.Label "{label}"}}}}' for label in (_PROJECT, _FOLDER, WORKSPACE_LABEL)]
_COLUMNS = "\t".join(["{{.ID}}", "{{.Names}}", "{{.Ports}}", *_LABELS, "{{.Image}}"])


@dataclass(frozen=True, slots=True)
class Listed:
    """One container of ``docker ps``.

    Attributes:
        ports: Endpoints of the host that it listens on.
        project: The Compose project, "" without one.
        folder: Where that project was started from.
        workspace: The Frontier workspace that it belongs to, "" without one.
        image: As it was named when the container was made.
    """

    id: str
    name: str
    ports: tuple[Endpoint, ...]
    project: str
    folder: str
    workspace: str
    image: str


def listed(client: "DockerClient") -> tuple[Listed, ...]:
    """Return every container of this Docker, running or not."""
    answer = text(client, "ps", "--all", "--no-trunc", "--format", _COLUMNS)
    rows = (line.split("\t") for line in answer.splitlines())
    return tuple(Listed(id_, name, parse_ports(p), *rest) for id_, name, p, *rest in rows)


def parse_ports(text: str) -> tuple[Endpoint, ...]:
    """Return the endpoints in ``127.0.0.1:80->80/tcp, [::]:8000-8001->8000-8001/tcp, 9/tcp``."""
    found: list[Endpoint] = []
    for word in text.split(", "):
        published, arrow, inside = word.partition("->")
        address, _, numbers = published.rpartition(":")
        if arrow and inside.endswith("/tcp"):
            first, _, last = numbers.partition("-")
            span = range(int(first), int(last or first) + 1)
            found += [Endpoint(address.strip("[]"), number) for number in span]
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Container:
    """One container of ours, inspected."""

    raw: dict[str, Any]

    @property
    def id(self) -> str:
        """Return its id."""
        return str(self.raw["Id"])

    @property
    def service(self) -> str:
        """Return the service that it runs."""
        return str(self._labels[_SERVICE])

    @property
    def project(self) -> str:
        """Return the Compose project that it belongs to."""
        return str(self._labels[_PROJECT])

    @property
    def created(self) -> str:
        """Return when it was made, RFC 3339."""
        return str(self.raw["Created"])

    @property
    def health(self) -> str:
        """Return ``starting``, ``healthy``, ``unhealthy``, or "" without a health check."""
        status = str(self._state.get("Health", {}).get("Status", ""))
        return "" if status == "none" else status

    @property
    def health_test(self) -> tuple[str, ...]:
        """Return the command of its health check, () without one."""
        check: dict[str, Any] = self.raw["Config"].get("Healthcheck") or {}
        test: list[str] = check.get("Test") or ["NONE"]
        match test[0]:
            case "CMD":
                return tuple(test[1:])
            case "CMD-SHELL":
                return ("/bin/sh", "-c", *test[1:])
            case _:
                return ()

    @property
    def health_timeout_s(self) -> float:
        """Return how long its health check may take."""
        check: dict[str, Any] = self.raw["Config"].get("Healthcheck") or {}
        return float(check.get("Timeout") or 0) / 1e9 or 30.0

    @property
    def restarts(self) -> int:
        """Return how often Docker has started it again."""
        return int(self.raw.get("RestartCount", 0))

    @property
    def is_oom(self) -> bool:
        """Tell whether it took more memory than its limit."""
        return bool(self._state.get("OOMKilled"))

    @property
    def phase(self) -> Phase:
        """Return where it is between created and stopped."""
        match str(self._state["Status"]), self.health:
            case "created", _:
                return "stopped" if self._state.get("Error") else "starting"
            case "running", "" | "healthy":
                return "ready"
            case "running", "starting":
                return "starting"
            case "running" | "restarting", _:
                return "backoff"
            case "removing", _:
                return "stopping"
            case _:
                return "stopped"

    @property
    def reason(self) -> str:
        """Return for people why it is not ready, "" where it is or is on the way."""
        match self.phase:
            case "backoff" if self._state["Status"] == "running":
                return f"its health check fails: {self.health_output or 'it says nothing'}"
            case "backoff" | "stopped" if self._state["Status"] == "paused":
                return "paused: docker unpause"
            case "backoff" | "stopped":
                return self._why_ended
            case "starting" if self.restarts:
                return f"started again {self.restarts} times"
            case _:
                return ""

    @property
    def _why_ended(self) -> str:
        exit_code, error = int(self._state["ExitCode"]), str(self._state.get("Error", ""))
        return why_ended(exit_code, is_oom=self.is_oom, error=error)

    @property
    def health_output(self) -> str:
        """Return what its health check said last."""
        log: list[dict[str, Any]] = self._state.get("Health", {}).get("Log") or [{}]
        return str(log[-1].get("Output", "")).strip()

    @property
    def state(self) -> ServiceState:
        """Return it as a service."""
        is_running = bool(self._state.get("Running"))
        return ServiceState(
            name=self.service,
            phase=self.phase,
            digest=str(self._labels.get(DIGEST_LABEL, "")),
            pid=int(self._state.get("Pid", 0)) or None if is_running else None,
            restarts=self.restarts,
            was_ready=self.phase == "ready",
            started_at=_seconds(str(self._state.get("StartedAt", ""))),
            reason=self.reason,
            details=self.health_output if self.phase == "backoff" else "",
        )

    @property
    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.raw["State"]
        return state

    @property
    def _labels(self) -> dict[str, str]:
        labels: dict[str, str] = self.raw["Config"]["Labels"]
        return labels


def inspected(client: "DockerClient", ids: Iterable[str]) -> tuple[Container, ...]:
    """Return the containers *ids* by service, without those that are gone by now."""
    from python_on_whales.exceptions import DockerException

    ids = tuple(ids)
    if not ids:
        return ()
    try:
        answer = text(client, "container", "inspect", *ids)
    except DockerException as error:
        if "no such container" not in (error.stderr or "").lower() or not error.stdout:
            raise
        answer = error.stdout  # those that are still there
    return _by_service(json.loads(answer))


def ours(client: "DockerClient", workspace: str) -> tuple[Container, ...]:
    """Return the containers of *workspace*, running or not, by service."""
    label = f"label={WORKSPACE_LABEL}={workspace}"
    answer = text(client, "ps", "--all", "--quiet", "--no-trunc", "--filter", label)
    return inspected(client, answer.split())


def _by_service(raw: Sequence[dict[str, Any]]) -> tuple[Container, ...]:
    containers = [Container(one) for one in raw]
    services = [c for c in containers if _SERVICE in c.raw["Config"]["Labels"]]
    return tuple(sorted(services, key=lambda c: c.service))


def _seconds(moment: str) -> float | None:
    """Return a moment such as ``2026-11-21T11:07:22.442005130Z`` as Unix time, seconds."""
    if moment.startswith("0001") or not moment:
        return None
    return datetime.fromisoformat(moment).timestamp()
