"""Measure a real stack, write its report, and save how it looks as docs/_static/bench-report-*.png.

Usage: make pictures; or .venv/bin/python docs/report_pictures.py [RESULT.json] (needs chromium)

Without a result it brings up the embedded llama.cpp with the small model and measures that.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

STATIC = Path(__file__).parent / "_static"
SHOTS = {
    "bench-report-wide-light": ("1200,1010", "1"),
    "bench-report-wide-dark": ("1200,1010", "0"),
    "bench-report-narrow-light": ("390,1000", "1"),
    "bench-report-narrow-dark": ("390,1000", "0"),
}
"""Window and Chromium's number of the colour scheme, by file name."""


def main() -> None:
    """Measure, write, look."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(sys.argv[1]) if len(sys.argv) > 1 else _measured(Path(folder))
        page = Path(folder) / "report.html"
        _frontier("bench", "report", str(result), "--output", str(page), home=Path(folder))
        for name, (window, scheme) in SHOTS.items():
            _shoot(page, window, scheme, STATIC / f"{name}.png")


def _measured(folder: Path) -> Path:
    result = folder / "result.json"
    _frontier("up", home=folder)
    try:
        load = ("--concurrency", "1,2,4", "--rounds", "4", "-n", "6", "--output-tokens", "16")
        _frontier("bench", "run", *load, "--output", str(result), home=folder)
    finally:
        _frontier("down", home=folder)
    return result


def _frontier(*words: str, home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        # one thread: two that share busy cores wait for each other, spinning
        own = {"FRONTIER_HOME": str(home / "stack"), "GATEWAY_PORT": "0", "NUM_WORKERS": "1"}
        port = os.environ.setdefault("API_PORT", str(free.getsockname()[1]))
    argv = [sys.executable, "-m", "frontier", *words]
    subprocess.run(argv, env={**os.environ, **own, "API_PORT": port}, check=True)


def _shoot(page: Path, window: str, scheme: str, target: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        sys.exit("install Chromium first: apt install chromium")
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
    look = (f"--window-size={window}", f"--blink-settings=preferredColorScheme={scheme}")
    argv = [chromium, *flags, *look, f"--screenshot={target}", page.as_uri()]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()
