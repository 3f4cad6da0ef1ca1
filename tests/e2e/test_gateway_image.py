"""The gateway's image: built without a network, it runs with no right at all."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from docker_fixtures import ComposeProject
from docker_images import docker, server_architecture
from fakes import FakeReporter
from frontier.adapters.gateway_image import GatewayImage
from frontier.adapters.wheels import Wheels, open_wheels
from frontier.domain.errors import DownloadError, FrontierError, RuntimeFailedError
from waiting import until

LIMIT_BYTES = 34_000_000  # 14 of them are uvloop
READY_S = 20.0


def opener(folder: Path) -> Callable[[], Wheels]:
    """Return what opens the environment's own package index."""
    prefix, home = Path(sys.prefix), Path.home()
    return lambda: open_wheels(os.environ, home=home, prefix=prefix, parts=folder / "parts")


def refuse() -> Wheels:
    raise AssertionError("nothing has to be fetched")


@pytest.fixture(scope="module")
def image(
    docker_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayImage]:
    """The image, built anew for this module: a comment of its own makes another name."""
    import shutil

    import frontier

    folder = tmp_path_factory.mktemp("gateway-image")
    package = folder / "frontier"
    shutil.copytree(Path(frontier.__file__).parent, package)
    with (package / "gateway" / "app.py").open("a") as code:
        code.write(f"\n# {folder}\n")
    base, architecture = docker_images["GATEWAY_BASE_IMAGE"], server_architecture()
    image = GatewayImage(folder / "builds", base, architecture, opener(folder), package=package)
    image.build(FakeReporter())
    yield image
    docker("rmi", "--force", image.reference())


class Running:
    """A container of the gateway without any right, whose route file lies in *folder*."""

    def __init__(
        self, project: ComposeProject, reference: str, folder: Path, user: str, *options: str
    ) -> None:
        project.may_leave.add("container")
        folder.chmod(0o755)
        words = ["run", "--detach", f"--label=com.docker.compose.project={project.name}"]
        words += ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
        words += [f"--user={user}", *options] if user else options
        words += ["--publish=127.0.0.1::8080", f"--volume={folder}:/config:ro", reference]
        words += ["--listen", "0.0.0.0:8080", "--config", "/config/routes.yaml"]
        self.id = docker(*words)
        address = docker("port", self.id, "8080/tcp").splitlines()[0]
        self.url = f"http://{address}"

    def get(self, path: str, body: bytes | None = None) -> tuple[int, str]:
        """Return status and body, (0, "") while nothing answers; fail if the container ended."""
        if docker("inspect", "--format", "{{.State.Running}}", self.id) != "true":
            words = ("docker", "logs", self.id)
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            raise AssertionError(done.stdout + done.stderr)
        request = urllib.request.Request(self.url + path, body)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def models(self) -> list[str]:
        status, body = self.get("/v1/models")
        return [entry["id"] for entry in json.loads(body)["data"]] if status == 200 else []


def write_routes(folder: Path, *names: str, url: str = "http://127.0.0.1:1") -> None:
    """Replace the route file as `write_atomic` does: by a rename, with another inode."""
    models = "".join(
        f"\n  - {{name: {name}, backend: vllm, backend_url: '{url}'}}" for name in names
    )
    beside = folder / ".routes.new"
    beside.write_text(f"version: 1\nmodels:{models}\n")
    beside.replace(folder / "routes.yaml")


@pytest.mark.parametrize("user", ["", "4242:4242"])
def test_without_any_right_it_answers_and_takes_new_routes(
    image: GatewayImage, compose_project: ComposeProject, tmp_path: Path, user: str
) -> None:
    write_routes(tmp_path, "before")

    gateway = Running(compose_project, image.reference(), tmp_path, user)

    until(lambda: gateway.get("/healthz")[0] == 200, timeout_s=READY_S, what="/healthz")
    assert gateway.models() == ["before"]
    write_routes(tmp_path, "after", "more")
    until(lambda: gateway.models() == ["after", "more"], timeout_s=5, what="the new routes")
    expected = user or "10001:10001"
    status = docker("exec", gateway.id, "python3", "-c", "print(open('/proc/1/status').read())")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert f"{fields['Uid'].split()[0]}:{fields['Gid'].split()[0]}" == expected
    assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
    assert fields["NoNewPrivs"] == "1"


def test_it_stops_in_order_when_docker_asks(
    image: GatewayImage, compose_project: ComposeProject, tmp_path: Path
) -> None:
    write_routes(tmp_path, "m")
    gateway = Running(compose_project, image.reference(), tmp_path, "")
    until(lambda: gateway.get("/healthz")[0] == 200, timeout_s=READY_S, what="/healthz")

    docker("stop", "--time", "20", gateway.id)

    assert docker("inspect", "--format", "{{.State.ExitCode}}", gateway.id) == "0"


def test_it_adds_less_than_34_mb_to_its_base(
    image: GatewayImage, docker_images: dict[str, str]
) -> None:
    def size_bytes(reference: str) -> int:
        return int(docker("image", "inspect", "--format", "{{.Size}}", reference))

    added = size_bytes(image.reference()) - size_bytes(docker_images["GATEWAY_BASE_IMAGE"])

    assert 0 < added < LIMIT_BYTES


