"""The wheel, installed where no checkout is near."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import frontier
from frontier_cli import Frontier

ROOT = Path(__file__).parents[2]


def uv(*args: str | Path) -> str:
    """Run uv from PATH or from beside this Python, on the index that pip would use."""
    beside = Path(sys.executable).parent
    found = shutil.which("uv", path=f"{os.environ['PATH']}:{beside}")
    assert found, "uv is neither on PATH nor in .venv: run `make test` once"
    env = dict(os.environ)
    if index := env.get("PIP_INDEX_URL"):
        env.setdefault("UV_DEFAULT_INDEX", index)
    done = subprocess.run(
        [found, "--quiet", *args], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@dataclass
class Installed(Frontier):
    """The `frontier` of an environment of its own."""

    program: Path = Path("frontier")

    def argv(self, *args: str) -> list[str]:
        return [str(self.program), *args]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--wheel", "--out-dir", folder)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory, smollm2: Path
) -> Iterator[Installed]:
    """The wheel and the locked versions of what it needs, and a workspace with the small model."""
    home = tmp_path_factory.mktemp("home")
    locked = home / "requirements.txt"
    uv("export", "--frozen", "--no-dev", "--no-emit-project", "--output-file", locked)
    uv("venv", "--python", sys.executable, home / "env")
    python = home / "env/bin/python"
    uv("pip", "install", "--python", python, "--requirement", locked)
    uv("pip", "install", "--python", python, "--no-deps", wheel)
    cli = Installed(home / "workspace", env={"HOME": str(home)}, program=home / "env/bin/frontier")
    cli.ok("models", "pull", f"file:{smollm2}", "--name", "smollm2:135m")
    yield cli
    cli.run("down")


def test_the_wheel_carries_stacks_templates_and_types(wheel: Path) -> None:
    packed = {f"frontier/_data/{kind}" for kind in ("stacks", "templates")}

    names = zipfile.ZipFile(wheel).namelist()

    for folder in packed:
        source = ROOT / Path(folder).name
        expected = {
            f"{folder}/{path.relative_to(source)}"
            for path in source.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert expected
        assert expected <= set(names)
    assert "frontier/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "src/"))]


def test_the_installed_command_tells_its_version(installed: Installed) -> None:
    assert installed.ok("--version") == f"frontier {frontier.__version__}\n"


def test_the_installed_command_comes_from_the_wheel(installed: Installed) -> None:
    python = installed.program.with_name("python")

    where = subprocess.run(
        [python, "-c", "import frontier; print(frontier.__file__)"],
        cwd=installed.workspace.parent,
        env=installed.environ,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert where.startswith(str(installed.workspace.parent))


def test_the_installed_command_lists_every_stack(installed: Installed) -> None:
    listed = {stack["name"] for stack in installed.json("stack", "list")["stacks"]}

    assert listed == {p.parent.name for p in (ROOT / "stacks").glob("*/stack.yaml")}


def test_the_installed_command_renders_every_stack_as_the_checkout_does(
    installed: Installed,
) -> None:
    checkout = Frontier(installed.workspace, env=installed.env)
    for stack in installed.json("stack", "list")["stacks"]:
        render = ("stack", "render", stack["name"], "--accelerator", "cpu")

        text = installed.ok(*render)

        services = yaml.safe_load(text)["services"]
        assert {"gateway", "grafana", "prometheus", stack["engine"]} <= services.keys()
        assert text == checkout.ok(*render)


def test_up_streams_a_token_and_down_leaves_nothing(installed: Installed) -> None:
    up = installed.json("up")

    assert up["answer"]["completion_tokens"] > 0
    assert up["urls"] == [installed.url]

    installed.ok("down")

    assert installed.json("status")["state"] == "stopped"
