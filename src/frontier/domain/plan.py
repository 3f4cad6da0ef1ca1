"""The way from what runs to what should run, as data that prints itself."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do to one service, and why."""

    action: Literal["remove", "start", "restart", "stop"]
    service: str
    reason: str

    def __str__(self) -> str:
        """Return the line that a person reads in a plan."""
        return f"{self.action} {self.service}: {self.reason}"


def asked_for(action: Literal["restart", "stop"], services: Collection[str]) -> tuple[Step, ...]:
    """Return the same step for each of *services*, because the person wants it."""
    return tuple(Step(action, name, "asked for") for name in services)


def reconcile(
    desired: Mapping[str, str], observed: Mapping[str, str], *, asked: Collection[str] = ()
) -> tuple[Step, ...]:
    """Return the steps from *observed* to *desired*, removals first.

    Args:
        desired: Service name to the digest of its configuration, in start order.
        observed: The same for what runs.
        asked: Services to restart even though nothing changed.
    """
    gone = (Step("remove", name, "no longer declared") for name in observed if name not in desired)
    stale = (_step(name, digest, observed, asked) for name, digest in desired.items())
    return (*gone, *(step for step in stale if step))


def _step(
    name: str, digest: str, observed: Mapping[str, str], asked: Collection[str]
) -> Step | None:
    if name not in observed:
        return Step("start", name, "not running")
    if observed[name] != digest:
        return Step("restart", name, "changed")
    if name in asked:
        return Step("restart", name, "asked for")
    return None
