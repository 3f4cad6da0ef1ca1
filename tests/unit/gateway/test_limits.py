"""Buckets and budgets, and the ledger that holds them; the clock is the test's."""

import multiprocessing
import os
from datetime import UTC, datetime

import pytest

from frontier.domain.errors import ConfigError
from frontier.domain.keys import Budget
from frontier.gateway import ledger as ledgers
from frontier.gateway import limits as module
from frontier.gateway.keys import API, Caller
from frontier.gateway.ledger import Ledger, Usage
from frontier.gateway.limits import Limits, over

EPOCH = datetime(2026, 11, 30, 23, 0, tzinfo=UTC).timestamp()


class Now:
    def __init__(self) -> None:
        self.s = 1_000_000.0

    def monotonic(self) -> float:
        return self.s

    def gmtime(self, epoch: float) -> object:
        import time

        return time.gmtime(epoch)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    clock = Now()
    monkeypatch.setattr(module, "time", clock)
    return clock


def caller(ledger: Ledger, rpm: int = 0, tpm: int = 0, budget: Budget | None = None) -> Caller:
    return Caller(
        id="key_0123456789ab",
        rights=API,
        request_gap_s=60 / rpm if rpm else 0.0,
        token_gap_s=60 / tpm if tpm else 0.0,
        budget=budget,
        slot=ledger.slot("key_0123456789ab"),
        is_limited=True,
    )


@pytest.mark.parametrize("rpm", [1, 3, 7, 60, 100, 333, 10_000])
def test_a_full_bucket_lets_exactly_a_minutes_worth_through(now: Now, rpm: int) -> None:
    ledger = Ledger()
    limits, who = Limits(ledger), caller(ledger, rpm=rpm)

    passed = sum(limits.admit(who, EPOCH)[0] is None for _ in range(rpm + 50))

    assert passed == rpm


def test_a_bucket_fills_evenly_and_never_beyond_a_minute(now: Now) -> None:
    ledger = Ledger()
    limits, who = Limits(ledger), caller(ledger, rpm=6)
    for _ in range(6):
        assert limits.admit(who, EPOCH) == (None, 0.0)

    scope, wait_s = limits.admit(who, EPOCH)
    assert (scope, wait_s) == ("requests", pytest.approx(10))
    now.s += 9.9
    assert limits.admit(who, EPOCH)[0] == "requests"
    now.s += 0.1
    assert limits.admit(who, EPOCH)[0] is None
    assert limits.admit(who, EPOCH)[0] == "requests"
    now.s += 3600
    assert sum(limits.admit(who, EPOCH)[0] is None for _ in range(20)) == 6


def test_tokens_may_go_into_debt_once_and_the_debt_is_waited_off(now: Now) -> None:
    ledger = Ledger()
    limits, who = Limits(ledger), caller(ledger, tpm=60)
    assert limits.admit(who, EPOCH)[0] is None
    limits.charge(who, 90, EPOCH)

    scope, wait_s = limits.admit(who, EPOCH)

    assert (scope, wait_s) == ("tokens", pytest.approx(31))
    assert b"x-ratelimit-remaining-tokens: 0" in limits.headers(who)
    now.s += 31
    assert limits.admit(who, EPOCH)[0] is None


def test_a_refused_request_costs_nothing(now: Now) -> None:
    ledger = Ledger()
    limits, who = Limits(ledger), caller(ledger, rpm=2, tpm=10)
    limits.charge(who, 100, EPOCH)
    for _ in range(10):
        assert limits.admit(who, EPOCH)[0] == "tokens"

    now.s += 600

    assert [limits.admit(who, EPOCH)[0] for _ in range(3)] == [None, None, "requests"]


