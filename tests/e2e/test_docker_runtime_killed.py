"""SIGKILL at every step of writing the project folder."""

import os
import subprocess
import sys
from pathlib import Path


def test_a_write_killed_at_any_step_leaves_a_project_that_works_and_is_repaired(
    tmp_path: Path,
) -> None:
    tests = Path(__file__).parents[1]
    words = (sys.executable, str(tests / "killing_folder.py"), str(tmp_path))

    done = subprocess.run(
        words,
        env={**os.environ, "PYTHONPATH": str(tests)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
