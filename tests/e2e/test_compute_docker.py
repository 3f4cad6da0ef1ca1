"""A real llama.cpp in a real container says where it computes."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from frontier.adapters.compute import prove
from frontier.domain.offload import Compute
from waiting import until


def docker(*words: str) -> str:
    done = subprocess.run(("docker", *words), capture_output=True, text=True, check=True)
    return done.stdout + done.stderr


class Container:
    """One llama.cpp server; its log is what ``docker logs`` prints."""

    def __init__(self, image: str, model: Path, *env: str) -> None:
        self.name = f"frontier-compute-{uuid.uuid4().hex[:8]}"
        given = [word for variable in env for word in ("--env", variable)]
        mount = f"{model.parent}:/models:ro"
        run = ("run", "--detach", "--name", self.name, "--volume", mount, *given, image)
        docker(*run, "--model", f"/models/{model.name}", "--ctx-size", "512")

    def tail(self, lines: int) -> list[str]:
        return docker("logs", "--tail", str(lines), self.name).splitlines()

    def proves(self) -> Compute | None:
        return prove("llamacpp", tail=self.tail, timeout_s=20)


@pytest.fixture
def containers() -> Iterator[list[Container]]:
    started = list[Container]()
    yield started
    for container in started:
        docker("rm", "--force", "--volumes", container.name)


def test_a_container_proves_by_docker_logs_that_it_computes_on_the_cpu(
    docker_images: dict[str, str], smollm2: Path, containers: list[Container]
) -> None:
    container = Container(docker_images["LLAMACPP_IMAGE"], smollm2, "LLAMA_ARG_LOG_VERBOSITY=4")
    containers.append(container)

    found = until(container.proves, timeout_s=60, what="the proof")

    assert found.device == "CPU"
    assert "CPU_Mapped model buffer size" in found.evidence


def test_without_the_level_that_the_stack_sets_a_container_tells_nothing(
    docker_images: dict[str, str], smollm2: Path, containers: list[Container]
) -> None:
    container = Container(docker_images["LLAMACPP_IMAGE"], smollm2)
    containers.append(container)
    until(
        lambda: any("listening" in line for line in container.tail(50)),
        timeout_s=60,
        what="the server",
    )

    assert container.proves() is None


def test_the_log_of_a_container_that_is_gone_proves_nothing() -> None:
    def gone(lines: int) -> list[str]:
        return docker("logs", "--tail", str(lines), "frontier-compute-gone").splitlines()

    assert prove("llamacpp", tail=gone) is None
