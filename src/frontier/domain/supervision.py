"""The judgement of the supervisor: order, patience and words, without effects."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass

from frontier.domain.errors import ConfigError
from frontier.domain.project import Service

_LAST_LINES = 15
_SIGNALLED = 128  # the shell's way: 128 + n for death by signal n
_SIGNALS = frozenset(signal.Signals)
_FIRST_BACKOFF_S = 0.5
_LONGEST_BACKOFF_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often and how patiently the supervisor looks, in seconds.

    llama.cpp answers ``/health`` within 6 ms while 300 streams wait for one slot (measured on
    two cores), so three silent checks mean a hung engine, not a busy one.
    """

    poll_s: float = 0.1
    health_interval_s: float = 3.0
    health_timeout_s: float = 3.0
    misses: int = 3
    stable_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended.

    Attributes:
        code: Exit code, 128+n for signal n.
        output: The end of what it wrote.
        was_unguarded: The process that guards it was killed.
    """

    code: int
    output: str = ""
    was_unguarded: bool = False

    @property
    def last_lines(self) -> str:
        """Return as much of the output as a person wants to read first."""
        return "\n".join(self.output.splitlines()[-_LAST_LINES:])

    def __str__(self) -> str:
        """Return the end in words, with the line of output that tells the cause."""
        guard = "its guard was " if self.was_unguarded else ""
        if self.code - _SIGNALLED in _SIGNALS:
            return f"{guard}killed by {signal.Signals(self.code - _SIGNALLED).name}"
        cause = _cause(self.output)
        return f"{guard}exit code {self.code}" + (f": {cause}" if cause else "")


def _cause(output: str) -> str:
    """Return the last line that calls itself an error, else the last line.

    Engines log from threads of their own, so what comes last need not be what matters:
    llama.cpp's log of a failed start came after our error in one of ten starts.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or [""])[-1]


def backoff_s(deaths: int) -> float:
    """Return the seconds to wait after the n-th death in a row: 0.5 doubling to 30."""
    doublings = min(deaths - 1, 10)  # beyond ten the longest wait is reached anyway
    return min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * (1 << doublings))


def waves(services: Sequence[Service]) -> tuple[tuple[Service, ...], ...]:
    """Return *services* in start order; those of one wave do not need each other.

    A need that is not among *services* counts as met. Services that need each other in a circle
    come together in the last wave, so that stopping never loses one.
    """
    left, found = list(services), list[tuple[Service, ...]]()
    while left:
        names = {service.name for service in left}
        wave = tuple(s for s in left if not names.intersection(s.needs)) or tuple(left)
        found.append(wave)
        left = [service for service in left if service not in wave]
    return tuple(found)


def check(services: Sequence[Service]) -> None:
    """Refuse services that can never start.

    Raises:
        ConfigError: two have one name, or one needs what is not declared or needs itself.
    """
    names = [service.name for service in services]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"two services are named {min(doubled)!r}")
    for service in services:
        if unknown := set(service.needs) - set(names):
            raise ConfigError(
                f"service {service.name!r} needs {min(unknown)!r}, which is not declared",
                hint=f"Known: {', '.join(names)}.",
            )
    last = waves(services)[-1:]
    circle = [s.name for wave in last for s in wave if {w.name for w in wave} & set(s.needs)]
    if circle:
        raise ConfigError(f"services need each other in a circle: {', '.join(circle)}")
