"""`frontier stack build` as people type it, with a crate that compiles in a second."""

from pathlib import Path

import pytest

from frontier.domain.build import MISTRAL
from frontier_cli import Frontier
from tiny_crate import TinyCrate, cargo


@pytest.fixture
def frontier(tmp_path: Path) -> Frontier:
    path = f"{Path(cargo()).parent}:/usr/bin:/bin"
    crate = TinyCrate(tmp_path / "crate")
    return Frontier(tmp_path / "w", {**crate.env, "PATH": path})


def test_a_dry_run_shows_decisions_and_prerequisites_and_makes_nothing(frontier: Frontier) -> None:
    said = frontier.ok("stack", "build", "mistral", "--dry-run", "--accelerator", "cpu")

    assert "accelerator: cpu, because --accelerator cpu\n" in said
    assert "rustc" in said
    assert f"{MISTRAL.rust} or newer" in said
    assert said.rstrip().endswith(f"would build mistral.rs {MISTRAL.version} for cpu")
    assert not frontier.workspace.exists()


def test_a_build_ends_with_what_to_type_next_and_is_cached(frontier: Frontier) -> None:
    arguments = ("stack", "build", "mistral", "--features", "mkl")

    first, second = frontier.ok(*arguments), frontier.json(*arguments)

    assert first.startswith(f"built mistral.rs {MISTRAL.version} for cpu (mkl): ")
    assert first.rstrip().endswith("use it: frontier up mistral --runtime native")
    assert second["is_cached"]
    assert Path(second["binary"]).is_relative_to(frontier.workspace / "data/builds/mistral")
    assert "mistral.rs 0.8.1 for cpu (mkl) is here: " in frontier.ok(*arguments)
    assert "Compiling mistralrs-cli" in (frontier.workspace / "logs/build-mistral.log").read_text()


def test_an_image_is_told_with_the_setting_that_uses_it(
    frontier: Frontier, docker_images: dict[str, str]
) -> None:
    from docker_images import docker

    frontier.env["GATEWAY_BASE_IMAGE"] = docker_images["GATEWAY_BASE_IMAGE"]
    frontier.env["RUSTFLAGS"] = f"--cfg test{id(frontier)}"  # a key, and so a name, of its own

    said = frontier.ok("stack", "build", "mistral", "--features", "mkl", "--method", "image")

    reference = said.splitlines()[0].rpartition(" ")[2]
    try:
        assert f"use it: frontier config set MISTRAL_IMAGE {reference}" in said
        assert docker("run", "--rm", reference, "--version") == f"mistralrs {MISTRAL.version}"
    finally:
        docker("rmi", "--force", reference)


@pytest.mark.parametrize(
    ("code", "arguments", "hint"),
    [
        (2, ("llamacpp",), "frontier stack build mistral"),
        (2, ("mistral", "--features", "vulkan"), "Known: accelerate"),
        (3, ("nothing",), "Known: "),
        (5, ("mistral", "--features", "metal"), "--accelerator auto"),
        (3, ("mistral", "--accelerator", "cpu", "--method", "prebuilt"), "--method cargo"),
    ],
)
def test_what_cannot_be_built_says_what_can(
    frontier: Frontier, code: int, arguments: tuple[str, ...], hint: str
) -> None:
    if "prebuilt" in arguments:
        own = frontier.workspace / "stacks/mistral"
        own.mkdir(parents=True)
        own.joinpath("stack.yaml").write_text("schema: 1\nengine: mistral\nruntimes: [native]\n")

    assert hint in frontier.fails(code, "stack", "build", *arguments)


def test_a_ready_made_program_is_found_on_the_path(frontier: Frontier) -> None:
    binary = frontier.json("stack", "build", "mistral", "--features", "mkl")["binary"]
    frontier.env["PATH"] += f":{Path(binary).parent}"

    said = frontier.json("stack", "build", "--accelerator", "cpu", "--method", "prebuilt")

    assert said["binary"] == binary
    assert said["version"] == MISTRAL.version


def test_a_missing_compiler_is_refused_before_anything_is_written(frontier: Frontier) -> None:
    frontier.env["PATH"] = "/nowhere"
    frontier.env["CARGO_HOME"] = "/nowhere"
    frontier.env["HOME"] = str(frontier.workspace.parent)

    said = frontier.fails(5, "stack", "build", "mistral", "--accelerator", "cpu")

    assert "mistral.rs for cpu cannot be built here: rustc, cargo, c++" in said
    assert "hint: curl --proto" in said
    assert not (frontier.workspace / "data").exists()


def test_up_without_a_build_says_how_to_get_one(frontier: Frontier) -> None:
    said = frontier.fails(4, "up", "mistral", "--runtime", "native", "--dry-run")

    assert "frontier stack build mistral" in said
