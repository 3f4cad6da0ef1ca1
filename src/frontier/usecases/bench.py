"""Measuring how fast a server answers, from the first look at it to the result."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from frontier.domain.bench import Case, Reply, Result, Sample
from frontier.domain.bench_load import Load
from frontier.domain.bench_notes import late_p99_s, notes
from frontier.domain.bench_prompt import Prompts, Tokens, counted, probe
from frontier.domain.errors import FrontierError, NotRunningError, RuntimeFailedError
from frontier.ports import Clock
from frontier.ports.benching import Server, Watcher
from frontier.usecases.bench_measure import Measuring, in_turns

_PROBES: Final = (16, 128)
_UNKNOWN_FIELD: Final = ("http_400", "http_422")
_HINTS: Final = {
    "refused": "Start it: `frontier up`; or name another server with --url.",
    "timeout": "Allow more time: --timeout SECONDS.",
    "http_400": "Shorter prompts fit smaller contexts: --prompt-tokens N.",
    "http_401": "Set FRONTIER_BENCH_KEY or give --key.",
    "http_403": "Set FRONTIER_BENCH_KEY or give --key.",
    "http_404": "Name a model that the server has: --model NAME; or its API: --api openai|ollama.",
    "http_429": "The server limits requests: ask less with --concurrency or --rate.",
}


CarryOut = Callable[[Callable[[], Coroutine[Any, Any, None]]], bool]


class CrashedError(Exception):
    """Measuring ended by an error of ours, its cause.

    Attributes:
        results: What was measured until then, of each bench; None for nothing.
    """

    def __init__(self, results: Sequence[Result | None]) -> None:
        count = sum(len(result.samples) for result in results if result)
        super().__init__(f"measuring ended after {count} requests")
        self.results = results


@dataclass(frozen=True, slots=True)
class About:
    """What a result says of itself, beside what was measured; fields as in `Result`."""

    created: str
    command: str
    frontier: str
    commit: str
    preset: str
    target: Mapping[str, str]
    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do.

    Attributes:
        counts: Requests of each case in a round, None for as many as its time allows.
        least_s: How long it takes if the server answers all users as fast as one, seconds.
        most_s: How long if it answers them one after the other.
    """

    url: str
    model: str
    cases: tuple[Case, ...]
    counts: tuple[int | None, ...]
    rounds: int
    seed: int
    least_s: float
    most_s: float


