"""Every command of the README does what it says; `make up` and `make test` run in CI itself."""

import re
import shlex
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from docker_fixtures import ComposeProject
from fake_index import Server
from frontier_cli import Frontier, free_port
from stack_workspace import Stacked

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def commands(text: str) -> list[str]:
    """Return what stands behind a prompt, without comments."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE)]
    return [line.split("#")[0].strip() for line in lines]


COMMANDS = commands(README)
IN_DOCKER = commands(README.partition("## In Docker\n")[2].partition("\n## ")[0])
INLINE = re.findall(r"`(frontier [a-z][^`]*)`", README)


@pytest.fixture(scope="module")
def frontier(tmp_path_factory: pytest.TempPathFactory, smollm2: Path) -> Iterator[Frontier]:
    """A stack that is up, and a hub that has what the README pulls."""
    with Server() as hub:
        hub.add_hub(
            "bartowski/SmolLM2-135M-Instruct-GGUF",
            {"SmolLM2-135M-Instruct-Q8_0.gguf": smollm2.read_bytes()},
        )
        cli = Frontier(tmp_path_factory.mktemp("readme") / "ws", env={"HF_ENDPOINT": hub.url})
        cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
        cli.ok("up")
        yield cli
        cli.run("down")


def test_the_readme_has_commands() -> None:
    assert "make up" in COMMANDS
    assert "make test" in COMMANDS
    assert len(COMMANDS) >= 7
    assert "frontier stack select mistral && frontier start" in IN_DOCKER


def typed(frontier: Frontier, command: str) -> str:
    """Run *command* in a shell that finds `frontier`, as a person would."""
    path = f"{Path(sys.executable).parent}:{frontier.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**frontier.environ, "PATH": path},
        cwd=frontier.workspace.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command", [c for c in COMMANDS if c.startswith("frontier ") and c not in IN_DOCKER]
)
def test_a_frontier_command_of_the_readme_works(frontier: Frontier, command: str) -> None:
    typed(frontier, command)


@pytest.fixture(scope="module")
def docked(
    docker_images: dict[str, str], smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Frontier]:
    """A workspace with the suite's images, and its llama.cpp in the place of mistral.rs."""
    project = ComposeProject(f"frontier-test-{uuid.uuid4().hex[:10]}")
    settings = {
        **docker_images,
        "PROJECT_NAME": project.name,
        "PULL_POLICY": "never",
        "GRAFANA_PORT": "0",
        "PROMETHEUS_PORT": str(free_port()),
        "MISTRAL_API_PORT": "0",
    }
    cli = Frontier(tmp_path_factory.mktemp("docked") / "ws", env=settings)
    Stacked(cli, project).own_stack(
        "mistral",
        replace={
            "    setting: LLAMACPP_IMAGE\n": "",
            "ghcr.io/ggml-org/llama.cpp:server-b11429": docker_images["LLAMACPP_IMAGE"],
        },
    )
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    try:
        yield cli
        cli.ok("stop")
    finally:
        project.end()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(len(IN_DOCKER)), ids=IN_DOCKER)
def test_a_docker_command_of_the_readme_works_after_those_before_it(
    docked: Frontier, number: int
) -> None:
    running = ["", *["llamacpp"] * 2, "mistral", *["llamacpp"] * 3, ""]

    typed(docked, IN_DOCKER[number])

    assert docked.json("stack", "current")["running"] == running[number]


def test_the_folder_that_the_readme_takes_elsewhere_is_one_of_plain_compose(
    docked: Frontier,
) -> None:
    (command,) = [c for c in IN_DOCKER if " render " in c]
    folder = docked.workspace.parent / shlex.split(command)[-1]
    if not folder.exists():
        typed(docked, command)

    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]

    assert {"gateway", "llamacpp", "prometheus"} <= services.keys()


@pytest.mark.parametrize("command", INLINE)
def test_an_inline_command_of_the_readme_exists(frontier: Frontier, command: str) -> None:
    words = [w for w in shlex.split(command)[1:] if not w.startswith("-")]

    frontier.ok(*words, "--help")


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_a_make_target_of_the_readme_exists(command: str) -> None:
    subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, check=True, capture_output=True)


def test_the_readme_names_the_package_as_it_is_called() -> None:
    name = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    installs = [c for c in COMMANDS if " install " in c]

    assert installs
    assert all(c.split()[-1] == name for c in installs)


def test_the_readmes_python_streams_an_answer(frontier: Frontier) -> None:
    found = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert found
    frontier.ok("up")
    code = found[1].replace("http://127.0.0.1:11434", frontier.url)

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=240
    )

    assert done.stdout.strip()


def test_every_link_of_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
