"""What the gateway costs: the same load on an upstream directly and through the gateway.

    python benchmarks/gateway/compare.py [--rounds 5] [--seconds 2] [--json FILE]
        [--target 'NAME=COMMAND']...

Both ways are measured in turn, several rounds in one run, because the speed of a shared machine
changes from minute to minute: trust the differences and ratios of one run, not its rates. On Linux
the gateway gets a core of its own and the load and the upstream share another. A further target
is any gateway's command line, where ``{port}`` and ``{upstream}`` are filled in, for instance
``--target 'vllm-router=vllm-router --port {port} --worker-urls {upstream}'``.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import load
import psutil

HERE = Path(__file__).parent
MIB = 1024 * 1024
SHAPES = {  # name: clients, pace of the streams
    "plain c=1": (1, ""),
    "plain c=16": (16, ""),
    "stream c=1": (1, "20,1"),
    "stream c=16": (16, "20,20"),
}
STREAMS_64 = (64, "100,10")
ALL_CORES = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}


class Target:
    """A gateway that runs, and what it has cost so far."""

    def __init__(self, name: str, command: list[str], port: int) -> None:
        self.name = name
        self.port = port
        began = time.perf_counter()
        with _on_first_core():
            self.process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        while not _answers(port):
            if self.process.poll() is not None or time.perf_counter() - began > 60:
                raise SystemExit(f"{name} does not answer: {shlex.join(command)}")
            time.sleep(0.002)
        self.start_s = time.perf_counter() - began

    def _tree(self) -> list[psutil.Process]:
        root = psutil.Process(self.process.pid)
        return [root, *root.children(recursive=True)]

    def cpu_s(self) -> float:
        """Return user and system time of the process and its children."""
        times = [p.cpu_times() for p in self._tree()]
        return sum(t.user + t.system for t in times)

    def rss_mib(self) -> float:
        """Return the resident memory of the process and its children."""
        return sum(p.memory_info().rss for p in self._tree()) / MIB

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(20)


@contextlib.contextmanager
def _on_first_core() -> Iterator[None]:
    """Have what is started here run on the first core, which everything else leaves alone."""
    if not hasattr(os, "sched_setaffinity") or len(ALL_CORES) == 1:
        yield
        return
    os.sched_setaffinity(0, {min(ALL_CORES)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, ALL_CORES - {min(ALL_CORES)})


def _answers(port: int) -> bool:
    """Tell whether a whole chat request is answered: the first real answer, not an open port."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as sock:
        sock.settimeout(5)
        sock.sendall(load.request(port))
        return sock.recv(65536).startswith(b"HTTP/1.1 200")
    return False


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def _upstream() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, HERE / "canned.py"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(5)
        process.stdout.close()


def _frontier(upstream: int, folder: Path) -> str:
    routes, key = folder / "routes.yaml", folder / "key"
    url = f"http://127.0.0.1:{upstream}"
    routes.write_text(
        f"version: 1\nmodels: [{{name: bench-model, backend: vllm, backend_url: '{url}'}}]\n"
    )
    key.write_text("bench")
    return (
        f"{sys.executable} -m frontier.gateway --listen 127.0.0.1:{{port}} "
        f"--config {routes} --api-key-file {key}"
    )


def _start(name: str, command: str, upstream: int) -> Target:
    port = _free_port()
    words = shlex.split(command.format(port=port, upstream=f"http://127.0.0.1:{upstream}"))
    return Target(name, words, port)


def _p50(samples: list[float]) -> float:
    return statistics.median(samples) if samples else float("nan")


def _measure(target: Target | None, port: int, shape: str, seconds: float) -> dict[str, float]:
    clients, pace = SHAPES[shape]
    asyncio.run(load.run(port, clients=clients, seconds=0.2, pace=pace))  # warm connections
    before = target.cpu_s() if target else 0.0
    samples = asyncio.run(load.run(port, clients=clients, seconds=seconds, pace=pace))
    cpu_s = target.cpu_s() - before if target else 0.0
    return {
        "p50_ms": 1000 * _p50(samples.latencies_s),
        "ttft_p50_ms": 1000 * _p50(samples.first_s),
        "rate_per_s": samples.rate_per_s,
        "cpu_ms_per_request": 1000 * cpu_s / max(len(samples.latencies_s), 1),
        "errors": samples.errors,
    }


