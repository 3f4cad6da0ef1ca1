"""Three runs of the same benchmark on the real small model: do they agree within their intervals?

    python benchmarks/bench_repeat.py --url http://127.0.0.1:11434 [options of bench run ...]

They do if all intervals overlap. What `frontier bench compare` calls different is told, too:
its intervals of ratios are narrower, and by their nature wrong once in twenty comparisons.
"""

import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

from frontier.adapters import bench_files
from frontier.domain.bench import Result
from frontier.domain.bench_change import HEADLINES
from frontier.domain.bench_summary import summarize
from frontier.usecases.bench_compare import compare

RUNS = 3
SHORT = ("--prompt-tokens", "64", "--output-tokens", "16", "-c", "1,2", "-n", "8", "--rounds", "5")


def run(path: Path, options: list[str]) -> Result:
    """Measure once."""
    command = [sys.executable, "-m", "frontier", "bench", "run", *SHORT, *options, "-q"]
    subprocess.run([*command, "-o", path], check=True, stdout=subprocess.DEVNULL)
    return bench_files.read(path)


def main() -> int:
    """Print each metric of each run, and which pairs differ beyond doubt; 1 if too many do."""
    with tempfile.TemporaryDirectory() as folder:
        results = [run(Path(folder) / f"{n}.json", sys.argv[1:]) for n in range(RUNS)]
    strangers = 0
    for summaries in zip(*map(summarize, results), strict=True):
        print(summaries[0].case.id)
        for name in HEADLINES[:-1]:
            found = [summary.values[name] for summary in summaries]
            shown = (f"{e.value:9.4g} [{e.low:.4g}, {e.high:.4g}]" for e in found)
            apart = max(e.low for e in found) > min(e.high for e in found)
            strangers += apart
            print(f"  {name:20}", "  ".join(shown), "apart" if apart else "")
    verdicts = [
        f"{case.case.id} {change.metric}: {change.verdict}"
        for base, new in itertools.combinations(results, 2)
        for case in compare(("", base), ("", new)).cases
        for change in case.changes
        if change.metric in HEADLINES[:-1]
    ]
    differ = [verdict for verdict in verdicts if "no difference shown" not in verdict]
    print(f"{len(verdicts)} comparisons, {len(differ)} differ", *differ, sep="\n  ")
    return strangers > 0


if __name__ == "__main__":
    sys.exit(main())
