"""Run `frontier up` in a real terminal and save what stands on its screen as docs/_static/up.svg.

Usage: .venv/bin/python docs/capture.py      (stops what runs, starts anew, leaves it running)
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pexpect
import pyte
from rich.console import Console
from rich.text import Text

COLUMNS, ROWS = 118, 40
TARGET = Path(__file__).parent / "_static" / "up.svg"


def main() -> None:
    """Capture, draw, save."""
    frontier = shutil.which("frontier", path=str(Path(sys.executable).parent))
    assert frontier, "install Frontier first: make install"
    with tempfile.TemporaryDirectory() as home:
        environ = {"FRONTIER_HOME": f"{home}/stack", "TERM": "xterm-256color"}
        screen = _screen(frontier, environ)
        subprocess.run([frontier, "--workspace", f"{home}/stack", "down"], check=True)
    console = Console(record=True, width=COLUMNS, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    console.print(Text("$ frontier up", style="bold"))
    for line in screen:
        console.print(Text(line), soft_wrap=False)
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(console.export_svg(title="frontier up"))


def _screen(frontier: str, environ: dict[str, str]) -> list[str]:
    import os

    child = pexpect.spawn(
        frontier, ["up"], env={**os.environ, **environ}, dimensions=(ROWS, COLUMNS), timeout=300
    )
    output = child.read()
    child.wait()
    assert child.exitstatus == 0, output.decode()
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.ByteStream(screen).feed(output)
    return [line.rstrip() for line in screen.display][: _last(screen.display)]


def _last(lines: list[str]) -> int:
    return max(number for number, line in enumerate(lines, 1) if line.strip())


if __name__ == "__main__":
    main()
