"""The load of a benchmark: which cases there are, how many requests, and when each is due."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil
from random import Random
from typing import Final, Literal

from frontier.domain.bench import Case

Operation = Literal["chat", "completion", "embedding"]
Arrivals = Literal["constant", "poisson"]

_LEAST: Final = 8
_EACH: Final = 4
_SECONDS: Final = 10.0
_MOST_OPEN: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What all cases share.

    Attributes:
        rounds: How often each case is measured, one after the other: what the machine does
            meanwhile hits all cases alike.
        requests: Requests of a case in one round; 0 for a number that suits the case.
        duration_s: How long a round of a case sends requests; 0 for no limit.
        warmup: Requests of each user before a case is measured the first time.
        timeout_s: Longest time of a request, from when it is sent to its end.
        arrivals: At a fixed rate: evenly, or at random as independent users come.
        shared_prefix_tokens: How much of each prompt is the same, as a system prompt is.
        batch: Texts of one embedding request.
    """

    cases: tuple[Case, ...]
    operation: Operation = "chat"
    rounds: int = 3
    requests: int = 0
    duration_s: float = 0.0
    warmup: int = 1
    timeout_s: float = 300.0
    seed: int = 0
    arrivals: Arrivals = "constant"
    shared_prefix_tokens: int = 0
    batch: int = 1

    def count(self, case: Case) -> int | None:
        """Return the requests of *case* in one round, None where only `duration_s` ends it."""
        if self.requests or not self.duration_s:
            return self.requests or _suitable(case)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Lengths and concurrency of a kind of use.

    Attributes:
        title: What it stands for.
        prompt_tokens: Of each prompt, the shared prefix with it.
    """

    title: str
    concurrency: tuple[int, ...]
    prompt_tokens: tuple[int, ...]
    output_tokens: tuple[int, ...]
    shared_prefix_tokens: int = 0
    operation: Operation = "chat"
    batch: int = 1


PRESETS: Final[Mapping[str, Preset]] = {
    "quick": Preset(
        title="a first look, short prompts and answers",
        concurrency=(1, 4),
        prompt_tokens=(64,),
        output_tokens=(32,),
    ),
    "chat": Preset(
        title="people who talk: a question with what was said before",
        concurrency=(1, 4, 16),
        prompt_tokens=(512,),
        output_tokens=(256,),
    ),
    "code": Preset(
        title="coding tools: a long shared prompt and files, a short answer",
        concurrency=(1, 4),
        prompt_tokens=(4096,),
        output_tokens=(256,),
        shared_prefix_tokens=3072,
    ),
    "long-context": Preset(
        title="whole documents, one at a time",
        concurrency=(1,),
        prompt_tokens=(4096, 16384),
        output_tokens=(128,),
    ),
    "embedding": Preset(
        title="documents for a search, 16 texts in a request",
        concurrency=(1, 4),
        prompt_tokens=(256,),
        output_tokens=(0,),
        operation="embedding",
        batch=16,
    ),
}


def cases(
    *,
    concurrency: Sequence[int],
    rates_per_s: Sequence[float],
    prompt_tokens: Sequence[int],
    output_tokens: Sequence[int],
) -> tuple[Case, ...]:
    """Return a case for every combination; fixed rates take the place of the closed loop."""
    lengths = list(product(dict.fromkeys(prompt_tokens), dict.fromkeys(output_tokens)))
    if rates_per_s:
        rates = dict.fromkeys(rates_per_s)
        return tuple(_at_rate(rate, *length) for length in lengths for rate in rates)
    users = dict.fromkeys(concurrency)
    return tuple(_closed(count, *length) for length in lengths for count in users)


def due_times(case: Case, load: Load, nth: int) -> Iterator[float]:
    """Yield when each request of the round *nth* is due, seconds since the round began.

    Poisson arrivals follow from seed, case and round alone, so a rerun has the same.
    """
    random = Random(f"{load.seed} {case.id} {nth}")  # noqa: S311 load, no secret
    count, due_s, sent = load.count(case), 0.0, 0
    while (count is None or sent < count) and not 0 < load.duration_s <= due_s:
        yield due_s
        sent += 1
        # multiplied, not added up: a sum of many gaps would drift
        is_even = load.arrivals == "constant"
        due_s = sent / case.rate_per_s if is_even else due_s + random.expovariate(case.rate_per_s)


def _suitable(case: Case) -> int:
    wanted = _SECONDS * case.rate_per_s if case.mode == "rate" else _EACH * case.concurrency
    return max(_LEAST, ceil(wanted))


def _closed(users: int, prompt: int, output: int) -> Case:
    return Case(
        id=f"closed-c{users}-p{prompt}-o{output}",
        mode="closed",
        concurrency=users,
        rate_per_s=0.0,
        prompt_tokens=prompt,
        output_tokens=output,
    )


def _at_rate(rate_per_s: float, prompt: int, output: int) -> Case:
    return Case(
        id=f"rate-r{rate_per_s:.15g}-p{prompt}-o{output}",
        mode="rate",
        concurrency=_MOST_OPEN,
        rate_per_s=rate_per_s,
        prompt_tokens=prompt,
        output_tokens=output,
    )
