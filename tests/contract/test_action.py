"""The composite action for GitHub: its form, and its shell steps run as a runner runs them."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import xmlschema
import yaml

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / ".github/actions/validate/action.yml").read_text())
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"]}
SCHEMA = ROOT / "tests/fixtures/junit/junit-10.xsd"


def given(step: str, inputs: dict[str, str]) -> dict[str, str]:
    """The environment of *step*, its expressions replaced by *inputs* or their defaults."""
    values = {name: str(i.get("default", "")) for name, i in ACTION["inputs"].items()} | inputs
    env: dict[str, str] = STEPS[step]["env"]
    return {
        k: re.sub(r"\$\{\{ inputs\.(\w+) \}\}", lambda m: values[m[1]], v) for k, v in env.items()
    }


def run(
    step: str, folder: Path, env: dict[str, str] | None = None, **inputs: str
) -> subprocess.CompletedProcess[str]:
    """Run a step as a runner does: bash with errexit and pipefail, in the repository."""
    script = folder / "step.sh"
    script.write_text(STEPS[step]["run"])
    passed_on = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG")}
    own = {"RUNNER_TEMP": str(folder), "GITHUB_OUTPUT": str(folder / "output")}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
        cwd=ROOT,
        env={**passed_on, **own, **given(step, inputs), **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_is_a_composite_action_that_declares_what_it_uses() -> None:
    text = yaml.safe_dump(ACTION["runs"])

    assert ACTION["runs"]["using"] == "composite"
    assert {"name", "description", "inputs", "outputs", "runs"} == set(ACTION)
    assert set(re.findall(r"inputs\.(\w+)", text)) == set(ACTION["inputs"])
    assert all(set(i) == {"description", "default"} for i in ACTION["inputs"].values())
    for step in STEPS.values():
        assert ("run" in step) == ("shell" in step)
        assert "uses" not in step or re.search(r"@v\d+$", step["uses"])


def test_no_input_becomes_code() -> None:
    for step in STEPS.values():
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("step", [name for name, step in STEPS.items() if "run" in step])
def test_a_step_is_shell(step: str) -> None:
    done = subprocess.run(
        ["bash", "-n"], input=STEPS[step]["run"], capture_output=True, text=True, check=False
    )

    assert done.stderr == ""


def test_an_empty_workspace_is_annotated_reported_and_fails_the_job(tmp_path: Path) -> None:
    workspace = tmp_path / "work space"

    done = run(
        "Check",
        tmp_path,
        frontier=f"{sys.executable} -m frontier",
        workspace=str(workspace),
        skip="models docker",
    )

    report = tmp_path / "frontier-validate.xml"
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("::error title=workspace.present%3A ")
    assert (tmp_path / "output").read_text() == f"report={report}\n"
    xmlschema.XMLSchema(str(SCHEMA)).validate(str(report))
    assert 'name="models.' not in report.read_text()


def test_what_passes_ends_the_step_well(tmp_path: Path) -> None:
    done = run(
        "Check",
        tmp_path,
        frontier=f"{sys.executable} -m frontier",
        workspace=str(tmp_path / "workspace"),
        command="doctor",
        only="python git.version",
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout


def test_nothing_that_runs_fails_where_it_must(tmp_path: Path) -> None:
    done = run(
        "Check",
        tmp_path,
        frontier=f"{sys.executable} -m frontier",
        workspace=str(tmp_path / "workspace"),
        only="running",
        running="true",
    )

    assert done.returncode == 1
    assert "running.stack" in done.stdout


def test_frontier_is_installed_where_no_command_is_named(tmp_path: Path) -> None:
    """Real pip and a real venv; the package is one of the same name that only tells its flags."""
    wheel = tmp_path / "frontier_llm-9.9-py3-none-any.whl"
    files = {
        "fake_frontier.py": "import sys\ndef main():\n    print('ran', *sys.argv[1:])\n",
        "frontier_llm-9.9.dist-info/METADATA": (
            "Metadata-Version: 2.1\nName: frontier-llm\nVersion: 9.9\n"
        ),
        "frontier_llm-9.9.dist-info/WHEEL": (
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        ),
        "frontier_llm-9.9.dist-info/entry_points.txt": (
            "[console_scripts]\nfrontier = fake_frontier:main\n"
        ),
    }
    files["frontier_llm-9.9.dist-info/RECORD"] = "".join(f"{name},,\n" for name in files)
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}

    installed = run("Install Frontier", tmp_path, offline, version="==9.9")
    done = run("Check", tmp_path)

    assert installed.returncode == 0, installed.stderr
    assert done.stdout == (
        f"ran validate --ci --format github --junit {tmp_path}/frontier-validate.xml\n"
    )
