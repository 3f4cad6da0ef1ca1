"""Wrong input while a stack runs in Docker: one screen, the next command, and nothing changed."""

import contextlib
import fcntl
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docker_fixtures import ComposeProject
from docker_images import docker
from frontier_cli import Frontier, free_port
from refusals import Refusal, refused
from stack_workspace import Stacked, stacked

Words = tuple[str, ...]
START, DRY_RUN, SELECT = ("start",), ("up", "--dry-run"), ("stack", "select", "llamacpp")


@pytest.fixture(scope="module")
def running(
    docker_images: dict[str, str], smollm2: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stacked]:
    with stacked(tmp_path_factory.mktemp("refused"), docker_images, smollm2) as it:
        it.cli.ok("start")
        yield it


def refuse(it: Stacked, exit_code: int, *args: str, **env: str) -> Refusal:
    """Return the refusal of a command, after which the stack must still answer."""
    refusal = refused(it.cli, it.project, exit_code, *args, **env)
    answer = it.client().chat.completions.create(
        model="smollm2:135m", messages=[{"role": "user", "content": "Hi"}], max_tokens=1
    )
    assert answer.choices
    return refusal


@pytest.fixture
def another(running: Stacked, tmp_path: Path) -> Iterator[Stacked]:
    """A second workspace with the model, in which nothing runs; its project has another name."""
    root = tmp_path / "another"
    store = root / "data" / "models"
    shutil.copytree(running.cli.workspace / "data" / "models", store, copy_function=os.link)
    project = ComposeProject(f"{running.project.name}-b")
    env = {**running.cli.env, "API_PORT": str(free_port()), "PROJECT_NAME": project.name}
    yield Stacked(Frontier(root, env), project)
    project.end()


# Stacks.


@pytest.mark.parametrize(
    "command", [("up", "vlm"), ("stack", "select", "vlm"), ("stack", "render", "vlm")]
)
def test_an_unknown_stack_is_named_with_those_that_there_are(
    running: Stacked, command: Words
) -> None:
    refusal = refuse(running, 3, *command)

    assert refusal.message == "there is no stack named 'vlm'"
    assert refusal.hint == "Known: llamacpp, mistral, ollama, vllm."


def test_a_stack_whose_folder_is_gone_is_stopped_and_then_told(another: Stacked) -> None:
    cli, image = another.cli, another.cli.env["LLAMACPP_IMAGE"]
    replace = {
        "    setting: LLAMACPP_IMAGE\n": "",
        "ghcr.io/ggml-org/llama.cpp:server-b11429": image,
    }
    another.own_stack("mine", replace=replace)
    path = cli.workspace / "stacks" / "mine" / "stack.yaml"
    variable = "variables:\n  OWN_NUMBER: {type: integer, default: 4, help: A number.}\n"
    path.write_text(path.read_text() + variable)
    cli.ok("stack", "select", "mine")
    cli.ok("config", "set", "OWN_NUMBER", "5")
    cli.ok("start")
    shutil.rmtree(path.parent)

    status = cli.json("status")
    unknown = refused(cli, another.project, 1, "start")
    stopped = cli.ok("stop")
    cli.ok("config", "unset", "OWN_NUMBER")
    gone = refused(cli, another.project, 3, "start")

    assert (status["state"], status["stack"]) == ("running", "mine")
    assert "frontier config unset OWN_NUMBER" in unknown.hint
    assert stopped == "stopped\n"
    assert another.containers == {}
    assert "frontier stack select" in gone.hint
    assert "frontier rollback" in gone.hint


