"""What Prometheus says of its rules, judged; pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from frontier.domain.check import Finding, passed, warned

_TOLD: Final = ("critical", "warning")


def judge(groups: Iterable[Mapping[str, Any]]) -> Finding:
    """Tell which rules cannot be evaluated, and which alerts fire that somebody is told.

    Args:
        groups: As ``/api/v1/rules`` has them.
    """
    rules = [rule for group in groups for rule in group.get("rules", ())]
    wrong = [f"{rule['name']}: {rule['lastError']}" for rule in rules if rule.get("lastError")]
    firing = [
        _line(rule["name"], alert.get("annotations", {}))
        for rule in rules
        for alert in rule.get("alerts", ())
        if alert["state"] == "firing" and alert["labels"].get("severity") in _TOLD
    ]
    if wrong or firing:
        told = "; ".join(dict.fromkeys((*wrong, *firing)))
        return warned(told, expected="no alert", mend="frontier status")
    if not rules:
        return warned(
            "Prometheus has no rules", expected="those of the stack", mend="frontier restart"
        )
    return passed(f"{len(rules)} rules, and no alert fires")


def _line(name: str, texts: Mapping[str, str]) -> str:
    """Return an alert in one line, with the page that says what to do."""
    page = texts.get("runbook_url", "")
    return f"{texts.get('summary', name)}{f' ({page})' if page else ''}"
