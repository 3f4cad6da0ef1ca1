"""The measurement: sends what is due, when it is due, and keeps what became of it."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from frontier.domain.bench import Case, Reply, Sample
from frontier.domain.bench_load import Load, due_times
from frontier.domain.bench_prompt import Prompts
from frontier.ports import Clock
from frontier.ports.benching import Server, Watcher

WARM: Final = -1
"""The round that does not count."""

_TICK_S: Final = 0.5
_FINE_S: Final = 0.002  # an event loop's timers are this coarse
_DENSE_PER_S: Final = 100.0  # above it a fine wait would keep a core busy
_PAUSE_S: Final = 0.1  # a user who is turned away at once does not hammer
_VAIN: Final = 8
_DEAD: Final = ("refused", "unreachable", "timeout")


@dataclass
class Measuring:
    """One run of a load against a server.

    Attributes:
        is_alone: No other is measured between its rounds, where it might displace the model.
        clock: Wall time; the one that the server's replies are measured by.
        cpu: CPU time of this process.
        samples: Filled as requests end, so that what was measured is there after an interruption.
        given_up: Cases that were left because the server was gone.
        cpu_s: What the measured rounds took of one core.
        wall_s: How long they took.
        busiest: The largest part of one core that a round took.
    """

    load: Load
    server: Server
    prompts: Prompts
    watcher: Watcher
    clock: Clock
    cpu: Clock
    is_alone: bool = True
    samples: list[Sample] = field(default_factory=list[Sample])
    given_up: list[str] = field(default_factory=list[str])
    cpu_s: float = 0.0
    wall_s: float = 0.0
    busiest: float = 0.0

    def __post_init__(self) -> None:
        self._start_s = self.clock()
        self._in_vain = 0

    async def run(self) -> None:
        """Measure every case once per round, after its warm-up."""
        await in_turns((self,))

    async def turn(self, case: Case, nth: int) -> None:
        """Measure round *nth* of *case*, unless its server is gone."""
        if case.id not in self.given_up:
            await self._warm(case, nth)
            await self._measure(case, nth)

    async def tick(self) -> None:
        """Tell the watcher that time passes, until it is cancelled."""
        while True:
            await asyncio.sleep(_TICK_S)
            self.watcher.tick(self.server.chunks)

    async def _warm(self, case: Case, nth: int) -> None:
        """Load the model, open the connections; the users of a fixed rate are not known."""
        self._in_vain = 0  # of another case
        if (nth == 0 or not self.is_alone) and self.load.warmup:
            self.watcher.wait(f"{case.id}: warm-up, which does not count")
            users = case.concurrency if case.mode == "closed" else 1
            await self._users(case, WARM, users, users * self.load.warmup)

    async def _measure(self, case: Case, nth: int) -> None:
        self.watcher.begin(case, nth, self.load.count(case))
        self._in_vain = 0
        async with self._costed():
            if case.mode == "closed":
                await self._users(case, nth, case.concurrency, self.load.count(case))
            else:
                await self._at_rate(case, nth)
        if self._is_gone:
            self.given_up.append(case.id)
        self.watcher.end()

    @contextlib.asynccontextmanager
    async def _costed(self) -> AsyncGenerator[None]:
        """Add what the block takes to what the measurement took."""
        begun_s, used_s = self.clock(), self.cpu()
        try:
            yield
        finally:
            wall_s, cpu_s = self.clock() - begun_s, self.cpu() - used_s
            self.wall_s, self.cpu_s = self.wall_s + wall_s, self.cpu_s + cpu_s
            self.busiest = max(self.busiest, cpu_s / wall_s if wall_s else 0.0)

    async def _users(self, case: Case, nth: int, users: int, count: int | None) -> None:
        """Let *users* ask, each again as soon as they are answered."""
        indexes = iter(range(count)) if count is not None else itertools.count()
        until_s = self.clock() + self.load.duration_s if self.load.duration_s else float("inf")
        async with asyncio.TaskGroup() as group:
            for _ in range(users):
                group.create_task(self._user(case, nth, indexes, until_s))

    async def _user(self, case: Case, nth: int, indexes: Iterator[int], until_s: float) -> None:
        for index in indexes:
            if self.clock() >= until_s or self._is_gone:
                return
            request = self.server.prepared(self.prompts.question(case, nth, index))
            reply = await self._ask(case, nth, request, self.clock())
            if reply.error:
                await asyncio.sleep(_PAUSE_S)

    async def _at_rate(self, case: Case, nth: int) -> None:
        """Send each request when it is due, whatever became of the earlier ones."""
        begun_s, open_ones = self.clock(), asyncio.Semaphore(case.concurrency)
        async with asyncio.TaskGroup() as group:
            for index, offset_s in enumerate(due_times(case, self.load, nth)):
                request = self.server.prepared(self.prompts.question(case, nth, index))
                await self._until(begun_s + offset_s, is_fine=case.rate_per_s < _DENSE_PER_S)
                if self._is_gone:
                    return
                due_s = begun_s + offset_s
                group.create_task(self._ask_in_turn(open_ones, case, nth, request, due_s))

    async def _until(self, moment_s: float, *, is_fine: bool) -> None:
        """Wait until *moment_s*: the last two milliseconds awake, where that is cheap."""
        left_s = moment_s - self.clock()
        # where it is late as well: those that were due before must get to send
        await asyncio.sleep(max(0.0, left_s - _FINE_S if is_fine else left_s))
        # a loop's timers go off early, too; nothing may leave before it is due
        while self.clock() < moment_s:  # noqa: ASYNC110 no event tells the time
            await asyncio.sleep(0)

    async def _ask_in_turn(
        self, open_ones: asyncio.Semaphore, case: Case, nth: int, request: bytes, due_s: float
    ) -> None:
        async with open_ones:
            if not self._is_gone:
                await self._ask(case, nth, request, due_s)

    async def _ask(self, case: Case, nth: int, request: bytes, due_s: float) -> Reply:
        if nth == WARM:
            return await self.server.ask(request, timeout_s=self.load.timeout_s)
        self.watcher.sent()
        reply = await self.server.ask(request, timeout_s=self.load.timeout_s)
        sample = self._sample(case, nth, due_s, reply)
        self._in_vain = self._in_vain + 1 if reply.error in _DEAD else 0
        self.samples.append(sample)
        self.watcher.seen(sample)
        return reply

    @property
    def _is_gone(self) -> bool:
        """Tell whether the server gave no sign of life to several requests in a row."""
        return self._in_vain >= _VAIN

    def _sample(self, case: Case, nth: int, due_s: float, reply: Reply) -> Sample:
        zero, sent_s = self._start_s, max(due_s, reply.sent_s)
        # a result whose times do not follow each other cannot be read
        times = tuple(max(sent_s, moment) - zero for moment in reply.tokens_s)
        ended_s = max(sent_s, reply.ended_s) - zero
        return Sample(
            case=case.id,
            round=nth,
            due_s=due_s - zero,
            sent_s=sent_s - zero,
            first_s=times[0] if times else None,
            ended_s=max(ended_s, *times[-1:]) if times else ended_s,
            tokens_s=times,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            error=reply.error,
            detail=reply.detail,
        )


async def in_turns(each: Sequence[Measuring]) -> None:
    """Measure one load by *each*, in turns: what else the machine does, and its warmth, hit all."""
    load = each[0].load
    ticking = [asyncio.create_task(one.tick()) for one in each]
    try:
        for nth, case in itertools.product(range(load.rounds), load.cases):
            for one in each if nth % 2 == 0 else reversed(each):  # none is always the first
                await one.turn(case, nth)
    finally:
        for task in ticking:
            task.cancel()
        for one in each:
            one.watcher.wait("")
