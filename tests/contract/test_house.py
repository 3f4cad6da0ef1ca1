"""The repository keeps its own promises: exit codes, commands, changelog, decisions, workflows."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from frontier.cli.doctor import Diagnosis
from frontier.domain import errors
from frontier.domain.errors import FrontierError
from frontier.domain.machine import Gpu

ROOT = Path(__file__).parents[2]
SCRIPTS = ("scripts/venv", ".ci/run")
KINDS = ("feature", "fix", "removal", "doc")


def text(name: str) -> str:
    return (ROOT / name).read_text()


def make(*goals: str) -> str:
    done = subprocess.run(
        ["make", "--no-print-directory", *goals],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if not key.startswith("MAKE")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def targets() -> dict[str, str]:
    """Every phony target with its line of help."""
    phony = re.search(r"^\.PHONY: (.*)$", text("Makefile"), re.MULTILINE)
    assert phony is not None
    helped = dict(re.findall(r"^([a-z0-9-]+):[^\n]*## *(.*)$", text("Makefile"), re.MULTILINE))
    return {name: helped.get(name, "") for name in phony[1].split()}


def test_the_reference_of_exit_codes_is_what_the_errors_say() -> None:
    known = {
        (error.exit_code, error.code)
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, FrontierError)
    }

    rows = re.findall(r"^\| (\d) \| .*? \|(.*)\|$", text("docs/reference/exit-codes.md"), re.M)

    assert {(int(code), name) for code, names in rows for name in re.findall("`(.+?)`", names)} == (
        known
    )
    assert [code for code, _ in rows] == list("012345")


def test_the_reference_names_every_field_of_the_machine() -> None:
    section = text("docs/reference/json.md").split("\n## ")[1]
    machine, gpu = (
        {
            name
            for row in re.findall(r"(?m)^\| (`.*?) \|", part)
            for name in re.findall("`(.+?)`", row)
        }
        for part in section.split("Each GPU has:")
    )

    assert machine == set(Diagnosis.__dataclass_fields__)
    assert gpu == set(Gpu.__dataclass_fields__)


def test_error_codes_are_unique_words() -> None:
    codes = [
        error.code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, FrontierError)
    ]

    assert len(codes) == len(set(codes))
    assert all(re.fullmatch("[a-z_]+", code) for code in codes)


def test_every_make_target_has_a_line_of_help() -> None:
    shown = make("help")

    for name, line in targets().items():
        assert line, name
        assert re.search(rf"^make {name} +{re.escape(line)}$", shown, re.MULTILINE)


def test_make_alone_shows_the_help() -> None:
    assert make() == make("help")


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "docs/tutorial.md", "docs/how-to/install.md"]
)
def test_documented_make_commands_exist(name: str) -> None:
    named = set(re.findall(r"(?:`|^\$ )make ([a-z0-9]+)", text(name), re.MULTILINE))

    assert named
    assert named <= set(targets())


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_are_executable_and_parse(name: str) -> None:
    path = ROOT / name
    shell = "bash" if "bash" in path.read_text().splitlines()[0] else "sh"

    assert os.access(path, os.X_OK)
    assert subprocess.run([shell, "-n", path], check=False).returncode == 0


@pytest.mark.parametrize("path", sorted((ROOT / "changelog.d").glob("*.md")), ids=lambda p: p.name)
def test_a_changelog_fragment_is_one_line_under_a_name_that_towncrier_takes(path: Path) -> None:
    issue, kind, *_ = path.name.split(".")

    assert issue.isdigit()
    assert kind in KINDS
    assert len(path.read_text().splitlines()) == 1


@pytest.mark.parametrize("path", sorted((ROOT / "docs/adr").glob("0*.md")), ids=lambda p: p.name)
def test_a_decision_has_a_status_and_its_three_parts(path: Path) -> None:
    page = path.read_text()

    assert re.search(r"(?i)\bstatus\b", page)
    for part in ("Context", "Decision", "Consequences"):
        assert re.search(rf"^## {part}", page, re.MULTILINE), part


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda p: p.name
)
def test_a_workflow_runs_make_and_pins_actions_to_a_major_version(path: Path) -> None:
    jobs = yaml.safe_load(path.read_text())["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]

    assert all(step["run"].startswith("make ") for step in steps if "run" in step)
    used = [step["uses"] for step in steps if "uses" in step]
    assert all(re.search(r"@v\d+$", uses) or (ROOT / uses).is_dir() for uses in used)


def test_workflows_cover_every_python_that_the_package_names() -> None:
    matrix = yaml.safe_load(text(".github/workflows/ci.yml"))["jobs"]["test"]["strategy"]["matrix"]

    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', text("pyproject.toml"))

    assert matrix["python"] == named


def test_commit_hooks_download_nothing() -> None:
    repos = yaml.safe_load(text(".pre-commit-config.yaml"))["repos"]

    assert [repo["repo"] for repo in repos] == ["local"]
    assert all(hook["entry"].startswith(".venv/bin/") for hook in repos[0]["hooks"])


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with the bootstrap script, and a PATH of its own without any Python."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/venv", tmp_path / "scripts/venv")
    (tmp_path / "bin").mkdir()
    for tool in ("sh", "dirname"):
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / "bin" / tool).symlink_to(found)
    return tmp_path


def bootstrap(bare: Path, goal: str, **env: str) -> str:
    """Run the script; return what it said when it failed with exit code 1."""
    done = subprocess.run(
        [bare / "scripts/venv", goal],
        env={"PATH": str(bare / "bin"), **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert not (bare / ".venv").exists()
    return done.stderr


def python(bare: Path, name: str, script: str) -> Path:
    path = bare / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_without_a_python_the_bootstrap_says_what_to_install(bare: Path) -> None:
    said = bootstrap(bare, "runtime")

    assert "error: there is no Python 3.11 or newer on PATH" in said
    assert "apt install python3 python3-venv" in said
    assert "make up PYTHON=" in said


def test_an_old_python_is_passed_over_and_an_old_choice_refused(bare: Path) -> None:
    python(bare, "python3", "exit 1")

    assert "no Python 3.11 or newer" in bootstrap(bare, "dev")
    assert "error: PYTHON=python3 is not a Python 3.11" in bootstrap(bare, "dev", PYTHON="python3")


def test_a_python_without_the_venv_module_is_explained(bare: Path) -> None:
    python(bare, "python3", 'case "$*" in *ensurepip*) exit 1;; esac')

    assert "apt install python3-venv" in bootstrap(bare, "runtime")


def test_an_unknown_environment_is_refused(bare: Path) -> None:
    assert "no such environment: else" in bootstrap(bare, "else")