OWN: dict[str, tuple[str, str, str]] = {
    "unknown key": ("schema: 1\n", "schema: 1\ntitel: x\n", "stack.yaml:{line}: titel: unknown"),
    "missing key": ("schema: 1\n", "", "stack.yaml:1: wants `schema: 1` at the top"),
    "missing variable": (
        "{{ model.name | tojson }}",
        "{{ no_such_name }}",
        "compose.yaml.j2:{line}: no_such_name is not defined",
    ),
    "no template": ("services:\n", "services: {% if %}\n", "compose.yaml.j2:{line}: "),
    "no YAML": ("services:\n", "services: [\n", "compose.yaml.j2: gives no YAML"),
    "privileged": (
        "    networks: [llm-network]\n",
        "    networks: [llm-network]\n    privileged: true\n",
        "service 'own': privileged: is not allowed",
    ),
    "no health check": (
        '    {{ health_http("http://127.0.0.1:8080/health", start_period) | indent(4) }}\n',
        "",
        "service 'own': healthcheck: wants a test",
    ),
    "image not pinned": (
        '{{ image("own") | tojson }}',
        "frontier-test/llamacpp:latest",
        "service 'own': image: wants an image pinned by tag or digest",
    ),
    "open to others": (
        "    networks: [llm-network]\n",
        '    networks: [llm-network]\n    ports: ["0.0.0.0:8080:8080"]\n',
        "service 'own': ports: 0.0.0.0:8080:8080 opens it to other machines",
    ),
    "docker socket": (
        '"./models:/models:ro"',
        '"./models:/models:ro", "/var/run/docker.sock:/d"',
        "hands the machine over to the container",
    ),
}
"""What is wrong: text of the packaged stack, what stands in its place, and what people read."""


@pytest.fixture(params=OWN)
def own(request: pytest.FixtureRequest, running: Stacked) -> Iterator[tuple[Stacked, str]]:
    """A stack of the user's own with one mistake, and the words that tell it."""
    was, becomes, words = OWN[request.param]
    running.own_stack("own", replace={was: becomes})
    folder = running.cli.workspace / "stacks" / "own"
    lines = [
        number
        for path in (folder / "stack.yaml", folder / "compose.yaml.j2")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if becomes and becomes.splitlines()[-1] in line
    ]
    yield running, words.format(line=lines[0] if lines else "")
    shutil.rmtree(folder.parent)


def test_a_mistake_in_a_stack_of_ones_own_is_told_where_it_stands(
    own: tuple[Stacked, str],
) -> None:
    it, words = own

    refusal = refuse(it, 1, "stack", "select", "own")

    assert refused(it.cli, it.project, 1, "stack", "render", "own") == refusal

    assert words in refusal.message
    if ".yaml" in words:
        assert str(it.cli.workspace / "stacks" / "own") in refusal.message


# Ports.


@pytest.mark.parametrize("command", [START, SELECT, DRY_RUN])
def test_a_port_of_a_process_is_refused_with_its_holder(running: Stacked, command: Words) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        refusal = refuse(running, 4, *command, API_PORT=str(port))

    assert f"port {port} is taken by" in refusal.message
    assert f"(process {os.getpid()})" in refusal.message
    assert refusal.hint.startswith("frontier config set API_PORT ")


@pytest.mark.parametrize("command", [START, DRY_RUN])
def test_a_port_of_a_container_is_refused_with_that_container(
    running: Stacked, compose_project: ComposeProject, command: Words
) -> None:
    port, name = free_port(), f"{compose_project.name}-holder"
    image = running.cli.env["GATEWAY_BASE_IMAGE"]
    label = f"com.docker.compose.project={compose_project.name}"
    where = ("--name", name, "--label", label, "-p", f"127.0.0.1:{port}:80")
    holder = docker("run", "--detach", *where, image, "sleep", "infinity")
    monitoring = {"ENABLE_MONITORING": "true", "PROMETHEUS_PORT": str(port)}
    try:
        gateway = refuse(running, 4, *command, API_PORT=str(port))
        prometheus = refuse(running, 4, *command, **monitoring)
    finally:
        docker("rm", "--force", holder)

    assert gateway.message.startswith(f"port {port} is taken by the container {name}")
    assert f"frontier config set API_PORT {port + 1}" in gateway.hint
    assert prometheus.message == gateway.message
    assert f"docker stop {name}" in prometheus.hint
    assert f"frontier config set PROMETHEUS_PORT {port + 1}" in prometheus.hint


# Docker.


