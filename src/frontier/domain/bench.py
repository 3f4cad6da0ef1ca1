"""A benchmark: its cases, what was seen, and under which circumstances."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

SCHEMA: Final = 1
"""Version of the result file. 1: the first (2026-11)."""

Mode = Literal["closed", "rate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One load: how much of what is asked at once.

    Attributes:
        id: Unique in its result, such as ``closed-c8-p512-o128``.
        mode: ``closed``: each of `concurrency` users asks again as soon as they are answered;
            ``rate``: requests come at `rate_per_s`, whatever became of the earlier ones.
        concurrency: Users of the closed loop; the most open requests at a fixed rate.
        rate_per_s: Requests per second at a fixed rate, 0 in a closed loop.
        prompt_tokens: Length of each prompt, about: the engine counts what it really was.
        output_tokens: Tokens asked for.
    """

    id: str
    mode: Mode
    concurrency: int
    rate_per_s: float
    prompt_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One request after the warm-up. Times are seconds of one monotonic clock since the start.

    Latency begins at `due_s`: a request that a stalling server made us send late has waited.

    Attributes:
        case: `Case.id`.
        round: From 0; every case is measured once per round.
        due_s: When it should have been sent; in a closed loop when its user began to ask.
        sent_s: When its first byte was sent; `due_s` if none was.
        first_s: When the first token came, None if none did.
        ended_s: When the answer ended, or failed.
        tokens_s: When each chunk with text came; the first is `first_s`. Empty for embeddings.
        tokens_in: Prompt tokens as the server counts them, 0 if it does not tell.
        tokens_out: Generated tokens likewise; chunks if it does not tell.
        error: Stable code of what failed, "" for nothing: ``http_503``, ``timeout``, ``broken``,
            ``refused``, ``unreachable``, ``garbage``, ``empty``,
            ``failed`` (told within the stream).
        detail: The server's or the system's words about it.
    """

    case: str
    round: int
    due_s: float
    sent_s: float
    first_s: float | None
    ended_s: float
    tokens_s: tuple[float, ...]
    tokens_in: int
    tokens_out: int
    error: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of one request, in seconds of the clock that measures; fields as in `Sample`."""

    sent_s: float
    ended_s: float
    tokens_s: tuple[float, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    error: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run, with all that a reader needs to trust or repeat it.

    Attributes:
        created: ISO 8601, UTC.
        command: As typed.
        frontier: Version of Frontier that measured.
        commit: Of the checkout it ran from, "" for an installed one.
        preset: Name of the preset, "" for none.
        target: Whom it asked: ``url``, ``api`` (openai, ollama), ``operation`` (chat, completion,
            embedding), ``model``, ``model_digest``, ``engine``, ``engine_version``.
        machine: ``os``, ``arch``, ``cpu``, ``cores``, ``memory_bytes``, ``gpus``.
        settings: Settings of the stack that matter for speed, {} for a foreign URL.
        client: What the measuring itself cost: ``cpu_s``, ``wall_s``, ``late_p99_s``.
        rounds: How often each case was to be measured.
        cases: In the order they ran.
        samples: Every request that counts, in the order they ended.
        load: What all cases share: ``seed``, ``requests``, ``duration_s``, ``warmup``,
            ``timeout_s``, ``arrivals``, ``shared_prefix_tokens``, ``batch``, ``ignores_eos``.
        is_complete: False where it was interrupted or the server went away: requests, rounds or
            cases are missing.
        notes: What a reader should know before they trust it, in sentences.
    """

    created: str
    command: str
    frontier: str
    commit: str
    preset: str
    target: Mapping[str, str]
    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    client: Mapping[str, float]
    rounds: int
    cases: tuple[Case, ...]
    samples: tuple[Sample, ...]
    load: Mapping[str, Any] = field(default_factory=dict[str, Any])
    is_complete: bool = True
    notes: tuple[str, ...] = ()
