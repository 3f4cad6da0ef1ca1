"""The measurement, in virtual time against a server that does as it is told."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from frontier.domain.bench import Case, Reply, Sample
from frontier.domain.bench_load import Load, cases
from frontier.domain.bench_prompt import Prompts, Question, Tokens
from frontier.usecases.bench_measure import Measuring, in_turns
from virtual_time import run

FAILED = "http_429"


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Server:
    """Answers after `latency_s`; nothing at all from `stall_s` on for as long as `stalls_for_s`."""

    latency_s: float = 0.1
    stall_s: float = 1e9
    stalls_for_s: float = 0.0
    fails: Callable[[int], str] = lambda _: ""
    latency_of_failure_s: float = 0.0
    chunks: int = 0
    most_open: int = 0
    asked: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    _open: int = 0

    def prepared(self, question: Question) -> bytes:
        return json.dumps(question.texts).encode()

    async def ask(self, request: bytes, *, timeout_s: float) -> Reply:
        sent_s = now()
        self.asked.append((sent_s, request.decode()))
        error = self.fails(len(self.asked))
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        await asyncio.sleep(self.latency_of_failure_s if error else self.latency_s)
        if self.stall_s <= now() < self.stall_s + self.stalls_for_s:
            await asyncio.sleep(self.stall_s + self.stalls_for_s - now())
        self._open -= 1
        times = () if error else (now(),)
        return Reply(sent_s=sent_s, ended_s=now(), tokens_s=times, tokens_out=1, error=error)


class Watcher:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def wait(self, what: str) -> None: ...

    def begin(self, case: Case, nth: int, count: int | None) -> None:
        self.told.append(f"{case.id} {nth}")

    def sent(self) -> None: ...

    def seen(self, sample: Sample) -> None: ...

    def tick(self, chunks: int) -> None: ...

    def end(self) -> None: ...


def closed(*users: int) -> tuple[Case, ...]:
    return cases(concurrency=users, rates_per_s=(), prompt_tokens=(16,), output_tokens=(1,))


def rate(per_s: float) -> tuple[Case, ...]:
    return cases(concurrency=(), rates_per_s=(per_s,), prompt_tokens=(16,), output_tokens=(1,))


def measure(
    load: Load,
    server: Server,
    watcher: Watcher | None = None,
    clock: Callable[[], float] = now,
) -> Measuring:
    async def job() -> Measuring:
        done = measuring(load, server, watcher, clock)
        await done.run()
        return done

    return run(job())


def measuring(
    load: Load,
    server: Server,
    watcher: Watcher | None = None,
    clock: Callable[[], float] = now,
    *,
    is_alone: bool = True,
) -> Measuring:
    return Measuring(
        load=load,
        server=server,
        prompts=Prompts(load, Tokens()),
        watcher=watcher or Watcher(),
        clock=clock,
        cpu=lambda: 0.5 * now(),
        is_alone=is_alone,
    )


def latencies(measuring: Measuring) -> list[float]:
    return sorted(round(s.ended_s - s.due_s, 6) for s in measuring.samples)


def test_every_user_has_one_request_open_and_asks_again_when_answered() -> None:
    server = Server()

    done = measure(Load(cases=closed(3), requests=9, rounds=1, warmup=0), server)

    assert server.most_open == 3
    assert [round(sent, 3) for sent, _ in server.asked] == [0, 0, 0, 0.1, 0.1, 0.1, 0.2, 0.2, 0.2]
    assert latencies(done) == [0.1] * 9


def test_at_a_fixed_rate_a_stall_is_counted_for_all_who_were_due_meanwhile() -> None:
    load = Load(cases=rate(100), duration_s=2, rounds=1)

    done = measure(load, Server(latency_s=0.01, stall_s=0.5, stalls_for_s=1.0))

    waited = [latency for latency in latencies(done) if latency > 0.02]
    assert len(done.samples) == 200
    assert len(waited) == pytest.approx(100, abs=2)
    assert sum(waited) / len(waited) == pytest.approx(0.5, abs=0.03)


def test_a_closed_loop_sees_the_same_stall_once() -> None:
    load = Load(cases=closed(1), duration_s=2, rounds=1)

    done = measure(load, Server(latency_s=0.01, stall_s=0.5, stalls_for_s=1.0))

    assert len([latency for latency in latencies(done) if latency > 0.02]) == 1


def test_requests_that_wait_for_others_to_end_have_been_due_all_the_time() -> None:
    load = Load(cases=(replace(rate(100)[0], concurrency=1),), requests=10, rounds=1, warmup=0)
    server = Server(latency_s=0.1)

    done = measure(load, server)

    assert server.most_open == 1
    assert latencies(done) == pytest.approx([0.1 + 0.09 * i for i in range(10)])


def test_rounds_go_through_all_cases_and_only_the_first_one_warms_up() -> None:
    server, watcher = Server(), Watcher()

    done = measure(Load(cases=closed(1, 2), requests=2, rounds=2, warmup=3), server, watcher)

    first, second = (case.id for case in closed(1, 2))
    assert watcher.told == [f"{first} 0", f"{second} 0", f"{first} 1", f"{second} 1"]
    assert len(server.asked) == 4 * 2 + 3 * 1 + 3 * 2
    assert len(done.samples) == 8
    assert {sample.round for sample in done.samples} == {0, 1}


def test_several_take_turns_and_each_is_warmed_up_again() -> None:
    servers, watcher = (Server(), Server()), Watcher()
    some = Load(cases=closed(1), requests=2, rounds=3, warmup=1)

    async def job() -> list[Measuring]:
        each = [measuring(some, server, watcher, is_alone=False) for server in servers]
        await in_turns(each)
        return each

    first, second = run(job())

    begun = [
        (sample.round, sample.due_s, who)
        for who, m in enumerate((first, second))
        for sample in m.samples
    ]
    order = [who for _, _, who in sorted(begun)]
    assert order == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1]
    assert [len(server.asked) for server in servers] == [9, 9]


def test_a_duration_ends_a_round_and_what_is_open_is_waited_for() -> None:
    done = measure(Load(cases=closed(2), duration_s=1, rounds=1, warmup=0), Server(latency_s=0.3))

    assert len(done.samples) == 8
    assert max(sample.ended_s for sample in done.samples) == pytest.approx(1.2)


def test_the_first_of_a_number_and_a_duration_ends_a_round() -> None:
    load = Load(cases=closed(1), duration_s=1, requests=3, rounds=1, warmup=0)

    assert len(measure(load, Server()).samples) == 3
    assert len(measure(load, Server(latency_s=0.6)).samples) == 2


@pytest.mark.parametrize("load", [closed(4), rate(100)])
@pytest.mark.parametrize("error", ["refused", "unreachable", "timeout"])
def test_a_server_that_is_gone_is_left(load: tuple[Case, ...], error: str) -> None:
    server = Server(fails=lambda _: error)

    done = measure(Load(cases=load, duration_s=60, rounds=3, warmup=0), server)

    assert done.given_up == [load[0].id]
    assert 8 <= len(done.samples) <= 12


def test_a_server_that_refuses_some_is_measured_to_the_end() -> None:
    server = Server(fails=lambda count: FAILED if count > 1 else "")

    done = measure(Load(cases=closed(2), requests=30, rounds=2, warmup=0), server)

    assert done.given_up == []
    assert len(done.samples) == 60


def test_a_user_who_is_turned_away_waits_before_asking_again() -> None:
    server = Server(fails=lambda _: FAILED)

    done = measure(Load(cases=closed(2), duration_s=1, rounds=1, warmup=0), server)

    assert len(done.samples) <= 2 * 11


def test_what_the_client_itself_took_is_told_of_the_measured_rounds_only() -> None:
    done = measure(Load(cases=closed(1), requests=10, rounds=2, warmup=5), Server())

    assert done.wall_s == pytest.approx(2.0)
    assert done.cpu_s == pytest.approx(1.0)
    assert done.busiest == pytest.approx(0.5)


def test_no_two_requests_are_alike_and_the_same_seed_asks_the_same() -> None:
    load = Load(cases=closed(1, 2), requests=20, rounds=2, seed=5)
    first, again, other = Server(), Server(), Server()

    measure(load, first)
    measure(load, again)
    measure(replace(load, seed=6), other)

    texts = [text for _, text in first.asked]
    assert len(set(texts)) == len(texts) == 2 * 40 + 3
    assert texts == [text for _, text in again.asked]
    assert not set(texts) & {text for _, text in other.asked}


def test_samples_are_there_when_it_is_interrupted() -> None:
    async def job() -> Measuring:
        load = Load(cases=closed(2), requests=100, rounds=1, warmup=0)
        prompts = Prompts(load, Tokens())
        measuring = Measuring(
            load=load, server=Server(), prompts=prompts, watcher=Watcher(), clock=now, cpu=now
        )
        task = asyncio.create_task(measuring.run())
        await asyncio.sleep(1.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return measuring

    done = run(job())

    assert len(done.samples) == 20
    assert done.wall_s == pytest.approx(1.05)


def test_nothing_leaves_before_it_is_due_where_timers_go_off_early() -> None:
    load = Load(cases=rate(500), requests=50, rounds=1, warmup=0)

    done = measure(load, Server(), clock=lambda: 0.999999 * now())

    assert len(done.samples) == 50
    assert min(0.999999 * one.sent_s - one.due_s for one in done.samples) > -1e-6


def test_times_follow_each_other_whatever_the_clock_says() -> None:
    class Early(Server):
        async def ask(self, request: bytes, *, timeout_s: float) -> Reply:
            reply = await super().ask(request, timeout_s=timeout_s)
            return replace(reply, sent_s=-1.0, tokens_s=(-0.5, now() + 1), ended_s=-0.9)

    (sample,) = measure(Load(cases=rate(1), requests=1, rounds=1, warmup=0), Early()).samples

    times = [sample.due_s, sample.sent_s, *sample.tokens_s, sample.ended_s]
    assert times == sorted(times)
    assert sample.first_s == sample.tokens_s[0]


def test_a_case_after_one_that_was_left_is_warmed_up() -> None:
    server = Server(fails=lambda count: "refused" if count <= 9 else "")

    done = measure(Load(cases=closed(1, 2), requests=8, rounds=1, warmup=1), server)

    assert done.given_up == [closed(1)[0].id]
    assert len(done.samples) == 16
    assert len(server.asked) == 16 + 1 + 2


def test_who_waits_for_others_asks_a_dead_server_no_more() -> None:
    server = Server(latency_of_failure_s=1.0, fails=lambda _: "timeout")
    load = Load(cases=(replace(rate(100)[0], concurrency=8),), requests=50, rounds=1, warmup=0)

    done = measure(load, server)

    assert len(done.samples) <= 8 + 7
    assert done.given_up == [load.cases[0].id]


def test_a_client_that_is_late_sends_all_the_same() -> None:
    lost_s, asked_before = 0.0, []

    class Slow(Server):
        def prepared(self, question: Question) -> bytes:
            nonlocal lost_s
            lost_s += 0.01
            asked_before.append(len(self.asked))
            return super().prepared(question)

    some = Load(cases=rate(300.0), requests=20, rounds=1, warmup=0)
    measure(some, Slow(), clock=lambda: now() + lost_s)

    assert asked_before[-1] == 18
