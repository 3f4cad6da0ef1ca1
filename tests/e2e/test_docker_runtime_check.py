"""Docker that is missing, dead, forbidden, old, or not Docker at all: one screen and a way out."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docker_images import docker
from frontier.adapters.docker_check import check
from frontier.domain.errors import RuntimeFailedError

VERSION = {"Server": {"Version": "28.0.1", "ApiVersion": "1.48"}}
INFO = {
    "MemTotal": 8 * 2**30,
    "NCPU": 4,
    "Architecture": "aarch64",
    "OperatingSystem": "Docker Desktop",
    "SecurityOptions": ["name=seccomp", "name=rootless"],
    "Runtimes": {"runc": {}, "nvidia": {}},
    "DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=all"}],
    "ClientInfo": {
        "Context": "desktop-linux",
        "Plugins": [{"Name": "buildx"}, {"Name": "compose", "Version": "v2.38.2-desktop.1"}],
    },
}

Fake = Callable[..., Path]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Put a program named docker first on PATH that prints what it is given."""

    def install(version: object = VERSION, info: object = INFO, *, exit_code: int = 0) -> Path:
        for name, answer in (("version", version), ("info", info)):
            text = answer if isinstance(answer, str) else json.dumps(answer)
            (tmp_path / name).write_text(text)
        program = tmp_path / "docker"
        stream = ">&2" if exit_code else ""
        program.write_text(f'#!/bin/sh\ncat "{tmp_path}/$1" {stream}\nexit {exit_code}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return tmp_path

    return install


def refused() -> RuntimeFailedError:
    with pytest.raises(RuntimeFailedError) as failed:
        check()
    error = failed.value
    assert error.exit_code == 4
    assert error.hint
    assert len(f"{error.message}\n{error.hint}\n{error.details}".splitlines()) < 10
    return error


def test_the_real_one_tells_what_it_offers(docker_images: dict[str, str]) -> None:
    begin = time.monotonic()
    facts = check()
    took_s = time.monotonic() - begin

    assert facts.engine == docker("version", "--format", "{{.Server.Version}}")
    assert facts.memory_bytes == int(docker("info", "--format", "{{.MemTotal}}"))
    assert facts.cpus >= 1
    assert facts.api
    assert "runc" in facts.runtimes
    assert docker("compose", "version", "--short").removeprefix("v") == facts.compose
    assert took_s < 5.0


def test_all_facts_are_read(fake: Fake) -> None:
    fake()

    facts = check()

    assert (facts.engine, facts.api, facts.compose) == ("28.0.1", "1.48", "2.38.2-desktop.1")
    assert (facts.memory_bytes, facts.cpus, facts.arch) == (8 * 2**30, 4, "aarch64")
    assert facts.is_desktop
    assert facts.is_rootless
    assert facts.runtimes == ("nvidia", "runc")
    assert facts.cdi_devices == ("nvidia.com/gpu=all",)
    assert facts.context == "desktop-linux"


def test_without_docker_it_says_where_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    error = refused()

    assert "not installed" in error.message
    assert "https://docs.docker.com/" in error.hint
    assert "--runtime native" in error.hint


@pytest.mark.parametrize("host", ["unix://{tmp}/none.sock", "tcp://127.0.0.1:1"])
def test_a_dead_daemon_is_told_with_how_to_start_it(
    docker_images: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host.format(tmp=tmp_path))

    error = refused()

    assert error.message.startswith("Docker is not running")
    assert error.hint.startswith(f"DOCKER_HOST says {host.format(tmp=tmp_path)}: ")
    assert "--runtime native" in error.hint


def test_a_dead_daemon_that_an_old_client_tells_with_exit_code_0_is_seen(fake: Fake) -> None:
    said = "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?"
    fake({"Server": None}, {**INFO, "ServerErrors": [said]})

    assert refused().message.startswith("Docker is not running")


_AS_NOBODY = """
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
from frontier.adapters.docker_check import check
try:
    check()
except Exception as error:
    print(type(error).__name__, error.message, error.hint, sep="|")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user without rights")
def test_a_user_without_rights_is_told_which_group_to_join(
    docker_images: dict[str, str], tmp_path: Path
) -> None:
    # every folder on the way to this project may be closed to that user: import first
    program = "import frontier.adapters.docker_check, psutil, python_on_whales\n" + _AS_NOBODY
    environ = {**os.environ, "DOCKER_CONFIG": str(tmp_path), "HOME": str(tmp_path)}

    done = subprocess.run(
        (sys.executable, "-c", program), env=environ, capture_output=True, text=True, check=False
    )

    kind, message, hint = done.stdout.strip().split("|")
    assert kind == "RuntimeFailedError"
    assert message == "this user may not use Docker: permission denied at its socket"
    assert hint.startswith("sudo usermod -aG docker $USER, then log in again")
    assert "rootless" in hint
    assert hint.endswith("frontier up --runtime native")


def test_an_engine_that_is_too_old_is_told_with_the_oldest_that_works(fake: Fake) -> None:
    fake({"Server": {"Version": "19.03.8", "ApiVersion": "1.40"}})

    assert refused().message == ("Docker Engine 19.03.8 is too old; 20.10 is the oldest that works")


def test_compose_that_is_too_old_is_told_with_the_oldest_that_works(fake: Fake) -> None:
    fake(info=with_compose({"Name": "compose", "Version": "v2.20.3"}))

    assert refused().message == "Docker Compose 2.20.3 is too old; 2.30 is the oldest that works"


def with_compose(*plugins: dict[str, Any]) -> dict[str, Any]:
    return {**INFO, "ClientInfo": {"Plugins": list(plugins)}}


@pytest.mark.parametrize(
    "info",
    [
        with_compose(),
        with_compose({"Name": "compose", "Err": "broken"}),
        {**INFO, "ClientInfo": {}},
    ],
)
def test_without_compose_it_says_which_plugin_is_missing(fake: Fake, info: dict[str, Any]) -> None:
    fake(info=info)

    error = refused()

    assert error.message == "Docker has no Compose"
    assert "docker-compose-plugin" in error.hint


def test_compose_v1_alone_is_not_enough(fake: Fake) -> None:
    old = fake(info=with_compose()) / "docker-compose"
    old.write_text("#!/bin/sh\necho docker-compose version 1.29.2\n")
    old.chmod(0o755)

    error = refused()

    assert error.message == "Docker has no Compose"
    assert f"{old} is Compose v1" in error.details


def test_the_real_client_without_plugins_has_no_compose(
    docker_images: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    found = subprocess.run(("docker", "compose", "version"), capture_output=True, check=False)
    if found.returncode == 0:  # installed for the whole machine: the check finds it as well
        assert check().compose
    else:
        assert refused().message == "Docker has no Compose"


@pytest.mark.parametrize("version", [{"Client": {"Version": "5.4.2"}}, "{}", ""])
def test_what_only_calls_itself_docker_is_told(fake: Fake, version: object) -> None:
    fake(version, {"host": {"arch": "amd64"}})

    assert "is not Docker's" in refused().message


def test_words_that_nobody_knows_are_passed_on(fake: Fake) -> None:
    fake("something new went wrong", "something new went wrong", exit_code=1)

    error = refused()

    assert error.message.endswith("something new went wrong")
    assert error.hint == "frontier doctor"