@pytest.mark.parametrize(
    ("per", "left_s", "next_epoch"),
    [("day", 3600, EPOCH + 3600), ("month", 3600, EPOCH + 3600)],
)
def test_a_budget_ends_with_its_calendar_period(
    now: Now, per: str, left_s: float, next_epoch: float
) -> None:
    ledger = Ledger()
    limits = Limits(ledger)
    who = caller(ledger, budget=Budget(100, "day" if per == "day" else "month"))
    limits.charge(who, 99, EPOCH)
    assert limits.admit(who, EPOCH)[0] is None
    limits.charge(who, 1, EPOCH)

    assert limits.admit(who, EPOCH) == ("budget", pytest.approx(left_s))
    assert limits.admit(who, next_epoch - 1)[0] == "budget"
    assert limits.admit(who, next_epoch)[0] is None


def test_a_month_has_as_many_days_as_the_calendar_says(now: Now) -> None:
    ledger = Ledger()
    limits, who = Limits(ledger), caller(ledger, budget=Budget(1, "month"))
    leap = datetime(2028, 2, 1, tzinfo=UTC).timestamp()
    limits.charge(who, 1, leap)

    assert limits.admit(who, leap) == ("budget", 29 * 86_400)


@pytest.mark.parametrize(
    ("wait_s", "shown"), [(0.2, b"200ms"), (1.5, b"1.5s"), (59.96, b"60s"), (360, b"6m0s")]
)
def test_resets_are_written_as_openai_does(now: Now, wait_s: float, shown: bytes) -> None:
    ledger = Ledger()
    limits, who = Limits(ledger), caller(ledger, tpm=6000)
    limits.charge(who, round(wait_s * 100), EPOCH)

    assert b"x-ratelimit-reset-tokens: %b\r\n" % shown in limits.headers(who)


def test_a_refusal_tells_whole_seconds_at_least_one() -> None:
    assert dict(over("requests", 0.01).headers)[b"retry-after"] == b"1"
    assert dict(over("tokens", 1.2).headers)[b"retry-after"] == b"2"


def test_a_ledger_finds_a_key_again_and_gives_its_slot_to_nobody_else() -> None:
    ledger = Ledger()
    slots = {name: ledger.slot(name) for name in (f"key_{i:012x}" for i in range(3000))}

    assert len(set(slots.values())) == 3000
    assert all(ledger.slot(name) == slot for name, slot in slots.items())


def test_a_ledger_that_is_full_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "_SLOTS", 4)
    ledger = Ledger()
    for i in range(4):
        ledger.slot(f"key_{i}")

    with pytest.raises(ConfigError, match="more than 4 keys"):
        ledger.slot("key_4")
    with pytest.raises(ConfigError, match="longer than"):
        ledger.slot("k" * 40)


def test_what_was_used_is_told_and_restored() -> None:
    old, new = Ledger(), Ledger()
    limits, who = Limits(old), caller(old, budget=Budget(100, "day"))
    limits.charge(who, 42, EPOCH)
    (usage,) = old.used()
    new.restore(usage)

    assert usage == Usage(who.id, 42, int(EPOCH // 86_400))
    assert list(new.used()) == [usage]


def _take(limits: Limits, who: Caller, results: "multiprocessing.Queue[int]") -> None:
    results.put(sum(limits.admit(who, EPOCH)[0] is None for _ in range(2000)))


def test_processes_that_share_a_ledger_never_let_one_too_many_through() -> None:
    ledger = Ledger(is_shared=True)
    limits, who = Limits(ledger), caller(ledger, rpm=5000)
    fork = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[int] = fork.Queue()
    others = [fork.Process(target=_take, args=(limits, who, results)) for _ in range(4)]
    import time

    began = time.monotonic()
    for other in others:
        other.start()
    passed = sum(results.get(timeout=20) for _ in others)
    took_s = time.monotonic() - began
    for other in others:
        other.join(10)

    assert 5000 <= passed <= 5000 + took_s * 5000 / 60


def test_a_lock_ends_with_its_holder() -> None:
    ledger = Ledger(is_shared=True)
    slot = ledger.slot("key_held")
    pid = os.fork()
    if pid == 0:
        ledger.lock(slot)
        os._exit(0)
    os.waitpid(pid, 0)

    ledger.lock(slot)  # would hang
    ledger.unlock(slot)
