"""Anthropic's client of before 2026-10-21: another API version and another way to send the key."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from downloads import downloads

VERSION = "0.125.0"
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def old_client() -> Path:
    """The folder that has it, with all that it needs: installed once per machine."""
    folder = downloads() / f"anthropic-{VERSION}"
    if not folder.exists():
        beside = folder.with_suffix(f".{os.getpid()}")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", beside, f"anthropic=={VERSION}"], check=True)
        beside.rename(folder)
    return folder


@pytest.mark.parametrize("file", ["anthropic", "anthropic_content", "anthropic_real"])
def test_conformance_089_091_the_old_client_gets_the_same(old_client: Path, file: str) -> None:
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    env = {**os.environ, "PYTHONPATH": str(old_client)}
    version = "import anthropic; print(anthropic.__version__)"
    found = subprocess.run(
        [sys.executable, "-c", version], env=env, capture_output=True, text=True, check=True
    )

    done = subprocess.run(
        [*pytest_, f"{HERE}/test_gateway_{file}.py"],
        check=False,
        cwd=HERE.parent.parent,
        env=env,
        capture_output=True,
        text=True,
    )

    assert found.stdout.strip() == VERSION
    assert done.returncode == 0, done.stdout[-4000:]