def _with_64_streams(target: Target) -> float:
    async def measure() -> float:
        clients, pace = STREAMS_64
        task = asyncio.create_task(load.run(target.port, clients=clients, seconds=1.5, pace=pace))
        await asyncio.sleep(1.0)
        rss = target.rss_mib()
        await task
        return rss

    return asyncio.run(measure())


def _median(rounds: list[dict[str, float]], field: str) -> float:
    return statistics.median(r[field] for r in rounds)


def compare(targets: dict[str, str], *, rounds: int, seconds: float) -> dict[str, object]:
    """Return the figures of every target command, each against the upstream itself."""
    with _upstream() as upstream, tempfile.TemporaryDirectory() as folder:
        commands = {"frontier": _frontier(upstream, Path(folder)), **targets}
        starts: dict[str, list[float]] = {name: [] for name in commands}
        for name, command in commands.items():
            for _ in range(rounds):
                probe = _start(name, command, upstream)
                starts[name].append(probe.start_s)
                probe.stop()
        running = {name: _start(name, command, upstream) for name, command in commands.items()}
        time.sleep(1)
        idle = {name: target.rss_mib() for name, target in running.items()}
        seen = _rounds(running, upstream, rounds, seconds)
        busy = {name: _with_64_streams(target) for name, target in running.items()}
        for target in running.values():
            target.stop()
    return {
        name: {
            "start_s": statistics.median(starts[name]),
            "rss_idle_mib": idle[name],
            "rss_64_streams_mib": busy[name],
            **_against(seen, name),
        }
        for name in commands
    }


def _rounds(
    running: dict[str, Target], upstream: int, rounds: int, seconds: float
) -> dict[tuple[str, str], list[dict[str, float]]]:
    seen: dict[tuple[str, str], list[dict[str, float]]] = {}
    for _ in range(rounds):
        for shape in SHAPES:
            seen.setdefault(("direct", shape), []).append(_measure(None, upstream, shape, seconds))
            for name, target in running.items():
                got = _measure(target, target.port, shape, seconds)
                seen.setdefault((name, shape), []).append(got)
    return seen


def _against(seen: dict[tuple[str, str], list[dict[str, float]]], name: str) -> dict[str, object]:
    result: dict[str, object] = {}
    for shape in SHAPES:
        mine, direct = seen[name, shape], seen["direct", shape]
        field = "ttft_p50_ms" if "stream" in shape else "p50_ms"
        result[shape] = {
            f"added_{field}": _median(mine, field) - _median(direct, field),
            "rate_ratio": _median(mine, "rate_per_s") / _median(direct, "rate_per_s"),
            "cpu_ms_per_request": _median(mine, "cpu_ms_per_request"),
            "errors": sum(r["errors"] for r in mine),
        }
    return result


def _show(report: dict[str, object]) -> None:
    for name, found in report.items():
        assert isinstance(found, dict)
        print(f"\n{name}")
        for key, value in found.items():
            if isinstance(value, dict):
                figures = ", ".join(f"{k} {v:.3f}" for k, v in value.items())
                print(f"  {key:<12} {figures}")
            else:
                print(f"  {key:<20} {value:.2f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Raw)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--target", action="append", default=[], metavar="NAME=COMMAND")
    given = parser.parse_args()
    with _on_first_core():
        pass  # leaves this process, and the upstream that it starts, on the other cores
    targets = dict(word.split("=", 1) for word in given.target)
    report = compare(targets, rounds=given.rounds, seconds=given.seconds)
    _show(report)
    if given.json:
        given.json.write_text(json.dumps(report, indent=2) + "\n")


_Raw = argparse.RawDescriptionHelpFormatter

if __name__ == "__main__":
    main()
