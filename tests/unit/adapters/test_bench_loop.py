"""The loop of a benchmark hears Ctrl-C whenever it comes."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from frontier.adapters.bench_loop import Loop, carry_out

ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _hangup() -> Iterator[None]:
    """Whoever runs the tests without a terminal may ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


async def nothing() -> None:
    await asyncio.sleep(0)


def test_what_nobody_interrupts_comes_to_its_end_and_leaves_the_handlers() -> None:
    before = [signal.getsignal(number) for number in ENDS]

    assert carry_out(nothing)

    assert [signal.getsignal(number) for number in ENDS] == before


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_ends_what_waits(number: signal.Signals) -> None:
    async def waiting() -> None:
        asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), number)
        await asyncio.sleep(60)

    assert not carry_out(waiting)


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_in_the_last_step_is_not_lost(number: signal.Signals) -> None:
    async def last() -> None:
        await asyncio.sleep(0)
        os.kill(os.getpid(), number)

    assert not carry_out(last)


def test_the_second_hangup_loses_nothing() -> None:
    async def waiting() -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(60)

    assert not carry_out(waiting)
    os.kill(os.getpid(), signal.SIGHUP)


def test_what_comes_while_a_result_is_written_does_nothing_but_is_known() -> None:
    with Loop() as loop:
        assert loop.carry_out(nothing)
        for number in ENDS:
            os.kill(os.getpid(), number)

        assert loop.is_told
        assert not loop.carry_out(nothing)


def test_it_may_come_again_and_again() -> None:
    async def waiting() -> None:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(60)

    assert not carry_out(waiting)


def test_its_errors_are_told() -> None:
    async def failing() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        carry_out(failing)
