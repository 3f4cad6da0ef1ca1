"""The reference names every check, and the documented ones exist."""

import re
from pathlib import Path

from frontier.bootstrap import Services
from frontier.usecases.checking import Check

PAGE = (Path(__file__).parents[2] / "docs/reference/checks.md").read_text()


def documented(command: str) -> set[str]:
    section = PAGE.split(f"## `frontier {command}`")[1].split("\n## ")[0]
    rows = re.findall(r"(?m)^\| (`.*?) \|", section)
    return {name for row in rows for name in re.findall(r"`([a-z]+\.[a-zA-Z-]+)`", row)}


def ids(checks: list[Check]) -> set[str]:
    return {check.id.removesuffix("-stream") for check in checks}


def test_the_reference_names_every_check(tmp_path: Path) -> None:
    checks = Services(chosen=tmp_path).checks
    services = Services(chosen=tmp_path)
    doctor = ids(
        checks.doctor(machine=services.machine, docker=lambda: services.docker_facts, may_ask=False)
    )
    shared = {name for name in doctor if name.startswith(("docker.", "git."))}
    validate = ids(checks.validate(must_run=False, deep=False)) - shared

    assert documented("doctor") == doctor
    assert documented("validate") == validate | {"service.NAME", "workspace.writable"}
    assert documented("test") == ids(checks.test(model=""))
