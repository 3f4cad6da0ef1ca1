"""`frontier doctor`: everything that the machine and the installation must have."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from frontier.domain import check_docker, check_machine
from frontier.domain.check import Finding, failed, of_error, passed, skipped, warned
from frontier.domain.docker import DockerFacts
from frontier.domain.errors import FrontierError
from frontier.domain.machine import Machine
from frontier.domain.placement import Placement
from frontier.ports.checking import Host
from frontier.usecases.checking import Check, Once

PORTS: Final = {
    "api": ("API_PORT", "The gateway's port"),
    "gateway": ("GATEWAY_PORT", "The gateway's second port"),
    "grafana": ("GRAFANA_PORT", "Grafana's port"),
    "prometheus": ("PROMETHEUS_PORT", "Prometheus' port"),
    "alertmanager": ("ALERTMANAGER_PORT", "Alertmanager's port"),
    "nginx-http": ("NGINX_HTTP_PORT", "nginx's port for HTTP"),
    "nginx-https": ("NGINX_HTTPS_PORT", "nginx's port for HTTPS"),
}
_CI: Final = "--ci asks nothing outside this machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What the checks look at.

    Attributes:
        machine: Looks at the hardware; asked once.
        docker: Looks at Docker; asked once, raises where it does not work.
        host: This machine, this installation and this user.
        workspace: The folder that the command works in.
        needs_docker: Tells whether what is selected cannot run without Docker.
        cdi: The files that define NVIDIA's devices for containers.
        port: Judges the port of a setting.
        place: Decides where `frontier up` would run the selected stack.
        docker_root: Where Docker keeps its files, "" if unknown.
        servers: The addresses of package index, hub and image registry, by check.
        may_ask: Other machines may be asked.
    """

    machine: Callable[[], Machine]
    docker: Callable[[], DockerFacts]
    host: Host
    workspace: Path
    needs_docker: Callable[[], bool]
    cdi: Callable[[], tuple[str, ...]]
    port: Callable[[str], Finding]
    place: Callable[[], Placement]
    docker_root: Callable[[], str]
    servers: Callable[[str], str]
    may_ask: bool = True


def checks(around: Around) -> list[Check]:
    """Return every check of the machine and the installation, in the order of their groups."""
    return [
        *_installation(around.host),
        *_machine(around),
        *_environment(around),
        *docker(around),
        *(_port(around, name) for name in PORTS),
        *_network(around),
    ]


def _installation(host: Host) -> list[Check]:
    return [
        Check(id="python.version", name="Python", look=lambda: passed(host.python())),
        Check(id="python.packages", name="Installed packages", look=lambda: _packages(host)),
        Check(
            id="engine.embedded",
            name="The embedded llama.cpp",
            look=lambda: _engine(host),
            limit_s=30.0,
        ),
        Check(
            id="git.version",
            name="Git",
            look=lambda: check_docker.git(host.said(("git", "--version"))),
        ),
    ]


def _packages(host: Host) -> Finding:
    if wrong := host.wrong_packages():
        return failed(
            "; ".join(wrong),
            expected="what Frontier's own metadata names",
            mend="uv tool install --reinstall frontier-llm, or: pip install --force-reinstall "
            "frontier-llm",
        )
    return passed("all that Frontier needs is installed")


def _engine(host: Host) -> Finding:
    if problem := host.engine_problem():
        if found := host.said(("llama-server", "--version")):
            return warned(f"{problem}; llama-server on PATH serves instead: {found}")
        return failed(
            problem,
            expected="the package xllamacpp loads",
            mend="pip install --force-reinstall xllamacpp; or put llama-server on PATH; or go "
            "by Docker: frontier up --runtime docker",
        )
    return passed("the package xllamacpp loads")


def _machine(around: Around) -> list[Check]:
    machine, host = around.machine, around.host
    judged = {
        "machine.system": ("Operating system", check_machine.architecture),
        "machine.probes": ("Probes of the hardware", check_machine.probes),
        "machine.processor": ("Processor", check_machine.processor),
        "machine.memory": ("Memory", check_machine.memory),
        "machine.disk": ("Disk for models", check_machine.disk),
        "machine.gpu": ("GPU", check_machine.gpu),
    }
    return [
        *(
            Check(id=name, name=title, look=partial(_judged, judge, machine))
            for name, (title, judge) in judged.items()
        ),
        Check(
            id="machine.open-files",
            name="Open files",
            look=lambda: check_machine.open_files(host.open_files()),
        ),
        Check(
            id="machine.placement", name="Where the stack would run", look=lambda: _place(around)
        ),
        Check(
            id="machine.clock",
            name="Clock",
            look=lambda: _clock(around),
            limit_s=8.0,
            late="warn",
        ),
    ]


def _judged(judge: Callable[[Machine], Finding], machine: Callable[[], Machine]) -> Finding:
    return judge(machine())


def _place(around: Around) -> Finding:
    try:
        place = around.place()
    except FrontierError as error:
        return of_error(error)
    if unused := place.choice.unused:
        return warned(
            unused[0].why,
            expected="a GPU that is there is used",
            mend=unused[0].hint,
        )
    return passed("; ".join(place.reasons))