def test_it_answers_within_seconds_of_docker_run(
    image: GatewayImage, compose_project: ComposeProject, tmp_path: Path
) -> None:
    write_routes(tmp_path, "m")
    begin = time.monotonic()

    gateway = Running(compose_project, image.reference(), tmp_path, "")
    until(lambda: gateway.get("/healthz")[0] == 200, timeout_s=READY_S, what="/healthz")

    sys.stdout.write(f"first answer after {time.monotonic() - begin:.2f} s\n")


def test_what_is_built_is_not_built_again(image: GatewayImage, tmp_path: Path) -> None:
    again = GatewayImage(
        tmp_path, image._base, image._platform.architecture, refuse, package=image._package
    )
    reporter = FakeReporter()

    assert again.build(reporter) == image.reference()

    assert image.is_built()
    assert not reporter.said
    assert not list(tmp_path.iterdir())


def test_a_base_that_is_not_here_is_named(image: GatewayImage) -> None:
    missing = other_base(image, "frontier-test/nowhere:1")

    with pytest.raises(
        RuntimeFailedError, match=r"not on this machine.*frontier-test/nowhere:1"
    ) as caught:
        missing.build(FakeReporter(), "never")

    assert "docker load" in caught.value.hint
    assert not missing.is_built()


def test_a_base_that_no_registry_has_is_named(image: GatewayImage) -> None:
    # a registry on loopback that nobody runs: the same on machines with and without a network
    missing = other_base(image, "127.0.0.1:9/nowhere:1")

    with pytest.raises(DownloadError, match="registry"):
        missing.build(FakeReporter())

    assert not missing.is_built()


PYTHONLESS = "FROM {base}\nENTRYPOINT []\n"
OTHER_PYTHON = (
    "FROM {base}\nRUN mv /usr/bin/python3 /usr/bin/real"
    " && printf '#!/bin/sh\\nexec real -m another_python\\n' > /usr/bin/python3"
    " && chmod 755 /usr/bin/python3\n"
)


@pytest.mark.parametrize(
    ("setting", "dockerfile", "said"),
    [
        ("LLAMACPP_IMAGE", PYTHONLESS, "python3"),
        ("GATEWAY_BASE_IMAGE", OTHER_PYTHON, "import frontier.gateway.server"),
    ],
)
def test_a_base_that_cannot_run_it_leaves_no_image(
    image: GatewayImage, docker_images: dict[str, str], setting: str, dockerfile: str, said: str
) -> None:
    with built(dockerfile.format(base=docker_images[setting])) as base:
        wrong = other_base(image, base)

        with pytest.raises(RuntimeFailedError, match="cannot run the gateway, which") as caught:
            wrong.build(FakeReporter())

        assert "CPython 3.13" in caught.value.message
        assert said in caught.value.details
        assert "GATEWAY_BASE_IMAGE" in caught.value.hint
        assert not wrong.is_built()
        assert not docker("ps", "--all", "--quiet", "--filter", f"ancestor={base}")


def test_another_failure_of_docker_is_told_as_it_is(image: GatewayImage) -> None:
    damaged = other_base(image, f"docker.io/{image._base}")
    (damaged.context(FakeReporter()) / "Dockerfile").unlink()

    with pytest.raises(RuntimeFailedError, match="Dockerfile"):
        damaged.build(FakeReporter())


def test_without_docker_the_error_says_so(
    image: GatewayImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")

    with pytest.raises(FrontierError, match="Docker is not running"):
        image.build(FakeReporter())


def other_base(image: GatewayImage, base: str) -> GatewayImage:
    """Return *image* on another base; nothing has to be fetched for it."""
    return GatewayImage(
        image._folder, base, image._platform.architecture, image._wheels, package=image._package
    )


@contextlib.contextmanager
def built(dockerfile: str) -> Iterator[str]:
    reference = f"frontier-test/wrong-base:{os.getpid()}"
    docker("build", "--quiet", "--tag", reference, "-", stdin=dockerfile)
    try:
        yield reference
    finally:
        docker("rmi", "--force", reference)


def test_a_token_of_a_real_engine_streams_through_it(
    image: GatewayImage,
    docker_images: dict[str, str],
    compose_project: ComposeProject,
    smollm2: Path,
    tmp_path: Path,
) -> None:
    label = f"--label=com.docker.compose.project={compose_project.name}"
    compose_project.may_leave |= {"container", "network"}
    docker("network", "create", label, compose_project.name)
    inside = f"--network={compose_project.name}"
    smollm2.chmod(0o644)
    words = ["run", "--detach", label, inside, "--network-alias=llamacpp", "--read-only"]
    words += [f"--volume={smollm2}:/m.gguf:ro", docker_images["LLAMACPP_IMAGE"]]
    docker(*words, "--model", "/m.gguf", "--ctx-size", "512", "--cache-ram", "0")
    write_routes(tmp_path, "m", url="http://llamacpp:8080")

    gateway = Running(compose_project, image.reference(), tmp_path, "", inside)

    asked = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    body = json.dumps(asked | {"max_tokens": 2}).encode()
    streamed = lambda: gateway.get("/v1/chat/completions", body)  # noqa: E731
    until(lambda: streamed()[0] == 200, timeout_s=60, what="the engine behind the gateway")
    lines = streamed()[1].splitlines()
    assert lines[0].startswith("data: {")
    assert "data: [DONE]" in lines
