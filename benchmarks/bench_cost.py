"""What `frontier bench` itself takes: CPU time per piece of text and per request.

    python benchmarks/bench_cost.py

Two loads that differ only in the number of pieces tell both; httpx2 does the same for comparison.
CPU time hardly depends on what else the machine does, so it may be busy.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import uvloop

from frontier.adapters.bench_client import Client
from frontier.adapters.bench_dialects import DIALECTS
from frontier.domain.bench_prompt import Question

UPSTREAM = Path(__file__).parent / "gateway" / "canned.py"
STREAMS, EACH = 32, 4
FEW, MANY = 10, 210
ROUNDS = 5

Load = Callable[[str, int], Awaitable[None]]


def question(pieces: int) -> Question:
    """Return a prompt of about 500 tokens that asks the upstream for *pieces*."""
    return Question(texts=(f"bench:{pieces},2 " + "word " * 500,), output_tokens=pieces)


async def ours(url: str, pieces: int) -> None:
    """Ask as `frontier bench run` does."""
    client = Client(url, DIALECTS["openai", "chat"], "bench-model")

    async def user() -> None:
        for _ in range(EACH):
            reply = await client.ask(client.prepared(question(pieces)), timeout_s=60)
            assert (reply.error, len(reply.tokens_s)) == ("", pieces), reply

    await asyncio.gather(*(user() for _ in range(STREAMS)))
    client.close()


async def httpx(url: str, pieces: int) -> None:
    """Ask as a script with a comfortable client would."""
    dialect = DIALECTS["openai", "chat"]
    limits = httpx2.Limits(max_connections=STREAMS)
    async with httpx2.AsyncClient(limits=limits, timeout=60) as client:

        async def user() -> None:
            for _ in range(EACH):
                body = dialect.fields("bench-model", question(pieces))
                times: list[float] = []
                async with client.stream("POST", url + dialect.path, json=body) as answer:
                    async for line in answer.aiter_lines():
                        if line.startswith("data: {"):
                            delta = json.loads(line[6:])["choices"][0]["delta"]
                            times += [time.perf_counter()] if delta.get("content") else []
                assert len(times) == pieces

        await asyncio.gather(*(user() for _ in range(STREAMS)))


def cpu_s(load: Load, url: str, pieces: int) -> float:
    """Return the CPU time of one run of *load*."""
    begun = time.process_time()
    uvloop.run(load(url, pieces))  # type: ignore[arg-type]
    return time.process_time() - begun


def cost(load: Load, url: str) -> tuple[float, float]:
    """Return the medians of CPU seconds per piece and per request, of several rounds."""
    cpu_s(load, url, FEW)
    pairs = [(cpu_s(load, url, FEW), cpu_s(load, url, MANY)) for _ in range(ROUNDS)]
    count = STREAMS * EACH
    few, many = (statistics.median(column) for column in zip(*pairs, strict=True))
    piece = (many - few) / count / (MANY - FEW)
    return piece, few / count - FEW * piece


def main() -> int:
    """Print a table."""
    with subprocess.Popen(
        [sys.executable, UPSTREAM], stdout=subprocess.PIPE, text=True
    ) as upstream:
        assert upstream.stdout is not None
        url = f"http://127.0.0.1:{int(upstream.stdout.readline())}"
        print(f"{STREAMS} streams, a piece of text every 2 ms each, prompts of 2.5 kB")
        try:
            for name, load in (("frontier bench", ours), ("httpx2", httpx)):
                piece, request = cost(load, url)
                print(
                    f"{name:15} {piece * 1e6:6.1f} µs per piece {request * 1e6:7.0f} µs per request"
                )
        finally:
            upstream.kill()
    return 0


if __name__ == "__main__":
    sys.exit(main())
