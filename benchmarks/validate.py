"""How long `frontier validate --ci` takes: a healthy workspace without Docker, and one with.

Without Docker it is measured while the stack is stopped and while it runs; with Docker while
engine, gateway, Prometheus and nginx run. The median of the rounds counts, key press to prompt.
A machine that is busy with other things makes everything slow: with --check the exit code is 1
where one takes more seconds than its bound, and also more than 10 times as many times
`frontier --version` in the same round.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from start import sides

from docker_images import DockerMissingError
from frontier_cli import Frontier

WITHOUT_S = 2.0
WITH_S = 5.0
MULTIPLES_PER_S = 10  # `frontier --version` takes 0.1 s where nothing else runs


def seconds(cli: Frontier, *args: str) -> float:
    """Return the wall time of one run, which has to pass."""
    begun = time.perf_counter()
    done = subprocess.run(
        cli.argv(*args), env=cli.environ, capture_output=True, text=True, check=False
    )
    took_s = time.perf_counter() - begun
    assert done.returncode == 0, done.stdout + done.stderr
    return took_s


def measure(name: str, cli: Frontier, bound_s: float, rounds: int) -> bool:
    """Print the median of *rounds*; return whether it is above the bound."""
    seconds(cli, "validate", "--ci")  # what the first run caches
    pairs = [(seconds(cli, "--version"), seconds(cli, "validate", "--ci")) for _ in range(rounds)]
    median_s = statistics.median(own for _, own in pairs)
    times = statistics.median(own / base for base, own in pairs)
    print(f"{name:<28} {median_s:.2f} s, {times:.1f} x frontier --version, bound {bound_s} s")
    return median_s > bound_s and times > MULTIPLES_PER_S * bound_s


def native(rounds: int) -> Iterator[bool]:
    """Yield for a stopped and for a running stack whether it is above the bound."""
    with tempfile.TemporaryDirectory(prefix="frontier-bench-") as folder:
        cli = Frontier(Path(folder) / "workspace")
        cli.ok("up", "--quiet")
        try:
            yield measure("without Docker, running", cli, WITHOUT_S, rounds)
            cli.ok("stop")
            yield measure("without Docker, stopped", cli, WITHOUT_S, rounds)
        finally:
            cli.ok("down")


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="exit 1 above a bound")
    options = parser.parse_args()
    is_over = any([*native(options.rounds)])
    try:
        with sides() as both:
            is_over |= measure("with Docker, running", both.cli, WITH_S, options.rounds)
    except DockerMissingError as error:
        print(f"with Docker: not measured, no Docker engine answers: {error}")
        is_over |= "CI" in os.environ
    return int(is_over and options.check)


if __name__ == "__main__":
    sys.exit(main())
