"""Frontier's gateway beside other gateways, on one core, in one run.

    python benchmarks/gateway/peers.py [--rounds 3] [--only frontier,nginx] [--out DIR] [--check]

Every gateway runs pinned to core 0 with one worker. One thread in C on core 1 is the clients and
the engine, and never sleeps, so that no wake-up of theirs is charged to a gateway. All are loaded
in turn, several rounds; ``direct`` is the same engine on core 0 without a gateway. What counts is
the ratio of two figures of one run: a shared machine changes its speed from minute to minute.

Frontier runs with its hot path compiled, as `make compiled` builds it; ``interpreted`` is the same
from the checkout. Both have their key check, rate limit, request ids, metrics, token counts and
access log switched on. Peers come from the package index (vllm-router, litellm) and from Debian
(nginx); what cannot be had is left out, and said. Needs Linux, two cores, gcc and root (``nice``).
Writes results.json, results.csv and plot.svg; ``--check`` fails where Frontier needs more than it
may.
"""

import argparse
import csv
import json
import os
import statistics
import sys
import time
from pathlib import Path

from peers_gateways import GATEWAYS, Gateway, prepare
from peers_load import Load, direct, running
from peers_plot import plot

# what is measured: clients, seconds, warm-up, and for streams chunks and the gap between them in us
SHAPES: dict[str, dict[str, object]] = {
    "plain c=1": {"c": 1, "d": 1.0, "w": 0.2},
    "plain c=16": {"c": 16, "d": 1.5, "w": 0.3},
    "plain c=64": {"c": 64, "d": 2.0, "w": 0.5},
    "60 kB c=16": {"c": 16, "d": 1.5, "w": 0.3, "B": 60000},
    "stream c=1": {"c": 1, "d": 1.0, "w": 0.2, "s": "20,0"},
    "paced 64": {"c": 64, "d": 3.0, "w": 1.0, "s": "100,10000"},
}
# no more than this, of the figure of a peer in the same run, or in the unit that the name tells
BOUNDS = (
    ("cpu_ms", "plain c=64", "vllm-router", 0.8),
    ("cpu_ms", "plain c=64", "nginx", 2.2),
    ("cpu_ms", "plain c=64", "litellm", 1 / 200),
    ("cpu_s_per_100k", "paced 64", "vllm-router", 1.0),
    ("cpu_s_per_100k", "paced 64", "litellm", 1 / 20),
)
ABSOLUTE = (
    ("added_p50_ms", "plain c=1", 0.15),
    ("added_ttft_ms", "stream c=1", 0.15),
    ("idle_mib", "", 60.0),
    ("busy_mib", "", 80.0),
    ("start_s", "", 0.7),
)
LEAST_SHARE_OF_NGINX_60_KB = 0.5

Figures = dict[str, dict[str, float]]


def measure(gateway: Gateway, load: Load, shape: str) -> dict[str, float]:
    """Return one round of *shape*."""
    before = gateway.cpu_s()
    got = load.run(gateway, **SHAPES[shape])
    cpu_s = gateway.cpu_s() - before
    figures = {
        "rate_per_s": got["rps"],
        "p50_ms": got["lat_us"]["p50"] / 1000,
        "errors": got["errors"],
        "cpu_ms": 1000 * cpu_s / max(got["all_req"], 1),
    }
    if "s" in SHAPES[shape]:
        figures["ttft_ms"] = got["ttft_us"]["p50"] / 1000
        figures["cpu_s_per_100k"] = 100_000 * cpu_s / max(got["all_chunks"], 1)
        figures["chunks"] = got["all_chunks"]
    return figures


def compare(names: list[str], rounds: int) -> dict[str, Figures]:
    """Return the medians of every gateway, and what it costs at rest and at work."""
    with running(names) as (load, gateways):
        seen: dict[str, dict[str, list[dict[str, float]]]] = {}
        for number in range(rounds):
            for shape in SHAPES:
                for gateway in (direct(), *gateways):
                    found = measure(gateway, load, shape)
                    seen.setdefault(gateway.name, {}).setdefault(shape, []).append(found)
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
        report = {name: _medians(shapes) for name, shapes in seen.items()}
        for gateway in gateways:
            report[gateway.name][""] = {
                "start_s": gateway.start_s,
                "idle_mib": gateway.idle_mib,
                "busy_mib": load.memory_with_64_streams(gateway),
            }
    _add_differences(report)
    return report


def _medians(shapes: dict[str, list[dict[str, float]]]) -> Figures:
    return {
        shape: {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
        | {"errors": sum(r["errors"] for r in rounds)}
        for shape, rounds in shapes.items()
    }


def _add_differences(report: dict[str, Figures]) -> None:
    base = report["direct"]
    for name, figures in report.items():
        for shape, found in figures.items():
            if name != "direct" and shape:
                found["added_p50_ms"] = found["p50_ms"] - base[shape]["p50_ms"]
                if "ttft_ms" in found:
                    found["added_ttft_ms"] = found["ttft_ms"] - base[shape]["ttft_ms"]


def judge(report: dict[str, Figures]) -> list[str]:
    """Return a line for every bound: its figure, and whether it holds."""
    lines: list[str] = []
    mine = report.get("frontier") or report["interpreted"]
    for figure, shape, peer, most in BOUNDS:
        if peer in report:
            ratio = mine[shape][figure] / report[peer][shape][figure]
            lines.append(_line(f"{figure}, {shape}, of {peer}'s", ratio, most))
    for figure, shape, most in ABSOLUTE:
        lines.append(_line(f"{figure} {shape}".strip(), mine[shape][figure], most))
    if "nginx" in report:
        rate = "rate_per_s"
        share = report["nginx"]["60 kB c=16"][rate] / mine["60 kB c=16"][rate]
        lines.append(_line("nginx's rate at 60 kB, of ours", share, 1 / LEAST_SHARE_OF_NGINX_60_KB))
    errors = sum(found.get("errors", 0) for found in mine.values())
    lines.append(_line("errors", errors, 0))
    return lines


def _line(what: str, value: float, most: float) -> str:
    verdict = "ok" if value <= most else "TOO MUCH"
    return f"{verdict:8} {what}: {value:.4f}, at most {most:.4f}"


def write(report: dict[str, Figures], out: Path) -> None:
    """Write the report as JSON, as CSV and as a picture."""
    out.mkdir(parents=True, exist_ok=True)
    machine = {"cpus": os.cpu_count(), "load": os.getloadavg(), "when": time.strftime("%F %T")}
    document = {"version": 1, "machine": machine, "command": sys.argv, "gateways": report}
    (out / "results.json").write_text(json.dumps(document, indent=2) + "\n")
    with (out / "results.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("gateway", "shape", "figure", "value"))
        for name, shapes in report.items():
            for shape, found in shapes.items():
                rows.writerows((name, shape, key, f"{value:.6g}") for key, value in found.items())
    (out / "plot.svg").write_text(plot(report))


def main() -> None:
    """Measure, write, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(GATEWAYS), metavar="NAME,NAME")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/gateway/results"))
    parser.add_argument("--check", action="store_true", help="fail where a bound does not hold")
    given = parser.parse_args()
    names = prepare([name for name in GATEWAYS if name in given.only.split(",")])
    report = compare(names, given.rounds)
    write(report, given.out)
    lines = judge(report)
    print("\n".join(lines))
    if given.check and any(line.startswith("TOO MUCH") for line in lines):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
