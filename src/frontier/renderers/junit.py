"""A report of checks as JUnit XML, which every CI system reads.

Schema: junit-10.xsd of Jenkins' xunit plugin, the one that pytest writes to.
"""

import re
from collections.abc import Iterable
from itertools import groupby
from typing import Final
from xml.etree import ElementTree as Xml

from frontier.domain.check import Checked, Report

# What XML 1.0 cannot say, not even escaped: https://www.w3.org/TR/xml/#charsets
_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, *, timestamp: str, hostname: str) -> str:
    """Return *report* as one ``testsuites`` document, a suite per group.

    A warning is a passed test with what it says in ``system-out``: JUnit has no word for it.

    Args:
        report: What was found.
        timestamp: When it began, ISO 8601 without a zone, as JUnit has it.
        hostname: Of the machine.
    """
    root = Xml.Element("testsuites", _counts(f"frontier {report.command}", report.checks))
    root.set("time", f"{report.duration_s:.3f}")
    root.attrib.pop("skipped")  # the schema has it for suites alone
    for group, members in groupby(sorted(report.checks, key=lambda c: c.group), lambda c: c.group):
        checks = list(members)
        suite = Xml.SubElement(root, "testsuite", _counts(f"{report.command}.{group}", checks))
        suite.set("time", f"{sum(c.duration_s for c in checks):.3f}")
        suite.set("timestamp", timestamp)
        suite.set("hostname", _legal(hostname))
        suite.extend(_case(report.command, check) for check in checks)
    Xml.indent(root)
    body = Xml.tostring(root, encoding="unicode")
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{body}\n"


def _counts(name: str, checks: Iterable[Checked]) -> dict[str, str]:
    states = [check.state for check in checks]
    return {
        "name": name,
        "tests": str(len(states)),
        "failures": str(states.count("fail")),
        "errors": "0",
        "skipped": str(states.count("skipped")),
    }


def _case(command: str, check: Checked) -> Xml.Element:
    case = Xml.Element(
        "testcase",
        {
            "classname": f"frontier.{command}.{check.group}",
            "name": _legal(check.id),
            "time": f"{check.duration_s:.3f}",
        },
    )
    if check.state == "skipped":
        Xml.SubElement(case, "skipped", message=_legal(check.seen))
    elif check.state == "fail":
        failure = Xml.SubElement(case, "failure", type="check", message=_legal(check.seen))
        failure.text = _legal("\n".join(explained(check)))
    else:
        label = "warning: " if check.state == "warn" else ""
        out = Xml.SubElement(case, "system-out")
        out.text = _legal(label + "\n".join(explained(check)))
    return case


def explained(check: Checked) -> list[str]:
    """Return what was seen, what was expected and what mends it, one line each."""
    lines = [f"{check.name}: {check.seen}"]
    lines += [f"expected: {check.expected}"] if check.expected else []
    lines += [f"mend it: {check.mend}"] if check.mend else []
    return lines + ([f"--fix would: {check.fix}"] if check.fix and not check.fixed else [])


def _legal(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