@pytest.mark.parametrize("command", [START, SELECT, ("stop",), ("status",)])
def test_docker_that_does_not_run_is_told(running: Stacked, command: Words) -> None:
    host = "unix:///nowhere/docker.sock"

    refusal = refuse(running, 4, *command, DOCKER_HOST=host)

    assert refusal.message.startswith("Docker is not running")
    assert host.partition("://")[2] in refusal.details
    assert "frontier up --runtime native" in refusal.hint


@pytest.mark.parametrize("command", [START, ("stop",)])
def test_docker_that_is_not_installed_is_told(
    running: Stacked, tmp_path: Path, command: Words
) -> None:
    refusal = refuse(running, 4, *command, PATH=str(tmp_path))

    assert refusal.message == "Docker is not installed: there is no program named docker"
    assert "https://docs.docker.com/" in refusal.hint


def without_compose(folder: Path, version: str = "") -> str:
    """Return a PATH whose docker is the real one, but has no Compose, or one of *version*."""
    real = shutil.which("docker")
    program = folder / "docker"
    plugins = [{"Name": "compose", "Version": version}] if version else []
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, os, subprocess, sys\n"
        "words = sys.argv[1:]\n"
        "if words[:1] == ['info']:\n"
        f"    found = json.loads(subprocess.check_output([{real!r}, *words]))\n"
        f"    found['ClientInfo']['Plugins'] = {plugins!r}\n"
        "    print(json.dumps(found))\n"
        "    sys.exit()\n"
        "if 'compose' in words:\n"
        "    words[words.index('compose')] = 'no-compose'\n"  # docker's own words for no plugin
        f"os.execv({real!r}, ['docker', *words])\n"
    )
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def test_compose_that_is_missing_is_told(running: Stacked, tmp_path: Path) -> None:
    refusal = refuse(running, 4, "start", PATH=without_compose(tmp_path))

    assert refusal.message == "Docker has no Compose"
    assert "docker-compose-plugin" in refusal.hint


def test_compose_v1_does_not_count(running: Stacked, tmp_path: Path) -> None:
    old = tmp_path / "docker-compose"
    old.write_text("#!/bin/sh\necho docker-compose version 1.29.2, build 5becea4c\n")
    old.chmod(0o755)

    refusal = refuse(running, 4, "start", PATH=without_compose(tmp_path))

    assert refusal.message == "Docker has no Compose"
    assert f"{old} is Compose v1" in refusal.details


def test_a_compose_that_is_too_old_is_told_with_the_oldest_that_works(
    running: Stacked, tmp_path: Path
) -> None:
    refusal = refuse(running, 4, "start", PATH=without_compose(tmp_path, "v2.20.3"))

    assert refusal.message == "Docker Compose 2.20.3 is too old; 2.30 is the oldest that works"


def test_stopping_without_compose_is_told(running: Stacked, tmp_path: Path) -> None:
    refusal = refuse(running, 4, "stop", PATH=without_compose(tmp_path))

    assert refusal.message == "Docker has no Compose"


@pytest.mark.parametrize("command", [START, SELECT, DRY_RUN])
def test_an_image_that_is_missing_and_may_not_be_pulled_is_named(
    running: Stacked, command: Words
) -> None:
    refusal = refuse(running, 4, *command, LLAMACPP_IMAGE="frontier-test/none:1")

    assert refusal.message.endswith("PULL_POLICY is never: frontier-test/none:1")
    assert "docker load -i" in refusal.hint


@pytest.mark.parametrize("command", [SELECT, DRY_RUN])
def test_limits_that_docker_has_no_memory_for_are_refused(running: Stacked, command: Words) -> None:
    refusal = refuse(running, 5, *command, MEMORY_LIMIT="9999g")

    assert "the most is llamacpp's: 9.8 TiB" in refusal.message
    assert "frontier config set MEMORY_LIMIT " in refusal.hint


@pytest.mark.parametrize("command", [START, DRY_RUN])
def test_a_project_of_the_same_name_in_another_workspace_is_left_alone(
    running: Stacked, another: Stacked, command: Words
) -> None:
    name = running.project.name
    before = running.containers

    refusal = refused(another.cli, another.project, 5, *command, PROJECT_NAME=name)

    assert refusal.message == f"another project runs as {name}: that of {running.cli.workspace}"
    assert f"frontier --workspace {running.cli.workspace} stop" in refusal.hint
    assert f"frontier config set PROJECT_NAME {name}-2" in refusal.hint
    assert running.containers == before


