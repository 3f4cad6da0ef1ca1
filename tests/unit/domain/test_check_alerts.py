from typing import Any

from frontier.domain.check_alerts import judge


def group(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"name": "g", "rules": list(rules)}


def firing(severity: str, state: str = "firing", **texts: str) -> dict[str, Any]:
    return {"state": state, "labels": {"severity": severity}, "annotations": texts}


def test_rules_that_are_quiet_pass() -> None:
    found = judge([group({"name": "A", "alerts": []}, {"name": "r"}), group({"name": "B"})])

    assert (found.state, found.seen) == ("pass", "3 rules, and no alert fires")


def test_an_alert_that_fires_is_told_once_with_its_page() -> None:
    texts = {"summary": "x is down", "runbook_url": "https://e.org/a#x"}
    rule = {"name": "A", "alerts": [firing("critical", **texts), firing("critical", **texts)]}

    found = judge([group(rule, {"name": "B", "alerts": [firing("warning")]})])

    assert (found.state, found.seen) == ("warn", "x is down (https://e.org/a#x); B")
    assert found.mend == "frontier status"


def test_what_is_pending_only_shown_or_always_there_is_no_trouble() -> None:
    alerts = [firing("critical", "pending"), firing("info"), firing("none")]

    assert judge([group({"name": "A", "alerts": alerts})]).state == "pass"


def test_a_rule_that_cannot_be_evaluated_is_told_with_the_reason() -> None:
    found = judge([group({"name": "A", "lastError": "many-to-many matching not allowed"})])

    assert (found.state, found.seen) == ("warn", "A: many-to-many matching not allowed")


def test_a_prometheus_without_rules_is_not_ours() -> None:
    assert judge([]).state == "warn"
