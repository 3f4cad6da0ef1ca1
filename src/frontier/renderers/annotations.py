"""A report of checks as annotations of GitHub Actions.

Source: "Workflow commands for GitHub Actions", and the escapes of @actions/core (command.ts).
"""

from frontier.domain.check import Checked, Report
from frontier.renderers.junit import explained

_LEVELS = {"fail": "error", "warn": "warning"}


def render(report: Report) -> str:
    """Return one line per check that failed or warns, and a last one that counts."""
    lines = [_annotation(check) for check in report.checks if check.state in _LEVELS]
    counts = (
        f"{report.passed} passed, {report.warned} warned, {report.failed} failed, "
        f"{report.skipped} skipped"
    )
    return "\n".join([*lines, f"frontier {report.command}: {counts}"])


def _annotation(check: Checked) -> str:
    title = _property(f"{check.id}: {check.name}")
    said = _data("\n".join(explained(check)))
    return f"::{_LEVELS[check.state]} title={title}::{said}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
