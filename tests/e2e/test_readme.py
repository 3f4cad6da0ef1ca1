"""Every command of the README does what it says; `make up` and `make test` run in CI itself."""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_index import Server
from frontier_cli import Frontier

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE)
]
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


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("frontier ")])
def test_a_frontier_command_of_the_readme_works(frontier: Frontier, command: str) -> None:
    frontier.ok(*shlex.split(command)[1:])


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
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip()


def test_every_link_of_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