def test_what_runs_on_the_host_goes_on_where_containers_are_refused(
    running: Stacked, another: Stacked
) -> None:
    another.cli.ok("up", "--runtime", "native")
    before = another.cli.json("status")["services"]
    refusals = ({"MEMORY_LIMIT": "9999g"}, {"PROJECT_NAME": running.project.name})

    for env in refusals:
        cli = Frontier(another.cli.workspace, {**another.cli.env, **env})
        cli.fails(5, "up", "--runtime", "docker")

    after = another.cli.json("status")["services"]
    assert [s["pid"] for s in after] == [s["pid"] for s in before]
    assert {s["phase"] for s in after} == {"ready"}
    another.cli.ok("down")


def test_stopping_another_workspace_of_the_same_name_stops_nothing(
    running: Stacked, another: Stacked
) -> None:
    before = running.containers
    another.cli.env["PROJECT_NAME"] = running.project.name

    assert another.cli.ok("stop") == another.cli.ok("down") == "nothing was running\n"

    assert running.containers == before


# Settings.


@pytest.mark.parametrize("command", [START, SELECT])
def test_a_model_that_is_not_here_is_not_downloaded_by_start(
    running: Stacked, command: Words
) -> None:
    refusal = refuse(running, 3, *command, DEFAULT_MODEL="qwen3.5:0.8b")

    assert refusal.message == "the model qwen3.5:0.8b is not on this machine"
    assert "frontier models pull qwen3.5:0.8b" in refusal.hint


@pytest.mark.parametrize("command", [START, ("stack", "render")])
def test_a_gateway_open_to_others_without_a_key_is_refused(
    running: Stacked, command: Words
) -> None:
    refusal = refuse(running, 5, *command, BIND_ADDRESS="0.0.0.0")

    assert refusal.message == "BIND_ADDRESS=0.0.0.0 opens the gateway to others without a key"
    assert refusal.hint == 'frontier config set API_KEY "$(openssl rand -hex 24)"'


@pytest.mark.parametrize("command", [START, DRY_RUN])
def test_an_address_of_another_machine_is_refused(running: Stacked, command: Words) -> None:
    refusal = refuse(running, 1, *command, BIND_ADDRESS="192.0.2.1", API_KEY="sesame")

    assert "192.0.2.1" in refusal.message
    assert refusal.hint == "frontier config set BIND_ADDRESS 127.0.0.1"


@pytest.mark.parametrize("command", [START, SELECT])
def test_a_gpu_that_is_not_there_is_refused(running: Stacked, command: Words) -> None:
    gpu, name = ("rocm", "AMD") if Path("/dev/nvidiactl").exists() else ("cuda", "NVIDIA")

    refusal = refuse(running, 5, *command, ACCELERATOR=gpu)

    assert refusal.message == f"ACCELERATOR={gpu}, but this machine has no {name} GPU"
    assert refusal.hint == "frontier config set ACCELERATOR auto"


@pytest.mark.parametrize("command", [START, ("stack", "render")])
@pytest.mark.parametrize(("given", "other"), [("CERT", "KEY"), ("KEY", "CERT")])
def test_half_a_certificate_is_refused(
    running: Stacked, command: Words, given: str, other: str
) -> None:
    half = {"ENABLE_SSL": "true", f"SSL_{given}_PATH": "/etc/half.pem"}

    refusal = refuse(running, 1, *command, **half)

    assert refusal.message.endswith(f"only SSL_{given}_PATH is set: /etc/half.pem")
    assert refusal.hint == f"frontier config set SSL_{other}_PATH FILE"


