"""The settings of an engine that matter for speed: what to try, and what is better; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from frontier.domain.statistics import Estimate, Ratio, ratio

SCHEMA: Final = 1
"""Version of the evidence file. 1: the first (2026-11)."""

Goal = Literal["latency", "throughput"]
Chosen = Mapping[str, str]
"""Settings by name, as they stand in ``.env``; "" leaves one to the engine."""

METRICS: Final[Mapping[Goal, str]] = {
    "latency": "latency_p50_s",
    "throughput": "output_tokens_per_s",
}
"""What each goal is measured by, as in `frontier bench run`."""

_BATCHES: Final = (512, 1024, 2048)
_LOSSY: Final = ("q8_0", "q4_0")


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting.

    Attributes:
        name: The variable.
        values: To be tried beside the present one.
    """

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One set of settings, measured or lost.

    Attributes:
        settings: All that are tuned, not only what differs.
        estimate: Of the goal's metric, with an interval over rounds; None for a lost trial.
        lost: Why there is none: the engine's last words, or that memory does not hold it.
        requests: That were answered.
        seconds: That it took with starting the engine.
        is_proof: It was a turn of the proof.
    """

    settings: Chosen
    estimate: Estimate | None = None
    lost: str = ""
    requests: int = 0
    seconds: float = 0.0
    is_proof: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Start and winner once more, turn and turn about, each time with an engine started anew.

    Attributes:
        start: Its metric, a value per start of the engine.
        winner: Likewise.
        speedup: How many times as fast the winner is, with its interval; None if untold.
    """

    start: Estimate
    winner: Estimate
    speedup: Ratio | None

    @property
    def is_sure(self) -> bool:
        """Tell whether the winner is faster by its whole 95 % interval."""
        return is_faster(self.speedup)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """What tuning found.

    Attributes:
        start: The settings that it began with.
        winner: The same where nothing is better.
        trials: In their order, the start first.
        proof: Of the winner, None where nothing seemed better.
        skipped: Settings that the time did not allow to try: ``NAME=value``.
    """

    start: Chosen
    winner: Chosen
    trials: tuple[Trial, ...]
    proof: Proof | None = None
    skipped: tuple[str, ...] = field(default=())

    @property
    def changes(self) -> dict[str, str]:
        """Return the settings of the winner that are not as they were."""
        return {name: v for name, v in self.winner.items() if v != self.start[name]}


def speedup(goal: Goal, new: Estimate, base: Estimate) -> Ratio | None:
    """Return how many times as fast *new* is, whichever way the metric of *goal* counts."""
    return ratio(base, new) if goal == "latency" else ratio(new, base)


def is_faster(found: Ratio | None) -> bool:
    """Tell whether the whole interval of *found* is above 1."""
    return found is not None and found.low is not None and found.low > 1.0


def knobs(
    start: Chosen, *, threads: int, usable: int, concurrency: int, lossy: bool
) -> tuple[Knob, ...]:
    """Return what to try beside *start*, what matters most first.

    Args:
        start: The present settings; one that is missing is not to be changed.
        threads: What NUM_WORKERS=0 comes to on this machine.
        usable: Processors that may be used.
        concurrency: Users at the same time.
        lossy: Types of the KV cache that change answers are allowed.
    """
    counts = sorted({max(1, threads // 2), threads, (threads + usable) // 2, usable})
    slots = sorted({1, max(1, concurrency // 2), concurrency})
    values = {
        "NUM_WORKERS": ["0" if count == threads else str(count) for count in counts],
        "NUM_PARALLEL": [str(slot) for slot in slots] if concurrency > 1 else [],
        # never smaller: an input of an embedding that was taken before would be refused
        "BATCH_SIZE": [str(n) for n in _BATCHES if n > int(start.get("BATCH_SIZE", 0))],
        "ENABLE_FLASH_ATTENTION": ["true", "false"],
        "KV_CACHE_TYPE": ["f16", *_LOSSY] if lossy else ["f16"],
    }
    return tuple(
        Knob(name, others)
        for name, tried in values.items()
        if name in start and (others := _others(name, tried, start[name], threads))
    )


def _others(name: str, tried: Sequence[str], present: str, threads: int) -> tuple[str, ...]:
    """Return *tried* without what *present* comes to already."""
    same = {present, "0"} if name == "NUM_WORKERS" and present == str(threads) else {present}
    return tuple(value for value in tried if value not in same)
