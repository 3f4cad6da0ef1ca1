"""Requests per minute, tokens per minute and budgets, exact over all worker processes.

A bucket is one number: the time at which it will be full again (the generic cell rate algorithm).
It holds what one minute brings.
"""

import calendar
import math
import time
from typing import TYPE_CHECKING, Final, Literal

from frontier.domain.keys import Period
from frontier.gateway.errors import Problem
from frontier.gateway.ledger import PERIOD, REQUESTS, TOKENS, USED, Ledger

if TYPE_CHECKING:
    from frontier.gateway.keys import Caller

Scope = Literal["requests", "tokens", "budget"]

SCOPES: Final[tuple[Scope, ...]] = ("requests", "tokens", "budget")

_WINDOW_S: Final = 60.0
_ROUNDING_S: Final = 1e-6  # sixty seconds made of many gaps may be a little more
_DAY_S: Final = 86_400
_MINUTE_S: Final = 60

_WHAT: Final[dict[Scope, str]] = {
    "requests": "requests per minute",
    "tokens": "tokens per minute",
    "budget": "the token budget",
}


class Limits:
    """Decides by the ledger; times are the system's monotonic clock, the same in all processes.

    Args:
        ledger: What was used so far.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def admit(self, caller: "Caller", epoch: float) -> tuple[Scope | None, float]:
        """Take one request of *caller* if every limit allows it.

        Args:
            caller: Has at least one limit.
            epoch: Unix time.

        Returns:
            Which limit is reached, None if it goes on; and how long to wait, seconds.
        """
        ledger, slot, now = self._ledger, caller.slot, time.monotonic()
        ledger.lock(slot)
        try:
            numbers = ledger.numbers
            if caller.budget is not None:
                period, wait_s = _period(caller.budget.per, epoch)
                used = numbers[slot + USED] if numbers[slot + PERIOD] == period else 0.0
                if used >= caller.budget.tokens:
                    return "budget", wait_s
            gap_s = caller.token_gap_s
            if gap_s and (wait_s := numbers[slot + TOKENS] + gap_s - now - _WINDOW_S) > _ROUNDING_S:
                return "tokens", wait_s
            gap_s = caller.request_gap_s
            if gap_s:
                full_at = max(numbers[slot + REQUESTS], now) + gap_s
                if (wait_s := full_at - now - _WINDOW_S) > _ROUNDING_S:
                    return "requests", wait_s
                numbers[slot + REQUESTS] = full_at
        finally:
            ledger.unlock(slot)
        return None, 0.0

    def charge(self, caller: "Caller", tokens: int, epoch: float) -> None:
        """Count *tokens*, input and output, that an answer to *caller* took."""
        ledger, slot, now = self._ledger, caller.slot, time.monotonic()
        ledger.lock(slot)
        try:
            numbers = ledger.numbers
            if caller.token_gap_s:
                full_at = max(numbers[slot + TOKENS], now)
                numbers[slot + TOKENS] = full_at + tokens * caller.token_gap_s
            if caller.budget is not None:
                period, _ = _period(caller.budget.per, epoch)
                if numbers[slot + PERIOD] != period:
                    numbers[slot + PERIOD], numbers[slot + USED] = period, 0.0
                numbers[slot + USED] += tokens
        finally:
            ledger.unlock(slot)

    def headers(self, caller: "Caller") -> bytes:
        """Return the lines that tell *caller* what is left, empty without limits per minute."""
        slot, now, numbers = caller.slot, time.monotonic(), self._ledger.numbers
        lines = b""
        if caller.request_gap_s:
            lines += _lines(b"requests", caller.request_gap_s, numbers[slot + REQUESTS] - now)
        if caller.token_gap_s:
            lines += _lines(b"tokens", caller.token_gap_s, numbers[slot + TOKENS] - now)
        return lines


def over(scope: Scope, wait_s: float) -> Problem:
    """Return the 429 for a key that has reached a limit."""
    seconds = max(1, math.ceil(wait_s))
    retry = b"retry-after", b"%d" % seconds
    message = f"This API key has used up {_WHAT[scope]}; try again in {seconds} s."
    if scope == "budget":
        # OpenAI's word: waiting for a moment does not help
        final = (b"x-should-retry", b"false")
        return Problem(429, message, code="insufficient_quota", headers=(retry, final))
    return Problem(429, message, code="rate_limit_exceeded", headers=(retry,))


def _period(per: Period, epoch: float) -> tuple[int, float]:
    """Return the number of the day or month in UTC, and the seconds until it ends."""
    if per == "day":
        number, into_s = divmod(epoch, _DAY_S)
        return int(number), _DAY_S - into_s
    utc = time.gmtime(epoch)
    days = calendar.monthrange(utc.tm_year, utc.tm_mon)[1]
    left_s = (days - utc.tm_mday + 1) * _DAY_S - epoch % _DAY_S
    return utc.tm_year * 12 + utc.tm_mon, left_s


def _lines(what: bytes, gap_s: float, behind_s: float) -> bytes:
    limit = round(_WINDOW_S / gap_s)
    behind_s = max(0.0, behind_s)
    left = max(0, int((_WINDOW_S - behind_s + _ROUNDING_S) / gap_s))
    return (
        b"x-ratelimit-limit-%b: %d\r\nx-ratelimit-remaining-%b: %d\r\nx-ratelimit-reset-%b: %b\r\n"
        % (what, limit, what, left, what, _duration(behind_s))
    )


def _duration(wait_s: float) -> bytes:
    """Return *wait_s* as OpenAI writes it: ``17ms``, ``1.5s``, ``6m0s``."""
    if wait_s < 1:
        return b"%dms" % math.ceil(wait_s * 1000)
    if wait_s < _MINUTE_S:
        return f"{wait_s:.3g}s".encode()
    minutes, seconds = divmod(math.ceil(wait_s), _MINUTE_S)
    return b"%dm%ds" % (minutes, seconds)
