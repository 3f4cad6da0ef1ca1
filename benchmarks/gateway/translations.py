"""What each API costs the gateway in front of an engine that speaks OpenAI's: CPU, in one run.

    python benchmarks/gateway/translations.py [--rounds 3] [--seconds 2]

The first row passes as it comes; the others are translated both ways. APIs that this gateway does
not have are left out.
"""

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path

import compare
import load

from frontier.gateway.apis.known import OPERATIONS

CHUNKS, GAP_MS, STREAMS = 200, 5, 8
TEXT = "Tell me about gateways. " * 22


def requests(pace: str) -> dict[str, dict[str, object]]:
    """Return one request of about 700 bytes by path; with a *pace* it streams."""
    text = f"bench:{pace} {TEXT}" if pace else TEXT
    shared = {"model": "bench-model", "stream": bool(pace)}
    messages = [{"role": "user", "content": text}]
    return {
        "/v1/chat/completions": shared | {"messages": messages},
        "/v1/responses": shared | {"input": messages},
        "/v1/messages": shared | {"messages": messages, "max_tokens": 999},
        "/api/chat": shared | {"messages": messages},
    }


def cpu_s(target: compare.Target, path: str, pace: str, seconds: float) -> tuple[float, float]:
    """Return the gateway's CPU seconds per request and per streamed chunk."""
    data = load.post(target.port, path, requests(pace)[path])
    clients = STREAMS if pace else 1
    before = target.cpu_s()
    samples = asyncio.run(
        load.run(target.port, clients=clients, seconds=seconds, pace=pace, data=data)
    )
    if samples.errors:
        raise SystemExit(f"{path}: {samples.errors} errors")
    per_request = (target.cpu_s() - before) / len(samples.latencies_s)
    return per_request, per_request / CHUNKS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=compare._Raw)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    given = parser.parse_args()
    paths = [path for path in requests("") if path in OPERATIONS]
    seen: dict[tuple[str, str], list[float]] = {}
    with compare._upstream() as upstream, tempfile.TemporaryDirectory() as folder:
        target = compare._start("frontier", compare._frontier(upstream, Path(folder)), upstream)
        for _ in range(given.rounds + 1):  # the first warms up
            for path in paths:
                whole, _ = cpu_s(target, path, "", given.seconds)
                _, chunk = cpu_s(target, path, f"{CHUNKS},{GAP_MS}", given.seconds)
                seen.setdefault((path, "request"), []).append(whole)
                seen.setdefault((path, "chunk"), []).append(chunk)
        target.stop()
    for path in paths:
        request, chunk = (statistics.median(seen[path, x][1:]) for x in ("request", "chunk"))
        first = [statistics.median(seen[paths[0], x][1:]) for x in ("request", "chunk")]
        print(
            f"{path:22} {1e6 * request:7.1f} us/request ({request / first[0]:.2f}x), "
            f"{1e5 * chunk:6.2f} s/100 000 chunks ({chunk / first[1]:.2f}x)"
        )


if __name__ == "__main__":
    main()