@dataclass
class Bench:
    """One benchmark of one server.

    Attributes:
        connect: Returns the server; its argument asks for answers of full length.
        carry_out: Runs a coroutine to its end; False where Ctrl-C came first.
        ignores_end: Ask for answers of full length, until a server does not know how.
        is_interrupted: Ctrl-C came.
    """

    load: Load
    about: About
    connect: Callable[[bool], Server]
    carry_out: CarryOut
    watcher: Watcher
    clock: Clock
    cpu: Clock
    ignores_end: bool = True
    is_interrupted: bool = False
    _replies: list[Reply] = field(default_factory=list[Reply])

    def plan(self) -> Plan:
        """Ask two short questions and return what a run would do; raises as `look`."""
        self.look()
        spans = [self._span_s(case) for case in self.load.cases]
        return Plan(
            url=self.about.target["url"],
            model=self.about.target["model"],
            cases=self.load.cases,
            counts=tuple(map(self.load.count, self.load.cases)),
            rounds=self.load.rounds,
            seed=self.load.seed,
            least_s=sum(low for low, _ in spans) * self.load.rounds,
            most_s=sum(high for _, high in spans) * self.load.rounds,
        )

    def run(self) -> Result | None:
        """Measure and return the result, None if Ctrl-C came before the first answer.

        Raises:
            RuntimeFailedError: the server does not answer.
            CrashedError: measuring raised; what it measured is not lost.
        """
        return run_in_turns((self,))[0]

    def look(self) -> None:
        """See that the server answers, how it counts, and whether it knows `ignores_end`.

        Raises:
            RuntimeFailedError: it does not answer.
            KeyboardInterrupt: Ctrl-C came.
        """
        self.watcher.wait("first answers, which load the model")
        try:
            self._look()
        finally:
            self.watcher.wait("")

    def measuring(self, *, is_alone: bool) -> Measuring:
        """Return what measures, once it was looked at."""
        return Measuring(
            load=self.load,
            server=self.connect(self.ignores_end),
            prompts=Prompts(self.load, self._tokens),
            watcher=self.watcher,
            clock=self.clock,
            cpu=self.cpu,
            is_alone=is_alone,
        )

    def _look(self) -> None:
        if not self.carry_out(self._probe):
            raise KeyboardInterrupt
        if self.ignores_end and self._replies[0].error in _UNKNOWN_FIELD:
            self.ignores_end = False
            self._look()
            return
        if failed := next((reply for reply in self._replies if reply.error), None):
            raise failure(self.about.target["url"], failed.error, failed.detail)

    async def _probe(self) -> None:
        server = self.connect(self.ignores_end)
        self._replies = []
        for words in _PROBES:
            request = server.prepared(probe(words, self.load.operation, self.load.seed))
            self._replies.append(await server.ask(request, timeout_s=self.load.timeout_s))

    @property
    def _tokens(self) -> Tokens:
        short, long = zip(_PROBES, (reply.tokens_in for reply in self._replies), strict=True)
        return counted(short, long)

    def _span_s(self, case: Case) -> tuple[float, float]:
        """Return the shortest and the longest time that a round of *case* may take."""
        count, limit_s = self.load.count(case), self.load.duration_s
        if case.mode == "rate":
            span_s = limit_s if count is None else count / case.rate_per_s
            return span_s, span_s
        if count is None:
            return limit_s, limit_s
        one_s = self._one_s(case)
        times = (count * one_s / case.concurrency, count * one_s)
        return (min(times[0], limit_s), min(times[1], limit_s)) if limit_s else times

    def _one_s(self, case: Case) -> float:
        """Return about how long one request takes that has the server to itself."""
        reply = self._replies[-1]
        first_s = (reply.tokens_s or (reply.ended_s,))[0] - reply.sent_s
        read_s = first_s / max(1, reply.tokens_in) * case.prompt_tokens * self.load.batch
        each_s = (reply.ended_s - reply.sent_s - first_s) / max(1, len(reply.tokens_s) - 1)
        return read_s + each_s * case.output_tokens

    def result(self, measured: Measuring) -> Result | None:
        """Return what was *measured*, None for nothing."""
        if not measured.samples:
            return None
        about, load = self.about, self.load
        told = notes(
            load.cases,
            measured.samples,
            busiest=measured.busiest,
            given_up=measured.given_up,
            is_interrupted=self.is_interrupted,
        )
        return Result(
            created=about.created,
            command=about.command,
            frontier=about.frontier,
            commit=about.commit,
            preset=about.preset,
            target=about.target,
            machine=about.machine,
            settings=about.settings,
            client={
                "cpu_s": round(measured.cpu_s, 3),
                "wall_s": round(measured.wall_s, 3),
                "cpu_max_ratio": round(measured.busiest, 4),
                "late_p99_s": round(late_p99_s(measured.samples), 6),
            },
            rounds=load.rounds,
            cases=load.cases,
            samples=tuple(measured.samples),
            load={
                "seed": load.seed,
                "requests": load.requests,
                "duration_s": load.duration_s,
                "warmup": load.warmup,
                "timeout_s": load.timeout_s,
                "arrivals": load.arrivals,
                "shared_prefix_tokens": load.shared_prefix_tokens,
                "batch": load.batch,
                "ignores_eos": self.ignores_end,
            },
            is_complete=not (self.is_interrupted or measured.given_up),
            notes=(*about.notes, *told),
        )


def run_in_turns(benches: Sequence[Bench]) -> tuple[Result | None, ...]:
    """Measure the same load with all *benches*, round by round in turns.

    Returns:
        The result of each, None where Ctrl-C came before its first answer.

    Raises:
        RuntimeFailedError: a server does not answer.
        CrashedError: measuring raised; what it measured is not lost.
        KeyboardInterrupt: Ctrl-C came before anything was measured.
    """
    for bench in benches:
        bench.look()
    know_all = all(bench.ignores_end for bench in benches)
    for bench in benches:
        bench.ignores_end = know_all  # who is compared is asked the same
    each = [bench.measuring(is_alone=len(benches) == 1) for bench in benches]
    try:
        is_interrupted = not benches[0].carry_out(lambda: in_turns(each))
    except Exception as error:
        results = _results(benches, each, is_interrupted=True)
        if any(results):
            raise CrashedError(results) from error
        raise
    return _results(benches, each, is_interrupted=is_interrupted)


def _results(
    benches: Sequence[Bench], each: Sequence[Measuring], *, is_interrupted: bool
) -> tuple[Result | None, ...]:
    for bench in benches:
        bench.is_interrupted = is_interrupted
    return tuple(bench.result(one) for bench, one in zip(benches, each, strict=True))


def failure(url: str, code: str, detail: str) -> FrontierError:
    """Return the error for a server that failed with *code*, as in `Sample.error`."""
    kind = NotRunningError if code == "refused" else RuntimeFailedError
    return kind(
        f"{url} gives no answer to measure: {code}: {detail}",
        hint=_HINTS.get(code, "See the server's log; `frontier logs` for a stack of ours."),
    )


def first_failure(samples: tuple[Sample, ...]) -> Sample | None:
    """Return the first failed request where all failed, else None."""
    return samples[0] if samples and all(sample.error for sample in samples) else None
