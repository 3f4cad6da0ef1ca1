"""The check engine: nothing that a check does can hang or end the command."""

import threading
import time
from collections.abc import Callable

import pytest

from frontier.domain.check import Finding, Report, failed, passed, warned
from frontier.domain.errors import ConfigError, UsageError
from frontier.usecases.checking import Check, Fix, Once, fixed, run, select


def check(name: str, look: Callable[[], Finding], **more: object) -> Check:
    return Check(id=name, name=name.title(), look=look, **more)  # type: ignore[arg-type]


def raising(error: Exception) -> Callable[[], Finding]:
    def look() -> Finding:
        raise error

    return look


def test_results_come_in_the_order_of_the_checks_whatever_ends_first() -> None:
    gate = threading.Event()

    def slow() -> Finding:
        gate.wait(5)
        return passed("slow")

    def quick() -> Finding:
        gate.set()
        return passed("quick")

    found = run([check("a.slow", slow), check("a.quick", quick)])

    assert [c.seen for c in found.checks] == ["slow", "quick"]
    assert not found.has_late


def test_a_check_that_hangs_is_late_and_holds_nobody_up() -> None:
    hang = threading.Event()

    found = run(
        [
            check("a.hangs", lambda: passed(str(hang.wait(60))), limit_s=0.05),
            check("a.warns", lambda: passed(str(hang.wait(60))), limit_s=0.05, late="warn"),
            check("a.works", lambda: passed("yes")),
        ]
    )
    hang.set()

    assert [c.state for c in found.checks] == ["fail", "warn", "pass"]
    assert found.checks[0].seen == "no answer within 0.05 s"
    assert found.has_late


@pytest.mark.parametrize(
    ("error", "seen", "mend"),
    [
        (ConfigError("wrong", hint="Mend it.", details="a\nlast"), "wrong: last", "Mend it."),
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied", ""),
        (OSError("odd"), "odd", ""),
        (KeyError("name"), "KeyError: 'name'", "This is a bug; please report it"),
    ],
)
def test_a_check_that_raises_has_failed_with_the_reason(
    error: Exception, seen: str, mend: str
) -> None:
    (found,) = run([check("a.b", raising(error))]).checks

    assert (found.state, found.seen) == ("fail", seen)
    assert found.mend.startswith(mend)


def test_checks_of_one_lane_run_one_after_another() -> None:
    order: list[str] = []

    def look(name: str, wait_s: float) -> Callable[[], Finding]:
        def looking() -> Finding:
            order.append(f"{name} begins")
            time.sleep(wait_s)
            order.append(f"{name} ends")
            return passed("")

        return looking

    run([check("a.1", look("1", 0.05), lane="x"), check("a.2", look("2", 0), lane="x")])

    assert order == ["1 begins", "1 ends", "2 begins", "2 ends"]


def test_only_and_skip_take_checks_and_groups() -> None:
    all_of_them = [check(i, lambda: passed("")) for i in ("a.x", "a.y", "b.x", "c.z")]

    chosen = select(all_of_them, ["a", "b.x"], ["a.y"])

    assert [c.id for c in chosen] == ["a.x", "b.x"]
    assert len(select(all_of_them, [], ["a"])) == 2


def test_a_name_that_is_no_check_is_refused_with_the_groups() -> None:
    with pytest.raises(UsageError, match="no group named 'q'") as refused:
        select([check("a.x", lambda: passed(""))], ["q"], [])

    assert "Groups: a." in refused.value.hint


def test_a_question_is_put_once_and_its_failure_remembered() -> None:
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        raise ConfigError("no")

    once = Once(ask)
    run([check(f"a.{n}", lambda: passed(str(once()))) for n in range(8)])

    assert len(asked) == 1
    with pytest.raises(ConfigError):
        once()


def test_only_what_warns_or_fails_is_mended_and_looked_at_again() -> None:
    done: list[str] = []

    def fix(name: str) -> Fix:
        return Fix(what=f"mend {name}", run=lambda: done.append(name))

    checks = [
        check("a.bad", lambda: passed("now") if done else warned("open"), fix=fix("bad")),
        check("a.good", lambda: passed(""), fix=fix("good")),
        check("a.stays", lambda: failed("no way")),
    ]
    before = run(checks)

    after = fixed(checks, before)

    assert [c.fix for c in before.checks] == ["mend bad", "", ""]
    assert done == ["bad"]
    assert [(c.state, c.fixed) for c in after.checks] == [
        ("pass", True),
        ("pass", False),
        ("fail", False),
    ]


def test_a_fix_that_fails_is_told_and_ends_nothing() -> None:
    def refuse() -> None:
        raise PermissionError(1, "Operation not permitted")

    checks = [check("a.b", lambda: warned("open"), fix=Fix(what="close", run=refuse))]

    (found,) = fixed(checks, run(checks)).checks

    assert found.state == "warn"
    assert "not mended" in found.seen
    assert "not permitted" in found.seen


def test_a_report_counts_and_fails_only_where_a_check_failed() -> None:
    def report(*looks: Finding) -> Report:
        return Report.of("x", run([check("a.b", lambda s=s: s) for s in looks]).checks)

    assert report(passed(""), warned("")).exit_code == 0
    assert report(passed(""), warned("")).state == "warn"
    assert (report(failed("")).exit_code, report(failed("")).state) == (1, "fail")
    assert report().state == "pass"
