"""Checks as values: what was looked at, what was seen, what was expected, what mends it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

from frontier.domain.errors import FrontierError, UsageError

State = Literal["pass", "warn", "fail", "skipped"]

BUG: Final = "This is a bug; please report it with the line above."


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one look has found.

    Attributes:
        state: ``warn`` is for what works now and may not later, or not as one may think.
        seen: One line for people; of a skipped check, why it was skipped.
        expected: What would have passed, "" where *seen* says it.
        mend: A command, or what to do, "" where nothing is to be done.
    """

    state: State
    seen: str
    expected: str = ""
    mend: str = ""


def passed(seen: str) -> Finding:
    """Return that all is well."""
    return Finding(state="pass", seen=seen)


def warned(seen: str, *, expected: str = "", mend: str = "") -> Finding:
    """Return what somebody should know."""
    return Finding(state="warn", seen=seen, expected=expected, mend=mend)


def failed(seen: str, *, expected: str = "", mend: str = "") -> Finding:
    """Return what does not work."""
    return Finding(state="fail", seen=seen, expected=expected, mend=mend)


def skipped(why: str, *, mend: str = "") -> Finding:
    """Return that nobody looked, and why."""
    return Finding(state="skipped", seen=why, mend=mend)


def of_error(error: FrontierError, *, state: State = "fail", expected: str = "") -> Finding:
    """Return *error* with its hint as what mends it."""
    said = [error.message, *error.details.splitlines()[-1:]]
    return Finding(state=state, seen=": ".join(said), expected=expected, mend=error.hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One check and what it has found.

    Attributes:
        id: ``group.name``, stable between versions.
        name: What it is about, for people.
        fix: What ``--fix`` would do, "" where there is nothing safe to do.
        fixed: ``--fix`` has done it; the state is the one after.
    """

    id: str
    name: str
    group: str
    state: State
    seen: str
    expected: str = ""
    mend: str = ""
    fix: str = ""
    fixed: bool = False
    duration_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All checks of one command.

    Attributes:
        command: ``doctor``, ``validate`` or ``test``.
        state: ``fail`` where one failed, else ``warn`` where one warns, else ``pass``.
        passed: How many; likewise the other three.
        duration_s: Wall time of all together.
    """

    command: str
    state: State
    passed: int
    warned: int
    failed: int
    skipped: int
    duration_s: float
    checks: tuple[Checked, ...]

    @classmethod
    def of(cls, command: str, checks: Sequence[Checked], duration_s: float | None = None) -> Self:
        """Return the report of *checks*; without a wall time that of the longest one counts."""
        count: dict[State, int] = {"pass": 0, "warn": 0, "fail": 0, "skipped": 0}
        for check in checks:
            count[check.state] += 1
        return cls(
            command=command,
            state="fail" if count["fail"] else "warn" if count["warn"] else "pass",
            passed=count["pass"],
            warned=count["warn"],
            failed=count["fail"],
            skipped=count["skipped"],
            duration_s=round(
                max((c.duration_s for c in checks), default=0.0)
                if duration_s is None
                else duration_s,
                3,
            ),
            checks=tuple(checks),
        )

    @property
    def exit_code(self) -> int:
        """Return 1 where a check failed, else 0."""
        return 1 if self.failed else 0


def group_of(check_id: str) -> str:
    """Return the group of a check: the word before the first point."""
    return check_id.partition(".")[0]


def wanted(ids: Iterable[str], only: Collection[str], skip: Collection[str]) -> frozenset[str]:
    """Return those of *ids* that *only* names, all where it is empty, without those of *skip*.

    Both name checks or groups.

    Raises:
        UsageError: a name is neither.
    """
    known = list(ids)
    names = {*known, *map(group_of, known)}
    for name in (*only, *skip):
        if name not in names:
            groups = ", ".join(sorted(set(map(group_of, known))))
            raise UsageError(
                f"there is no check and no group named {name!r}",
                hint=f"Groups: {groups}. The first column of the output names the checks.",
            )
    return frozenset(
        i for i in known if (not only or _is_named(i, only)) and not _is_named(i, skip)
    )


def _is_named(check_id: str, names: Collection[str]) -> bool:
    return check_id in names or group_of(check_id) in names
