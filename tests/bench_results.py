"""Results of benchmarks as values, with times that a test chooses."""

import random
from dataclasses import replace

from frontier.domain.bench import Case, Result, Sample

CASE = Case(
    id="closed-c1-p128-o16",
    mode="closed",
    concurrency=1,
    rate_per_s=0.0,
    prompt_tokens=128,
    output_tokens=16,
)


def sample(
    due_s: float = 0.0,
    *,
    first_s: float = 0.1,
    token_s: float = 0.01,
    tokens: int = 16,
    nth: int = 0,
    error: str = "",
    case: str = CASE.id,
) -> Sample:
    """Return a request whose tokens come *first_s* after *due_s*, then each *token_s*."""
    times = () if error else tuple(due_s + first_s + token_s * i for i in range(tokens))
    return Sample(
        case=case,
        round=nth,
        due_s=due_s,
        sent_s=due_s,
        first_s=times[0] if times else None,
        ended_s=times[-1] if times else due_s + first_s,
        tokens_s=times,
        tokens_in=128,
        tokens_out=len(times),
        error=error,
    )


def result(*samples: Sample, rounds: int = 1, cases: tuple[Case, ...] = (CASE,)) -> Result:
    """Return a run with these samples, of one machine and model."""
    return Result(
        created="2026-11-21T20:00:00Z",
        command="frontier bench run --preset quick",
        frontier="0.6.0",
        commit="",
        preset="quick",
        target={
            "url": "http://127.0.0.1:11434",
            "api": "openai",
            "operation": "chat",
            "model": "smollm2:135m",
            "model_digest": "sha256:" + "a" * 64,
            "engine": "llamacpp",
            "engine_version": "b11549",
        },
        machine={
            "os": "Linux",
            "arch": "x86_64",
            "cpu": "Test CPU",
            "cores": 4,
            "memory_bytes": 8 << 30,
            "gpus": [],
        },
        settings={"threads": 4},
        client={"cpu_s": 0.5, "wall_s": 60.0, "late_p99_s": 0.0004},
        rounds=rounds,
        cases=cases,
        samples=samples,
    )


def measured(*, slower: float = 1.0, rounds: int = 5, seed: int = 1, each: int = 24) -> Result:
    """Return a run of two cases with noise, every time *slower* times as long."""
    noise = random.Random(seed)
    cases = (CASE, replace(CASE, id="closed-c4-p128-o16", concurrency=4))
    return result(
        *(
            sample(
                2.0 * i + 1000 * nth,
                first_s=slower * noise.lognormvariate(-2.3, 0.1),
                token_s=slower * noise.lognormvariate(-4.6, 0.1),
                nth=nth,
                case=case.id,
            )
            for case in cases
            for nth in range(rounds)
            for i in range(each)
        ),
        rounds=rounds,
        cases=cases,
    )
