"""How long rendering takes: all stacks for the first time, then every golden Compose project.

Each round is a process of its own: the first figure, all stacks with monitoring, has templates
compiled, the second, all 76 projects, has them compiled already. Processor time, and the
quickest round counts, since whatever else the machine does can only add. Reading the stacks'
files is not part of it. With --check the exit code is 1 when a figure is above the bound.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

BOUND_MS = 100.0
TESTS = Path(__file__).parents[1] / "tests"


def measure() -> tuple[float, float]:
    """Return the milliseconds for all stacks at first, and for all projects afterwards."""
    sys.path.insert(0, str(TESTS))
    from compose_specs import shared
    from frontier.renderers.compose import render
    from frontier.renderers.compose_spec import ComposeSpec
    from frontier.renderers.compose_text import to_yaml
    from golden_projects import specs

    every = [spec for _, spec in specs()]
    stacks = {spec.stack.name: spec for spec in every if spec.monitoring}
    fragments, macros = shared()

    def milliseconds(wanted: Iterable[ComposeSpec]) -> float:
        begun = time.process_time()
        for spec in wanted:
            containers = render(spec, fragments, macros).containers
            assert containers is not None
            to_yaml(containers)
        return (time.process_time() - begun) * 1000

    first_ms = milliseconds(stacks.values())
    milliseconds(every)
    return first_ms, milliseconds(every)


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--check", action="store_true", help="exit 1 above the bound")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        print(*measure())
        return 0
    command = [sys.executable, __file__, "--once"]
    rounds = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(options.rounds)
    ]
    best = [min(map(float, figures)) for figures in zip(*rounds, strict=True)]
    for name, best_ms in zip(("all stacks, first time", "all projects"), best, strict=True):
        print(f"{name:<22} {best_ms:.0f} ms, bound {BOUND_MS:.0f} ms")
    return int(max(best) > BOUND_MS and options.check)


if __name__ == "__main__":
    sys.exit(main())