def test_a_certificate_that_cannot_be_read_is_refused(running: Stacked, tmp_path: Path) -> None:
    (tmp_path / "none").write_text("nonsense")
    pair = {name: str(tmp_path / "nowhere") for name in ("SSL_CERT_PATH", "SSL_KEY_PATH")}
    nonsense = {name: str(tmp_path / "none") for name in pair}

    missing = refuse(running, 1, "start", ENABLE_SSL="true", **pair)
    wrong = refuse(running, 1, "start", ENABLE_SSL="true", **nonsense)

    assert f"SSL_CERT_PATH: {tmp_path}/nowhere cannot be read" in missing.message
    assert wrong.message.startswith(f"{tmp_path}/none is not what TLS needs")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PROJECT_NAME", "Upper case"), ("MEMORY_LIMIT", "lots"), ("RUNTIME", "k8s")],
)
def test_a_wrong_value_is_told_with_what_the_setting_means(
    running: Stacked, name: str, value: str
) -> None:
    refusal = refuse(running, 1, "start", **{name: value})

    assert refusal.message.startswith(f"environment: {name}: ")
    assert refusal.hint.startswith(f"{name}: ")
    assert "Default: " in refusal.hint


# The workspace.


@pytest.mark.parametrize("command", [START, ("stop",), ("stack", "render")])
def test_a_workspace_of_a_newer_frontier_is_refused(running: Stacked, command: Words) -> None:
    path = running.cli.workspace / ".frontier" / "format"
    known = path.read_text()
    path.write_text("99\n")
    try:
        refusal = refuse(running, 5, *command)
    finally:
        path.write_text(known)

    assert f"{running.cli.workspace} has format 99" in refusal.message
    assert "pip install --upgrade" in refusal.hint


def test_what_an_older_frontier_still_runs_is_not_touched(another: Stacked) -> None:
    state = another.cli.workspace / ".frontier"
    (state / "project").mkdir(parents=True)
    (state / "project" / "native.json").write_text("{}")
    (state / "run").mkdir()
    with (state / "run" / "daemon.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        refusal = refused(another.cli, another.project, 5, "up")

    assert refusal.message.startswith("what runs was started by an older Frontier")
    assert refusal.hint == "frontier stop && frontier start"


def test_a_damaged_project_is_told_and_start_mends_it_without_a_restart(running: Stacked) -> None:
    path = running.cli.workspace / ".frontier" / "declared" / "project.json"
    before = running.containers
    path.write_text('{"name": "x"')

    told = refuse(running, 1, "status")
    mended = running.cli.json("start")

    assert f"{path}: not a project of this version" in told.message
    assert "frontier up" in told.hint
    assert mended["steps"] == []
    assert running.containers == before
    assert running.cli.json("status")["state"] == "running"


def test_a_read_only_workspace_is_refused(
    read_only: Path, running: Stacked, compose_project: ComposeProject
) -> None:
    env = {**running.cli.env, "PROJECT_NAME": compose_project.name}
    cli = Frontier(read_only, {**env, "API_PORT": str(free_port())})

    for command in (("up",), ("stack", "select", "vllm")):
        refusal = refused(cli, compose_project, 1, *command)
        assert str(read_only) in refusal.message
        assert "--workspace" in refusal.hint


@pytest.mark.parametrize("command", [("up",), DRY_RUN])
def test_a_disk_without_room_for_a_copy_of_the_model_is_refused(
    full_disk: Path, running: Stacked, compose_project: ComposeProject, command: Words
) -> None:
    """The model lies on another disk: it would have to be copied."""
    (full_disk / "data").symlink_to(running.cli.workspace / "data")
    env = {**running.cli.env, "PROJECT_NAME": compose_project.name}
    cli = Frontier(full_disk, {**env, "API_PORT": str(free_port())})

    refusal = refused(cli, compose_project, 5, *command)

    assert "98,362,432 bytes" in refusal.message
    assert "are free" in refusal.message
    assert not list(full_disk.rglob("*.gguf"))


def test_a_full_disk_is_refused(
    full_disk: Path, running: Stacked, compose_project: ComposeProject
) -> None:
    env = {**running.cli.env, "PROJECT_NAME": compose_project.name}
    cli = Frontier(full_disk, {**env, "API_PORT": str(free_port())})
    with (full_disk / "fill").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))

    refusal = refused(cli, compose_project, 1, "stack", "select", "vllm")

    assert refusal.message.startswith(f"the disk is full: cannot write {full_disk}")