def _clock(around: Around) -> Finding:
    told = None
    if around.may_ask:
        try:
            told = around.host.date(around.servers("index"))
        except FrontierError:
            told = None  # network.index says it
    now = datetime.now(UTC).timestamp()
    return check_machine.clock(now, around.host.installed_at(), told)


def _environment(around: Around) -> list[Check]:
    host, root = around.host, around.workspace
    return [
        Check(
            id="workspace.writable",
            name="The workspace can be written",
            look=lambda: _writable(host, root),
        ),
        Check(
            id="workspace.filesystem",
            name="File system of the workspace",
            look=lambda: check_machine.file_system(around.machine()),
        ),
        Check(
            id="environment.temporary",
            name="Temporary files",
            look=lambda: _temporary(host),
        ),
        Check(
            id="environment.wsl",
            name="Windows' Linux",
            look=lambda: check_machine.wsl(host.text("/proc/version"), str(root)),
        ),
        Check(
            id="environment.proxies",
            name="Proxies",
            look=lambda: check_machine.proxies(host.environ),
        ),
        Check(
            id="environment.docker-host",
            name="DOCKER_HOST",
            look=lambda: check_docker.host(host.environ, host.exists),
        ),
    ]


def _writable(host: Host, root: Path) -> Finding:
    if why := host.unwritable(root):
        return failed(
            why,
            expected=f"this user writes below {root}",
            mend=f"sudo chown -R $USER {root}; or: frontier --workspace DIR ...",
        )
    return passed(f"{root} can be written")


def _temporary(host: Host) -> Finding:
    folder = Path(host.environ.get("TMPDIR") or "/tmp")  # noqa: S108 looked at, not written
    if why := host.unwritable(folder):
        return failed(why, expected="a folder for temporary files", mend="export TMPDIR=DIR")
    free = host.free_bytes(str(folder))
    if free is not None and free < 100 * 2**20:
        return warned(f"{free >> 20} MiB free at {folder}", expected="100 MiB", mend=f"df {folder}")
    return passed(f"{folder} can be written")


def docker(around: Around) -> list[Check]:
    """Return the checks of Docker: what is missing fails only where something needs it."""
    version = Once(lambda: around.host.said(("docker", "--version")))
    plugin = Once(lambda: around.host.said(("docker", "compose", "version", "--short")))
    server = Once(
        lambda: around.host.said(("docker", "version", "--format", "{{.Server.Version}}"))
    )
    needed = Once(around.needs_docker)
    ask = around.docker
    looks: dict[str, tuple[str, Callable[[], Finding]]] = {
        "docker.program": (
            "Docker",
            lambda: check_docker.program(version(), is_needed=needed()),
        ),
        "docker.daemon": (
            "Docker's daemon",
            lambda: check_docker.daemon(ask, is_there=bool(version()), is_needed=needed()),
        ),
        "docker.engine": (
            "Docker Engine 20.10 or newer",
            lambda: check_docker.engine(server(), is_needed=needed()),
        ),
        "docker.compose": (
            "Docker Compose",
            lambda: check_docker.compose(plugin(), is_there=bool(version()), is_needed=needed()),
        ),
        "docker.memory": ("Memory of Docker", lambda: check_docker.memory(ask)),
        "docker.disk": (
            "Disk of Docker",
            lambda: check_docker.disk(
                around.host.free_bytes(around.docker_root()), around.machine().docker_desktop
            ),
        ),
        "docker.gpu": (
            "GPUs in containers",
            lambda: check_docker.gpu(ask, around.machine(), around.cdi()),
        ),
    }
    return [Check(id=i, name=title, look=look) for i, (title, look) in looks.items()]


def _port(around: Around, name: str) -> Check:
    setting, title = PORTS[name]
    return Check(id=f"port.{name}", name=title, look=lambda: around.port(setting))


def _network(around: Around) -> list[Check]:
    names = {
        "index": ("Package index", "models and engines come from it"),
        "hub": ("Hugging Face hub", "models come from it"),
        "registry": ("Image registry", "images come from it"),
    }
    return [
        Check(
            id=f"network.{name}",
            name=title,
            look=partial(_reachable, around, name, why),
            limit_s=8.0,
            late="warn",
        )
        for name, (title, why) in names.items()
    ]


def _reachable(around: Around, name: str, why: str) -> Finding:
    if not around.may_ask:
        return skipped(_CI)
    url = around.servers(name)
    if not url:
        return skipped("nothing here needs it, or the settings say to ask none")
    try:
        around.host.date(url)
    except FrontierError as error:
        return of_error(
            _hinted(error), state="warn", expected=f"an answer: {why} unless they are here"
        )
    return passed(f"{url} answers")


def _hinted(error: FrontierError) -> FrontierError:
    hint = error.hint or (
        "Check the network, HTTPS_PROXY, and with `curl -v` the certificate; offline all works "
        "that is here already."
    )
    return FrontierError(error.message, hint=hint)
