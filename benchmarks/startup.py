"""How long `frontier --help` and `--version` take, as multiples of importing Typer alone.

Run alternately, so that a machine that grows slow or fast meanwhile hits both sides alike; the
median of the ratios of neighbours is what counts. Prints one line per command; with --check the
exit code is 1 when a ratio is above its bound.
"""

import argparse
import statistics
import subprocess
import sys
import time

BOUND = 1.7
BASE = [sys.executable, "-c", "import typer"]
COMMANDS = {
    "frontier --help": [sys.executable, "-m", "frontier", "--help"],
    "frontier --version": [sys.executable, "-m", "frontier", "--version"],
}


def seconds(argv: list[str]) -> float:
    """Return the wall time of one run."""
    begun = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def measure(argv: list[str], rounds: int) -> tuple[float, float]:
    """Return the median ratio to `BASE` and the median seconds of *argv*."""
    pairs = [(seconds(BASE), seconds(argv)) for _ in range(rounds)]
    return (
        statistics.median(own / base for base, own in pairs),
        statistics.median(own for _, own in pairs),
    )


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--check", action="store_true", help="exit 1 above the bound")
    options = parser.parse_args()
    seconds(BASE)  # compiles and caches what the first run would
    is_over = False
    for name, argv in COMMANDS.items():
        seconds(argv)
        ratio, median_s = measure(argv, options.rounds)
        print(f"{name:<20} {ratio:.2f} x import typer ({median_s * 1000:.0f} ms), bound {BOUND}")
        is_over |= ratio > BOUND
    return int(is_over and options.check)


if __name__ == "__main__":
    sys.exit(main())
