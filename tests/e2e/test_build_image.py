"""An image around a compiled program, made and run by the real Docker engine."""

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from docker_images import docker
from fakes import FakeReporter
from frontier.adapters.mistral_build import MistralBuilds
from frontier.adapters.mistral_image import MistralImages
from frontier.domain.binary import Binary, Report
from frontier.domain.build import MISTRAL, Recipe
from frontier.domain.errors import FrontierError, RuntimeFailedError
from tiny_crate import TinyCrate, cargo
from waiting import until

# answers as mistral.rs does, with what it may do as the body
_SERVER = """
use std::io::{Read, Write};
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words == ["--version"] { println!("mistralrs 0.8.1"); return; }
    if words[0] == "doctor" {
        println!("{{\\"system\\": {{\\"build\\": {{}}}}, \\"checks\\": []}}"); return;
    }
    let listener = std::net::TcpListener::bind(("0.0.0.0", 1234)).unwrap();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut head = [0; 1024];
        let n = stream.read(&mut head).unwrap();
        let is_health = head[..n].starts_with(b"GET /health HTTP/1");
        let status = if is_health { "200 OK" } else { "404 Not Found" };
        write!(stream, "HTTP/1.1 {}\\r\\ncontent-length: 2\\r\\n\\r\\nOK", status).unwrap();
    }
}
"""


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Binary:
    """A program that was compiled here, for real."""
    root = tmp_path_factory.mktemp("image")
    program, crate = cargo(), TinyCrate(root / "crate")
    crate.main(source=_SERVER)
    builds = MistralBuilds(root / "builds", root / "build.log", crate.environ)
    recipe = Recipe(version=MISTRAL.version, accelerator="cpu", rustc=uuid.uuid4().hex)
    return builds.make(recipe, program, crate.environ["PATH"], FakeReporter())


@pytest.fixture(scope="module")
def base(docker_images: dict[str, str]) -> str:
    return docker_images["GATEWAY_BASE_IMAGE"]


@pytest.fixture(scope="module")
def image(binary: Binary, base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("contexts")
    reference = MistralImages(folder).make(binary, base, FakeReporter())
    assert list(folder.iterdir()) == []
    yield reference
    docker("rmi", "--force", reference)


def test_an_image_is_named_by_what_is_in_it(
    binary: Binary, base: str, image: str, tmp_path: Path
) -> None:
    images = MistralImages(tmp_path)

    assert image == images.reference(binary, base)
    assert image.startswith(f"frontier-mistral:{MISTRAL.version}-")
    assert len(image.rpartition("-")[2]) == 12
    assert images.exists(image)
    assert not images.exists(images.reference(binary, "another:1"))
    assert images.reference(binary, "another:1") != image


def test_it_runs_as_nobody_with_no_right_and_nothing_to_write_to(image: str) -> None:
    assert docker("inspect", "--format", "{{.Config.User}}", image) == "65532:65532"
    hard = ("--read-only", "--network", "none", "--cap-drop", "ALL")

    said = docker("run", "--rm", *hard, "--security-opt", "no-new-privileges", image, "--version")

    assert said == "mistralrs 0.8.1"


@pytest.fixture
def running(image: str) -> Iterator[str]:
    name = f"frontier-test-{uuid.uuid4().hex[:10]}"
    docker("run", "--detach", "--name", name, "--read-only", "--init", image, "serve")
    yield name
    docker("rm", "--force", name)


def exits(name: str, *command: str) -> int:
    return subprocess.run(
        ("docker", "exec", name, *command), capture_output=True, check=False
    ).returncode


def test_the_health_check_of_the_stacks_works_in_it(running: str) -> None:
    """The macro `health_http` asks with curl or with wget."""
    url = "http://127.0.0.1:1234"
    check = f"curl -fsS -o /dev/null {url}/health || wget -q -O /dev/null {url}/health"

    until(lambda: exits(running, "sh", "-c", check) == 0, what="health")


def test_its_own_stand_in_for_wget_tells_good_from_bad(running: str) -> None:
    own = "frontier-health"
    until(lambda: exits(running, own, "http://127.0.0.1:1234/health") == 0, what="health")

    assert exits(running, own, "-q", "-O", "/dev/null", "http://127.0.0.1:1234/nothing") == 1
    assert exits(running, own, "http://127.0.0.1:9/health") == 1
    assert exits(running, own, "no address") == 2


def test_a_base_without_curl_and_wget_gets_the_stand_in(
    binary: Binary, base: str, tmp_path: Path
) -> None:
    bare = f"frontier-test/bare-{uuid.uuid4().hex[:10]}"
    dockerfile = f"FROM {base}\nUSER root\nRUN rm -f /usr/bin/curl /usr/bin/wget\n"
    docker("build", "-q", "-t", bare, "-", stdin=dockerfile)
    reference = ""
    try:
        reference = MistralImages(tmp_path).make(binary, bare, FakeReporter())

        found = docker("run", "--rm", "--entrypoint", "readlink", reference, "/usr/local/bin/wget")

        assert found == "frontier-health"
    finally:
        docker("rmi", "--force", *filter(None, (reference, bare)))


def script(folder: Path, text: str) -> Binary:
    path = folder / "mistralrs"
    path.write_text(text)
    path.chmod(0o755)
    return Binary(path=path, report=Report(version="0.8.1"))


def test_a_base_that_is_too_old_leaves_no_image_and_names_a_newer_one(
    base: str, tmp_path: Path
) -> None:
    words = "/lib/libc.so.6: version `GLIBC_2.38' not found (required by mistralrs)"
    old = script(tmp_path, f'#!/bin/sh\necho "{words}" >&2\nexit 1\n'.replace("`", "\\`"))
    images = MistralImages(tmp_path / "contexts")

    with pytest.raises(RuntimeFailedError, match=f"base image {base} is too old") as caught:
        images.make(old, base, FakeReporter())

    assert "--base debian:trixie-slim" in caught.value.hint
    assert not images.exists(images.reference(old, base))
    assert not images.exists(f"{images.reference(old, base)}-trial")


def test_a_program_that_does_not_run_leaves_no_image(base: str, tmp_path: Path) -> None:
    broken = script(tmp_path, "#!/bin/sh\necho broken >&2; exit 3\n")
    images = MistralImages(tmp_path / "contexts")

    with pytest.raises(FrontierError, match="broken"):
        images.make(broken, base, FakeReporter())

    assert not images.exists(images.reference(broken, base))


def test_a_base_that_is_nowhere_is_an_error_with_the_next_move(
    binary: Binary, base: str, tmp_path: Path
) -> None:
    with pytest.raises(FrontierError) as caught:
        MistralImages(tmp_path).make(binary, "frontier-test/nowhere:1", FakeReporter())

    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []
