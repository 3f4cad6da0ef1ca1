"""The check engine: looks at everything at the same time, and waits for nothing that hangs."""

import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from frontier.domain.check import BUG, Checked, Finding, State, failed, group_of, of_error, wanted
from frontier.domain.errors import FrontierError

LIMIT_S: Final = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """What mends a finding without any risk: it deletes nothing and stops nothing.

    Attributes:
        what: For people, in the imperative.
        run: Does it.
    """

    what: str
    run: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing to look at.

    Attributes:
        id: ``group.name``, stable between versions.
        name: What it is about, for people.
        look: Looks; raises a FrontierError or an OSError where that is the finding.
        limit_s: Seconds after which nobody waits for it any more, from its own start.
        late: What it is then.
        lane: Checks of one lane run one after another, in their order; "" runs at once.
        fix: What ``--fix`` does where it warns or fails.
    """

    id: str
    name: str
    look: Callable[[], Finding]
    limit_s: float = LIMIT_S
    late: State = "fail"
    lane: str = ""
    fix: Fix | None = None


class Once(Generic[T]):
    """A question that many checks ask and that is put once; its failure is remembered, too."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask, self._lock = ask, threading.Lock()
        self._answer: list[T] = []
        self._error: Exception | None = None

    def __call__(self) -> T:
        """Return the answer, or raise what asking raised."""
        with self._lock:
            if self._error is None and not self._answer:
                try:
                    self._answer.append(self._ask())
                except Exception as error:
                    self._error = error
                    raise
        if self._error is not None:
            raise self._error
        return self._answer[0]


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of checks has found.

    Attributes:
        checks: In the order in which they were given.
        has_late: One is still at work, in a thread of its own.
    """

    checks: tuple[Checked, ...]
    has_late: bool


def select(checks: Sequence[Check], only: Collection[str], skip: Collection[str]) -> list[Check]:
    """Return the checks that *only* and *skip* leave; both name checks or groups.

    Raises:
        UsageError: a name is neither.
    """
    names = wanted((check.id for check in checks), only, skip)
    return [check for check in checks if check.id in names]


def run(checks: Sequence[Check], *, on_done: Callable[[int], None] = lambda _: None) -> Run:
    """Look at everything in *checks*; *on_done* hears how many are done.

    A look that raises has failed; one that outlives its limit is what its check calls late. Its
    thread is a daemon: a dead network file system holds its reader for ever.
    """
    done: queue.SimpleQueue[tuple[int, Checked, bool]] = queue.SimpleQueue()
    for lane in _lanes(checks):
        threading.Thread(target=_walk, args=(lane, done), daemon=True).start()
    found: dict[int, Checked] = {}
    has_late = False
    while len(found) < len(checks):  # every look ends, or its limit does
        place, checked, is_late = done.get()
        found[place], has_late = checked, has_late or is_late
        on_done(len(found))
    return Run(tuple(found[place] for place in range(len(checks))), has_late)


def fixed(checks: Sequence[Check], before: Run) -> Run:
    """Mend what *before* found and can be mended safely, and look at it again."""
    after = list(before.checks)
    again: list[int] = []
    for place, (check, checked) in enumerate(zip(checks, before.checks, strict=True)):
        if check.fix and checked.state in ("warn", "fail"):
            try:
                check.fix.run()
            except (FrontierError, OSError) as error:
                after[place] = replace(checked, seen=f"{checked.seen}; not mended: {error}")
            else:
                again.append(place)
    second = run([checks[place] for place in again])
    for place, checked in zip(again, second.checks, strict=True):
        after[place] = replace(checked, fixed=True)
    return Run(tuple(after), before.has_late or second.has_late)


def _lanes(checks: Sequence[Check]) -> Iterable[list[tuple[int, Check]]]:
    lanes: dict[str, list[tuple[int, Check]]] = {}
    for place, check in enumerate(checks):
        lanes.setdefault(check.lane or f"{place}", []).append((place, check))
    return lanes.values()


def _walk(
    lane: Iterable[tuple[int, Check]], done: "queue.SimpleQueue[tuple[int, Checked, bool]]"
) -> None:
    for place, check in lane:
        box: queue.SimpleQueue[Finding] = queue.SimpleQueue()
        begun = time.monotonic()
        threading.Thread(
            target=_look, args=(check, box), name=f"check {check.id}", daemon=True
        ).start()
        try:
            finding, is_late = box.get(timeout=check.limit_s), False
        except queue.Empty:
            finding, is_late = _late(check), True
        done.put((place, _checked(check, finding, time.monotonic() - begun), is_late))


def _look(check: Check, box: "queue.SimpleQueue[Finding]") -> None:
    try:
        box.put(check.look())
    except FrontierError as error:
        box.put(of_error(error))
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        box.put(failed(f"{named}{error.strerror or error}"))
    except Exception as error:  # a look may break in any way, the command may not
        box.put(failed(f"{type(error).__name__}: {error}", mend=BUG))


def _late(check: Check) -> Finding:
    return Finding(
        state=check.late,
        seen=f"no answer within {check.limit_s:g} s",
        expected=f"an answer within {check.limit_s:g} s",
        mend=f"Look at it alone: --only {check.id}",
    )


def _checked(check: Check, finding: Finding, duration_s: float) -> Checked:
    can_fix = check.fix is not None and finding.state in ("warn", "fail")
    return Checked(
        id=check.id,
        name=check.name,
        group=group_of(check.id),
        state=finding.state,
        seen=finding.seen,
        expected=finding.expected,
        mend=finding.mend,
        fix=check.fix.what if check.fix and can_fix else "",
        duration_s=round(duration_s, 3),
    )
