"""Every shipped stack renders as its golden file says, safely, and real Compose takes it."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from compose_specs import containers, folders, shared, shipped
from frontier.adapters.folders import StackFolders
from frontier.adapters.stack_file import json_schema
from frontier.renderers.compose import render
from frontier.settings import Settings
from golden_projects import FOLDER, golden_text, specs

ROOT = Path(__file__).parents[2]

ALL = dict(specs())
COMPOSE = Path(sys.prefix) / "bin" / "docker-compose"


@pytest.mark.parametrize("path", ALL)
def test_a_rendered_stack_is_its_golden_file(path: str) -> None:
    assert golden_text(render(ALL[path], *shared())) == (FOLDER / path).read_text(), "make golden"


def test_there_is_no_golden_file_too_many() -> None:
    written = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.yaml")}

    assert written == set(ALL)


def test_there_is_one_for_every_accelerator_architecture_and_front() -> None:
    for name in folders().names():
        image = shipped(name).images[shipped(name).engine]
        kinds = [(a, arch) for a in image.references for arch in image.architectures[a]]
        fronts = {path for path in ALL if path.startswith(f"{name}/")}

        assert len(fronts) == 4 * len(kinds)
        assert {"cpu", "cuda"} <= set(image.references)


def test_real_compose_takes_every_golden_file() -> None:
    with ThreadPoolExecutor(4) as pool:
        problems = [problem for problem in pool.map(_compose_problem, ALL) if problem]

    assert problems == []


def _compose_problem(path: str) -> str:
    """Return what Compose says against a golden file, warnings too; "" is good."""
    done = subprocess.run(
        [COMPOSE, "--file", FOLDER / path, "config", "--quiet"],
        # a variable that Compose filled in would be a mistake of ours, told as a warning
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    return f"{path}: {said.strip() or done.returncode}" if done.returncode or said else ""


@pytest.mark.parametrize("name", StackFolders(Path("/nowhere")).names())
def test_a_shipped_stack_says_all_that_people_ask(name: str) -> None:
    stack = shipped(name)
    folder = ROOT / "stacks" / name

    assert stack.summary
    assert stack.provides
    assert "docker" in stack.runtimes
    assert (folder / "README.md").read_text().startswith(f"# {name}\n")
    assert all(variable.help for variable in stack.variables.values())
    settings = {image.setting.lower() for image in stack.images.values()}
    assert settings <= set(Settings.model_fields)
    known = {name.lower() for name in stack.variables} | set(Settings.model_fields)
    assert stack.model_setting.lower() in {"", *known}


def test_no_image_floats() -> None:
    fragments, _ = shared()
    images = [image for f in fragments.values() for image in f.images.values()]
    images += [i for name in folders().names() for i in shipped(name).images.values()]

    references = [reference for image in images for reference in image.references.values()]

    assert len(references) > 10
    assert all(":" in r.rpartition("/")[2] and "latest" not in r for r in references)


def test_the_published_schema_is_what_the_code_checks() -> None:
    published = json.loads((ROOT / "docs/reference/stack.schema.json").read_text())

    assert published == json_schema(), "make golden"


def test_the_reference_names_every_key_of_stack_yaml() -> None:
    page = (ROOT / "docs/reference/stack-yaml.md").read_text()
    schema = json_schema()
    keys = set(schema["properties"])
    for part in schema["$defs"].values():
        keys |= set(part["properties"])

    assert {key for key in keys if f"`{key}`" not in page} == set()


def test_the_how_to_shows_a_stack_that_works(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/stacks.md").read_text()
    folder = tmp_path / "sglang"
    folder.mkdir()
    for name, kind in (("stack.yaml", "yaml"), ("compose.yaml.j2", "jinja")):
        text = page.partition(f"```{{code-block}} {kind}\n:caption: stacks/sglang/{name}\n")[2]
        (folder / name).write_text(text.partition("```")[0].lstrip("\n"))
    stack = StackFolders(tmp_path).load("sglang")

    found = containers(stack, accelerator="cuda")

    service = found.services["sglang"]
    assert stack.title == "SGLang"
    assert service["image"].startswith("lmsysorg/sglang:v")
    assert "--model-path" in service["command"]
    assert set(found.services) == {"gateway", "sglang"}


def test_the_example_of_the_reference_is_valid(tmp_path: Path) -> None:
    page = (ROOT / "docs/reference/stack-yaml.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/stack.yaml").write_text(example)

    assert yaml.safe_load(example)["schema"] == 1
    assert StackFolders(tmp_path).load("mine").engine
