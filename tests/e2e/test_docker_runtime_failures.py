"""Everything that can go wrong with containers, made to happen: what people read, and no change."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil
import pytest

from docker_harness import SERVE, Docked, declare, health, service
from docker_images import docker, server_architecture
from frontier.adapters.docker import DockerRuntime
from frontier.adapters.docker_cli import docker as docker_cli
from frontier.adapters.docker_cli import text
from frontier.adapters.workspace import Workspace
from frontier.domain.errors import (
    ConfigError,
    DoesNotFitError,
    DownloadError,
    FrontierError,
    PortTakenError,
    RefusedError,
    RuntimeFailedError,
)
from frontier.domain.facts import Loads
from frontier.domain.project import Project
from gateway_process import free_port
from native_harness import Silent
from registry import Registry, serving
from waiting import until


def failing(docked: Docked, *command: str, **more: object) -> RuntimeFailedError:
    """Return the error of a start whose only service runs *command*."""
    with pytest.raises(RuntimeFailedError) as failed:
        docked.up(docked.declare(engine=docked.service(*command, **more)))
    assert failed.value.exit_code == 4
    assert "\n" not in failed.value.message
    return failed.value


# A service fails.


@pytest.mark.parametrize("restart", ["no", "unless-stopped"])
def test_a_service_that_ends_is_told_with_its_last_fifteen_lines(
    docked: Docked, restart: str
) -> None:
    said = "for i in $$(seq 40); do echo line $$i; done; exit 3"

    error = failing(docked, "bash", "-c", said, restart=restart)

    assert error.message == "engine did not start: ended with exit code 3"
    assert error.details.splitlines() == [f"line {i}" for i in range(26, 41)]
    assert error.hint == "frontier logs engine"


def test_a_service_that_ends_again_and_again_before_it_is_healthy_is_told(docked: Docked) -> None:
    check = health("false")

    error = failing(
        docked, "sh", "-c", "sleep 0.3; exit 3", restart="unless-stopped", healthcheck=check
    )

    assert error.message == "engine did not start: ended with exit code 3"


def test_out_of_memory_is_told_with_the_limit_to_raise(docked: Docked) -> None:
    eat = "x = bytearray(200 * 2**20); print(len(x))"

    error = failing(
        docked,
        *("python3", "-c", eat),
        restart="unless-stopped",
        mem_limit="32m",
        memswap_limit="32m",
        healthcheck=health("false"),
    )

    assert "out of memory" in error.message
    assert "MEMORY_LIMIT" in error.hint


def test_an_unhealthy_service_is_told_with_what_its_check_said(docked: Docked) -> None:
    check = health("sh", "-c", "echo model is broken; exit 1", interval="0.2s")

    error = failing(docked, healthcheck=check)

    assert error.message == "engine did not start: its health check fails: model is broken"
    assert docked.loads("engine") == Loads(failures=1)


def test_a_service_that_takes_longer_than_its_budget_is_given_up(docked: Docked) -> None:
    services = {"engine": docked.service("sh", "-c", "echo loading; sleep 1000")}
    services["engine"]["healthcheck"] = health(
        "sh", "-c", "echo 503; exit 1", interval="0.3s", retries=1000
    )
    project = declare(docked.name, services, start_timeout_s={"engine": 1.0})
    docked.runtime.apply(project)

    with pytest.raises(RuntimeFailedError, match="engine is not ready after 1 s") as failed:
        docked.runtime.wait_ready(project, Silent())

    assert docked.loads("engine") == Loads(failures=1)
    assert failed.value.details == "loading"
    assert "its health check says: 503" in failed.value.message


@pytest.mark.parametrize(
    ("command", "words"),
    [("nope", "cannot run nope: executable file not found"), ("/etc", "cannot run /etc: ")],
)
def test_a_program_that_the_image_has_not_is_named(
    docked: Docked, command: str, words: str
) -> None:
    error = failing(docked, command, init=False)

    assert words in error.message
    assert "_IMAGE settings" in error.hint


def test_a_program_for_another_processor_is_told(docked: Docked) -> None:
    other = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf3\x00" + bytes(44)  # RISC-V
    program = docked.workspace.root / "program"
    program.parent.mkdir(parents=True)
    program.write_bytes(other)
    program.chmod(0o755)

    error = failing(docked, "/program", init=False, volumes=[f"{program}:/program:ro"])

    assert "processor" in f"{error.message} {error.hint}"


def test_a_dependency_that_fails_is_told_and_not_those_that_wait_for_it(docked: Docked) -> None:
    engine = docked.service("sh", "-c", "echo boom; exit 3", healthcheck=health("true"))
    waiting = docked.service(depends_on={"engine": {"condition": "service_healthy"}})

    with pytest.raises(RuntimeFailedError) as failed:
        docked.up(docked.declare(engine=engine, gateway=waiting))

    assert failed.value.message == "engine did not start: ended with exit code 3"
    assert failed.value.details == "boom"
    assert (docked.loads("engine"), docked.loads("gateway")) == (Loads(failures=1), Loads())


def test_a_gpu_that_docker_cannot_give_is_told_with_how_to_set_it_up(docked: Docked) -> None:
    devices = [{"driver": "none-such", "count": "all", "capabilities": ["gpu"]}]

    error = failing(docked, deploy={"resources": {"reservations": {"devices": devices}}})

    assert "cannot give containers the GPU" in error.message
    assert "nvidia-ctk" in error.hint


def test_a_device_that_the_machine_has_not_is_named(docked: Docked) -> None:
    assert "no device /dev/none-such" in failing(docked, devices=["/dev/none-such"]).message


def test_a_container_that_somebody_removes_while_it_starts_is_told(docked: Docked) -> None:
    project = docked.declare(engine=docked.service(healthcheck=health("false")))
    docked.runtime.apply(project)
    remove = threading.Timer(0.5, lambda: docker("rm", "--force", docked.container("engine")))
    remove.start()

    with pytest.raises(RuntimeFailedError, match="engine has no container"):
        docked.runtime.wait_ready(project, Silent())
    remove.join()


# Refused before anything changes.


def unchanged(docked: Docked, project: Project, kind: type[FrontierError]) -> FrontierError:
    """Return the error of a start that must have changed nothing."""
    with pytest.raises(kind) as refused:
        docked.runtime.apply(project)
    assert docked.project.all("network") == []
    assert not docked.workspace.project_folder.exists()
    return refused.value


def test_a_port_of_another_process_is_told_with_that_process(docked: Docked) -> None:
    with free_port() as port:
        server = subprocess.Popen(
            [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    try:
        until(lambda: psutil.Process(server.pid).net_connections())
        project = docked.declare(engine=docked.service(ports=[f"127.0.0.1:{port}:80"]))

        error = unchanged(docked, project, PortTakenError)

        assert f"port {port} is taken by" in error.message
        assert f"(process {server.pid})" in error.message
    finally:
        server.kill()
        server.wait()


def test_a_port_of_another_container_is_told_with_that_container(docked: Docked) -> None:
    with free_port() as port:
        pass
    name = f"{docked.name}-holder"
    publish = f"127.0.0.1:{port}:80"
    docker("run", "--detach", "--name", name, "--publish", publish, docked.image, *SERVE)
    try:
        runtime = DockerRuntime(docked.workspace, variables={port: "API_PORT"})
        docked.runtime = runtime
        project = docked.declare(engine=docked.service(ports=[f"{port}:80"]))

        error = unchanged(docked, project, PortTakenError)

        assert error.message == f"port {port} is taken by the container {name}"
        assert error.hint == (f"docker stop {name}, or frontier config set API_PORT {port + 1}")
    finally:
        docker("rm", "--force", name)


def test_our_own_port_moves_from_one_service_to_another(docked: Docked) -> None:
    with free_port() as port:
        pass
    ports = [f"127.0.0.1:{port}:8080"]
    docked.up(docked.declare(a=docked.service(ports=ports)))

    docked.up(docked.declare(a=docked.service(ports=ports, environment={"X": "1"})))

    assert docked.state("a").phase == "ready"


def test_more_memory_than_docker_has_is_refused(docked: Docked) -> None:
    project = docked.declare(engine=docked.service(mem_limit="900t"))

    error = unchanged(docked, project, DoesNotFitError)

    assert "900.0 TiB" in error.message
    assert error.exit_code == 5


def test_a_model_that_the_disk_has_no_room_for_is_refused_and_what_runs_stays(
    docked: Docked,
) -> None:
    if Path("/dev/shm").stat().st_dev == docked.workspace.root.parent.stat().st_dev:
        pytest.skip("this machine has no second disk to write to")
    docked.up(docked.declare(engine=docked.service()))
    before = docked.container("engine")
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        file.truncate(2**50)
        (docked.workspace.root / "huge").symlink_to(file.name)
        services = {"engine": docked.service("sleep", "9")}
        project = declare(docked.name, services, links={"models/huge": "huge"})

        with pytest.raises(DoesNotFitError, match="copied there from another disk"):
            docked.runtime.apply(project)

    assert docked.container("engine") == before
    assert not (docked.workspace.project_folder / "models").exists()


def test_the_name_of_another_workspace_is_refused(docked: Docked, tmp_path: Path) -> None:
    docked.up(docked.declare(a=docked.service()))
    other = Docked(tmp_path / "other", docked.project, docked.image)

    with pytest.raises(RefusedError) as refused:
        other.runtime.apply(docked.declare(a=docked.service()))

    assert str(docked.workspace.root) in refused.value.message
    assert "frontier config set PROJECT_NAME" in refused.value.hint
    assert not other.workspace.project_folder.exists()


def test_the_name_of_somebodys_own_compose_project_is_refused(
    docked: Docked, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "compose.yaml").write_text(
        f'{{"name": "{docked.name}", "services": {{"db": {{"image": "{docked.image}", '
        '"command": ["sleep", "1000"], "init": true}}}'
    )
    docker("compose", "--project-directory", str(theirs), "up", "--detach")

    with pytest.raises(RefusedError, match=str(theirs)):
        docked.runtime.apply(docked.declare(a=docked.service()))

    assert docked.runtime.stop(Silent()) is False
    assert docked.container("db"), "not ours to stop"
    docker("compose", "--project-directory", str(theirs), "down")


def test_an_address_that_is_not_ours_is_refused(docked: Docked) -> None:
    project = docked.declare(a=docked.service(ports=["203.0.113.1:8080:80"]))

    error = unchanged(docked, project, ConfigError)

    assert "BIND_ADDRESS" in error.hint


# Images.


def test_a_missing_image_is_refused_where_pulling_is_forbidden(docked: Docked) -> None:
    docked.runtime = DockerRuntime(docked.workspace, pull_policy="never")
    project = docked.declare(a=service(f"{docked.name}/none:1"))

    error = unchanged(docked, project, RuntimeFailedError)

    assert f"{docked.name}/none:1" in error.message
    assert "docker load" in error.hint
    assert "_IMAGE" in error.hint


class Bytes(Silent):
    """Remembers how far a download got."""

    def __init__(self) -> None:
        self.done: list[tuple[int, int | None]] = []

    def update(self, done: int, total: int | None = None) -> None:
        self.done.append((done, total))


@pytest.fixture
def registry() -> Registry:
    return Registry(os.urandom(5_000_000), server_architecture())


def test_a_missing_image_is_pulled_with_the_bytes_of_its_layers(
    docked: Docked, registry: Registry
) -> None:
    reporter = Bytes()
    with serving(registry) as image:
        project = docked.declare(a=service(image))
        assert docked.runtime.missing_images(project) == (image,)

        docked.runtime.pull(project, reporter)

        assert docked.runtime.missing_images(project) == ()
        done, total = reporter.done[-1]
        assert total is not None
        assert done == total > 5_000_000
        assert len({done for done, _ in reporter.done}) > 2, "live, not only at the end"
        docker("rmi", image)


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "has no such image"), (401, "does not give it away without an account")],
)
def test_an_image_that_the_registry_does_not_give_is_named(
    docked: Docked, registry: Registry, status: int, words: str
) -> None:
    registry.status = status
    with serving(registry) as image:
        error = unchanged(docked, docked.declare(a=service(image)), DownloadError)

    assert error.message.startswith(f"cannot pull {image}: the registry ")
    assert words in error.message
    assert "docker load" in error.hint


def test_a_registry_that_cannot_be_reached_is_told_with_another_way(
    docked: Docked, registry: Registry
) -> None:
    with serving(registry) as image:
        pass

    error = unchanged(docked, docked.declare(a=service(image)), DownloadError)

    assert error.message == f"cannot pull {image}: the registry cannot be reached"
    assert "docker load" in error.hint


# Docker itself, and we.


def test_compose_names_the_mistake_in_a_project(docked: Docked) -> None:
    with pytest.raises(ConfigError, match="commandx"):
        docked.runtime.apply(docked.declare(a=docked.service(commandx="x")))


def test_a_docker_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "docker"
    fake.write_text("#!/bin/sh\nsleep 1000 &\nwait\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with (
        pytest.raises(RuntimeFailedError, match="did not answer within 1 s"),
        docker_cli("asking", limit_s=0.5 + 0.1) as client,
    ):
        text(client, "ps")

    assert not [p for p in psutil.Process().children(recursive=True) if p.name() == "sleep"]


_START = """
import sys
from pathlib import Path
from docker_harness import Docked, declare, health, service
from frontier.adapters.docker import DockerRuntime
from frontier.adapters.workspace import Workspace
from native_harness import Silent
root, name, image = sys.argv[1:]
slow = service(image, healthcheck=health("false"))
late = service(image, depends_on={"slow": {"condition": "service_healthy"}})
print("starting", flush=True)
DockerRuntime(Workspace(Path(root))).apply(declare(name, {"slow": slow, "late": late}))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_start_leaves_no_process_of_docker(
    docked: Docked, number: signal.Signals
) -> None:
    tests = str(Path(__file__).parents[1])
    words = (sys.executable, "-c", _START, str(docked.workspace.root), docked.name, docked.image)
    starting = subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": tests}, stderr=subprocess.DEVNULL
    )
    children: list[psutil.Process] = []

    def waiting() -> list[psutil.Process]:
        children[:] = psutil.Process(starting.pid).children(recursive=True)
        return (
            [p for p in children if p.name() == "docker-compose"]
            if docked.container("slow")
            else []
        )

    until(waiting, timeout_s=30)
    starting.send_signal(number)

    starting.wait(timeout=20)
    until(lambda: not [p for p in children if p.is_running() and p.status() != "zombie"])


def test_state_asks_docker_twice_and_no_more(
    docked: Docked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docked.up(docked.declare(**{f"s{i}": docked.service() for i in range(4)}))
    real = subprocess.run(["which", "docker"], capture_output=True, text=True, check=True).stdout
    fake, calls = tmp_path / "docker", tmp_path / "calls"
    fake.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec {real.strip()} "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    state = docked.runtime.state()

    assert state is not None
    assert len(state.services) == 4
    assert len(calls.read_text().splitlines()) == 2


def test_a_folder_that_cannot_be_written_is_told(docked: Docked, read_only: Path) -> None:
    runtime = DockerRuntime(Workspace(read_only / "w"))

    with pytest.raises(FrontierError) as failed:
        runtime.apply(docked.declare(a=docked.service()))

    assert "cannot write" in failed.value.message
